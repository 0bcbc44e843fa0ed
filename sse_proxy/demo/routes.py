"""From a request that has arrived whole to the steps of its response: one handler a path. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from .apis import APIS, EVENTS, PATHS, Api, Ask, api_for, api_path
from .blocks import JSONObject
from .defects import check_defects
from .knobs import Knobs
from .script import document_steps, download_steps, stream_steps
from .steps import Step
from .text import answer, spoken

__all__ = ["Request", "keeps_body", "respond", "route_of"]

_MODEL: JSONObject = {
    "id": "mock",
    "object": "model",
    "created": 0,
    "owned_by": "sse-proxy",
    # Anthropic's SDK reads the same list by these.
    "type": "model",
    "display_name": "Mock",
    "created_at": "1970-01-01T00:00:00Z",
}
_MODELS: JSONObject = {"object": "list", "data": [_MODEL], "has_more": False, "first_id": "mock", "last_id": "mock"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, its body received."""

    method: str
    route: str
    #: As on the wire, percent-encoded, without the query.
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    knobs: Knobs
    #: Part of the ids in the answer.
    number: int
    #: Unix time in seconds.
    now: int
    body_bytes: int = 0
    body_sha256: str = ""
    #: Empty where `keeps_body` says that it is not wanted.
    body: bytes = b""


class _Unacceptable(ValueError):
    """The request cannot be answered; the message says why."""


def route_of(path: str) -> str:
    """The route that serves *path*, a closed set; ``other`` is served with 404."""
    if path.startswith("/echo/"):
        return "/echo"
    known = api_path(path)
    return known if known in _ROUTES else "other"


def keeps_body(route: str) -> bool:
    """Whether the handler of *route* wants the body itself, rather than its length and digest."""
    return route in PATHS


def respond(request: Request) -> Iterator[Step]:
    """The steps of the response to *request*."""
    api = api_for(request.route) if request.route in PATHS else EVENTS
    knobs = request.knobs
    route = _ROUTES.get(request.route)
    if route is None:
        return document_steps(knobs, 404, api.refusal(404, "the mock has no such path"))
    methods, handler = route
    if methods and request.method not in methods:
        return document_steps(knobs, 405, api.refusal(405, f"use {' or '.join(sorted(methods))}"))
    if knobs.status is not None and handler is not _echo:
        return document_steps(knobs, knobs.status, api.refusal(knobs.status, "the mock was told this status"))
    try:
        return handler(request)
    except _Unacceptable as error:
        return document_steps(knobs, 400, api.refusal(400, str(error)))


def _generate(request: Request) -> Iterator[Step]:
    try:
        body = json.loads(request.body) if request.method == "POST" else {}
    except (ValueError, RecursionError) as error:
        raise _Unacceptable(f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise _Unacceptable("the body is no JSON object")
    api = api_for(request.route, request.query, body)
    ask = _ask(request, body)
    if request.method == "GET" or api.streams(body):
        return _stream(api, ask, request.knobs)
    return document_steps(request.knobs, 200, api.document(ask))


def _events(request: Request) -> Iterator[Step]:
    ask = _ask(request, {})
    # WHATWG HTML § 9.2.3: 204 stops an EventSource from asking again.
    if ask.last_number and ask.last_number >= len(ask.tokens):
        return document_steps(request.knobs, 204, {})
    return _stream(EVENTS, ask, request.knobs)


def _stream(api: Api, ask: Ask, knobs: Knobs) -> Iterator[Step]:
    try:
        check_defects(api.name, knobs.defect, framing=api.framing)
    except ValueError as error:
        raise _Unacceptable(str(error)) from error
    return stream_steps(api, ask, knobs)


def _ask(request: Request, body: Mapping[str, object]) -> Ask:
    knobs = request.knobs
    model, choices, options = body.get("model"), body.get("n"), body.get("stream_options")
    last_id = dict(request.headers).get(b"last-event-id", b"")
    return Ask(
        id=f"mock{request.number:06}",
        created=request.now,
        tokens=spoken(
            knobs.tokens,
            huge=knobs.huge,
            wide=knobs.wide,
            separators=knobs.separators,
            bad_byte="invalid_utf8" in knobs.defect,
        ),
        model=model if isinstance(model, str) else "mock",
        choices=choices if isinstance(choices, int) and choices > 0 else 1,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        no_done=knobs.no_done,
        no_finish=knobs.no_finish,
        error_status=knobs.error_status,
        flat_error=knobs.error_form == "flat",
        ids=knobs.ids,
        last_number=int(last_id) if knobs.ids and last_id.isdigit() else 0,
    )


def _echo(request: Request) -> Iterator[Step]:
    document: JSONObject = {
        "method": request.method,
        "path": request.raw_path.decode("latin-1"),
        "query": request.query.decode("latin-1"),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers],
        "body_bytes": request.body_bytes,
        "body_sha256": request.body_sha256,
    }
    return document_steps(request.knobs, request.knobs.status or 200, document)


def _upload(request: Request) -> Iterator[Step]:
    document: JSONObject = {"bytes": request.body_bytes, "sha256": request.body_sha256}
    return document_steps(request.knobs, 200, document)


def _constant(document: JSONObject) -> Callable[[Request], Iterator[Step]]:
    return lambda request: document_steps(request.knobs, 200, document)


def _json(request: Request) -> Iterator[Step]:
    return document_steps(request.knobs, 200, {"text": "".join(answer(request.knobs.tokens))})


_GET = frozenset({"GET", "HEAD"})
_POST = frozenset({"POST"})

#: ``path → (methods, none for any; handler)``.
_ROUTES: dict[str, tuple[frozenset[str], Callable[[Request], Iterator[Step]]]] = {
    **{api.path: (api.methods, _generate) for api in APIS if api is not EVENTS},
    "/api/tags": (_GET, _constant({"models": [{"name": "mock", "model": "mock"}]})),
    "/api/version": (_GET, _constant({"version": "0.0.0"})),
    EVENTS.path: (_GET, _events),
    "/v1/models": (_GET, _constant(_MODELS)),
    "/health": (_GET, _constant({"status": "ok"})),
    "/json": (_GET, _json),
    "/echo": (frozenset(), _echo),
    "/download": (_GET, lambda request: download_steps(request.knobs)),
    "/upload": (frozenset({"POST", "PUT", "PATCH"}), _upload),
}
