"""LLM servers on this machine, by the default ports of the usual ones and by what answers there.

Only 127.0.0.1 is asked, with a few GETs to each port that change nothing, all at once and for less than a second: what
has not answered by then is not there. What a server is its answers tell, not its port.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..watch.words import printable

__all__ = ["DEFAULT_PORTS", "Answer", "Neighbour", "find", "identify", "suggestions"]

#: Name → where it listens unless told otherwise.
DEFAULT_PORTS = {
    "vLLM": 8000,
    "llama.cpp": 8080,
    "Ollama": 11434,
    "SGLang": 30000,
    "TGI": 3000,
    "LM Studio": 1234,
}
_WITHIN_SECONDS = 0.8
#: More of an answer is not read; a list of models is some kilobytes.
_MAX_ANSWER_BYTES = 1_048_576
#: More models than this are not named.
_SHOWN_MODELS = 3

_MODELS, _TAGS, _INFO, _OURS = "/v1/models", "/api/tags", "/info", "/-/sse-proxy/healthz"
#: What a server writes into ``owned_by`` of its models, where that names itself.
_OWNERS = {
    "vllm": "vLLM",
    "sglang": "SGLang",
    "llamacpp": "llama.cpp",
    "organization_owner": "LM Studio",
    "library": "Ollama",
}


class Answer(NamedTuple):
    """A response: its status, and its JSON document; None for any other body."""

    status: int
    document: Any


#: By path, the documents of successful answers.
Documents = Mapping[str, dict[str, Any]]
#: What a server is, and its models.
Known = tuple[str, tuple[str, ...]]


class Neighbour(NamedTuple):
    """A server that was found."""

    name: str
    url: str
    models: tuple[str, ...]


def identify(answers: Mapping[str, Answer]) -> Known | None:
    """What a server is by its *answers*, by path, and its models; None: no LLM server, or a proxy of ours."""
    if _OURS in answers and answers[_OURS].status == 200:
        return None
    documents = {
        path: answer.document
        for path, answer in answers.items()
        if answer.status == 200 and isinstance(answer.document, dict)
    }
    known = next((known for sign in _SIGNS if (known := sign(documents)) is not None), None)
    if known is None and _MODELS in answers and answers[_MODELS].status == 401:
        return "a server of OpenAI's API that asks for a key", ()
    return known


def _by_owner(documents: Documents) -> Known | None:
    owners = (str(model.get("owned_by")) for model in _entries(documents, _MODELS, "data"))
    named = next((_OWNERS[owner] for owner in owners if owner in _OWNERS), None)
    return None if named is None else (named, _names(documents, _MODELS, "data", "id"))


def _by_info(documents: Documents) -> Known | None:
    info = documents.get(_INFO, {})
    is_tgi = "model_id" in info and "max_concurrent_requests" in info
    return ("TGI", (str(info["model_id"]),)) if is_tgi else None


def _by_tags(documents: Documents) -> Known | None:
    has_tags = "models" in documents.get(_TAGS, {})
    return ("Ollama", _names(documents, _TAGS, "models", "name")) if has_tags else None


def _by_models(documents: Documents) -> Known | None:
    has_models = "data" in documents.get(_MODELS, {})
    return ("a server of OpenAI's API", _names(documents, _MODELS, "data", "id")) if has_models else None


#: In this order: several servers imitate the lists of others, and write their own name into them.
_SIGNS = (_by_owner, _by_info, _by_tags, _by_models)


def _entries(documents: Documents, path: str, key: str) -> list[dict[str, Any]]:
    entries = documents.get(path, {}).get(key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _names(documents: Documents, path: str, key: str, name: str) -> tuple[str, ...]:
    return tuple(str(entry[name]) for entry in _entries(documents, path, key) if name in entry)


async def find(ports: Iterable[int], *, avoid: Collection[int] = ()) -> list[Neighbour]:
    """The servers that answer on *ports* of 127.0.0.1, in that order; those in *avoid* are not asked."""
    asked = [port for port in ports if port not in avoid]
    paths = (_MODELS, _TAGS, _INFO, _OURS)
    tasks = {(port, path): asyncio.create_task(_get(port, path)) for port in asked for path in paths}
    if tasks:
        await asyncio.wait(tasks.values(), timeout=_WITHIN_SECONDS)
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    found: list[Neighbour] = []
    for port in asked:
        given = {path: tasks[port, path].result() for path in paths if not tasks[port, path].cancelled()}
        known = identify({path: answer for path, answer in given.items() if answer is not None})
        if known is not None:
            found.append(Neighbour(known[0], f"http://127.0.0.1:{port}", known[1]))
    return found


async def _get(port: int, path: str) -> Answer | None:
    import httpx

    from ..upstream import HTTPTransport

    request = httpx.Request("GET", f"http://127.0.0.1:{port}{path}", headers={"Accept": "application/json"})
    async with HTTPTransport() as transport:
        try:
            response = await transport.handle_async_request(request)
            try:
                body = await _body(response)
            finally:
                await response.aclose()
        except httpx.TransportError:  # nobody, or somebody who speaks something else
            return None
    try:
        return Answer(response.status_code, json.loads(body))
    except ValueError:
        return Answer(response.status_code, None)


async def _body(response: Any) -> bytes:
    body = b""
    async for data in response.stream:
        body += data
        if len(body) > _MAX_ANSWER_BYTES:
            break
    return body


def suggestions(found: Iterable[Neighbour], looked_for: Mapping[str, int]) -> list[str]:
    """Lines that say what to type, with the servers that were *found* of those *looked_for*."""
    lines = []
    for name, url, models in found:
        shown = printable(", ".join(models[:_SHOWN_MODELS])) + (", …" if len(models) > _SHOWN_MODELS else "")
        lines += [f"found {name} at {url}{f' ({shown})' if shown else ''}:", f"  sse-proxy serve --upstream {url}"]
    if not lines:
        places = ", ".join(f"{name} {port}" for name, port in looked_for.items())
        lines += [f"no LLM server answers on the usual ports of 127.0.0.1 ({places})"]
    return [*lines, "without a server of your own:", "  sse-proxy demo"]
