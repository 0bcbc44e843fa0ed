"""The official SDKs, Python and JavaScript, behind one face: ask for streamed answers, get what the SDKs made of them.

`Desk.ask` runs many cases at a time; `sdk_cases` has the words for it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anthropic
import openai

from .conftest import LIMIT_SECONDS
from .js_sdk import JsCase, JsError, JsResult, run_js_cases
from .sdk_cases import Answer, Case, Driver, Raised, Work
from .sdk_stage import Stage

__all__ = ["Desk", "desk"]

#: How many answers are asked for at a time, of each runtime.
_CONCURRENCY = 12
#: How long all that `Desk.ask` is asked for may take together.
_TOGETHER_SECONDS = 5 * LIMIT_SECONDS

_MESSAGES = [{"role": "user", "content": "Count from one to ten."}]
_PROMPT = "Count from one to ten."

#: What is asked for besides the stream: usage, where it has to be asked for.
_EXTRA: dict[str, dict[str, Any]] = {
    "chat": {"stream_options": {"include_usage": True}},
    "completions": {"stream_options": {"include_usage": True}},
}

# The same call for the synchronous client and for the asynchronous one, which returns an awaitable or an asynchronous
# context manager instead.
_OPEN: dict[str, Callable[..., Any]] = {
    "chat": lambda client, **more: client.chat.completions.create(messages=_MESSAGES, stream=True, **more),
    "chat.stream": lambda client, **more: client.chat.completions.stream(messages=_MESSAGES, **more),
    "completions": lambda client, **more: client.completions.create(prompt=_PROMPT, stream=True, **more),
    "responses": lambda client, **more: client.responses.create(input=_PROMPT, stream=True, **more),
    "responses.stream": lambda client, **more: client.responses.stream(input=_PROMPT, **more),
    "messages": lambda client, **more: client.messages.create(messages=_MESSAGES, max_tokens=64, stream=True, **more),
    "messages.stream": lambda client, **more: client.messages.stream(messages=_MESSAGES, max_tokens=64, **more),
}

#: Helpers only: the accumulated answer (awaitable where the client is asynchronous), and its text.
_FINAL: dict[str, tuple[Callable[[Any], Any], Callable[[Any], str]]] = {
    "chat.stream": (lambda stream: stream.get_final_completion(), lambda found: found.choices[0].message.content),
    "responses.stream": (lambda stream: stream.get_final_response(), lambda found: found.output_text),
    "messages.stream": (
        lambda stream: stream.get_final_message(),
        lambda found: "".join(block.text for block in found.content),
    ),
}


def _read(api: str, event: Any, answer: Answer) -> None:
    """Fold one item of an SDK's stream into *answer*."""
    kind = getattr(event, "type", None)
    if kind == "chunk":  # of the chat helper
        event = event.chunk
    answer.events += 1
    match api, kind:
        case "chat" | "completions", None | "chunk":
            for choice in event.choices:
                answer.text += (choice.text if api == "completions" else choice.delta.content) or ""
                answer.finish = choice.finish_reason or answer.finish
            if event.usage is not None:
                answer.output_tokens = event.usage.completion_tokens
        case "responses", "response.output_text.delta":
            answer.text += event.delta
        case "responses", "response.completed":
            answer.finish, answer.output_tokens = event.response.status, event.response.usage.output_tokens
        case "messages", "content_block_delta":
            answer.text += event.delta.text
        case "messages", "message_delta":
            answer.finish, answer.output_tokens = event.delta.stop_reason, event.usage.output_tokens


def _raised(error: Exception) -> Raised:
    body = getattr(error, "body", None)
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]  # as it came, in anthropic's SDK
    code = body.get("code") if isinstance(body, dict) else None
    return Raised(
        names=tuple(kind.__name__ for kind in type(error).__mro__),
        message=str(error),
        status=getattr(error, "status_code", None),
        code=None if code is None else str(code),
    )


def _from_js(result: JsResult) -> Answer:
    usage = result.usage or {}
    return Answer(
        text=result.text,
        events=result.events,
        finish=result.finish,
        output_tokens=usage.get("completion_tokens", usage.get("output_tokens")),
        final=result.final,
        error=_thrown(result.error) if result.error else None,
    )


def _thrown(error: JsError) -> Raised:
    code = None if error.code is None else str(error.code)
    return Raised(names=tuple(error.names), message=error.message, status=error.status, code=code)


class Desk:
    """Where answers are asked for; `desk` makes one."""

    def __init__(self, stage: Stage, clients: Mapping[tuple[str, str], Any], threads: ThreadPoolExecutor) -> None:
        self._stage = stage
        self._clients = clients
        self._threads = threads
        self._gate = asyncio.Semaphore(_CONCURRENCY)

    def ask(self, work: Sequence[Work]) -> list[Answer]:
        """What the drivers make of their cases, in the order of *work*; for JavaScript, one process an SDK."""
        return self._stage.run(self._ask(work), limit_seconds=_TOGETHER_SECONDS)

    async def _ask(self, work: Sequence[Work]) -> list[Answer]:
        shares: dict[tuple[str, str], list[Work]] = {}
        for driver, case in work:
            shares.setdefault((driver.runtime, driver.sdk), []).append((driver, case))
        answers = await asyncio.gather(*(self._share(runtime, sdk, share) for (runtime, sdk), share in shares.items()))
        # Each share has kept its order.
        found = {share: iter(of_share) for share, of_share in zip(shares, answers, strict=True)}
        return [next(found[driver.runtime, driver.sdk]) for driver, _case in work]

    async def _share(self, runtime: str, sdk: str, share: Sequence[Work]) -> list[Answer]:
        if runtime == "js":
            results = await run_js_cases(
                sdk,
                [_js_case(driver, case) for driver, case in share],
                concurrency=_CONCURRENCY,
                limit_seconds=_TOGETHER_SECONDS,
            )
            return list(map(_from_js, results))
        one = self._async_one if runtime == "async" else self._sync_one
        return await asyncio.gather(*(one(driver, case) for driver, case in share))

    async def _sync_one(self, driver: Driver, case: Case) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._sync, driver, case)

    async def _async_one(self, driver: Driver, case: Case) -> Answer:
        async with self._gate:
            return await self._async(driver, case)

    def _sync(self, driver: Driver, case: Case) -> Answer:
        answer = Answer()
        try:
            with self._open(driver, case) as stream:
                for event in stream:
                    _read(driver.api, event, answer)
                if driver.is_helper:
                    ask, read = _FINAL[driver.call]
                    answer.final = read(ask(stream))
        except Exception as error:  # noqa: BLE001  part of the answer
            answer.error = _raised(error)
        return answer

    async def _async(self, driver: Driver, case: Case) -> Answer:
        answer = Answer()
        try:
            opened = self._open(driver, case)
            async with await opened if inspect.isawaitable(opened) else opened as stream:
                async for event in stream:
                    _read(driver.api, event, answer)
                if driver.is_helper:
                    ask, read = _FINAL[driver.call]
                    answer.final = read(await ask(stream))
        except Exception as error:  # noqa: BLE001  part of the answer
            answer.error = _raised(error)
        return answer

    def _open(self, driver: Driver, case: Case) -> Any:
        client = self._clients[driver.sdk, driver.runtime].copy(
            base_url=_base_url(driver, case), max_retries=case.max_retries
        )
        return _OPEN[driver.call](client, model="m", extra_headers=dict(case.headers), **_EXTRA.get(driver.api, {}))


def _base_url(driver: Driver, case: Case) -> str:
    return f"{case.base_url}/v1" if driver.sdk == "openai" else case.base_url


def _js_case(driver: Driver, case: Case) -> JsCase:
    return JsCase(
        call=driver.call,
        base_url=_base_url(driver, case),
        body=_EXTRA.get(driver.api, {}),
        headers=case.headers,
        max_retries=case.max_retries,
    )


@contextmanager
def desk(stage: Stage) -> Iterator[Desk]:
    """A desk whose asynchronous clients live in the loop of *stage*; no client asks the environment for a proxy."""
    options: dict[str, Any] = {"api_key": "x", "timeout": LIMIT_SECONDS}
    clients: dict[tuple[str, str], Any] = {
        ("openai", "sync"): openai.OpenAI(http_client=openai.DefaultHttpxClient(trust_env=False), **options),
        ("openai", "async"): openai.AsyncOpenAI(http_client=openai.DefaultAsyncHttpxClient(trust_env=False), **options),
        ("anthropic", "sync"): anthropic.Anthropic(
            http_client=anthropic.DefaultHttpxClient(trust_env=False), **options
        ),
        ("anthropic", "async"): anthropic.AsyncAnthropic(
            http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False), **options
        ),
    }
    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        try:
            yield Desk(stage, clients, threads)
        finally:
            for (_sdk, runtime), client in clients.items():
                stage.run(client.close()) if runtime == "async" else client.close()
