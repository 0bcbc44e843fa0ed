"""Whole responses as steps: an event stream, what comes instead of one, a JSON answer, a download. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain

from .apis import Api, Ask
from .blocks import JSONObject, to_json
from .codings import coder_for
from .knobs import Knobs
from .steps import Abort, Headers, Start, Step, Wait, Write
from .stream_body import StreamBody

__all__ = ["document_steps", "download_steps", "stream_steps"]

_HTML = (
    b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
)
#: RFC 9110 § 15.3.5 and § 15.4.5.
_WITHOUT_CONTENT = frozenset({204, 304})
_PIECE = bytes(range(256)) * 256


def stream_steps(api: Api, ask: Ask, knobs: Knobs) -> Iterator[Step]:
    """The steps of an event stream."""
    if knobs.body != "stream":
        return _instead_of_stream(api, ask, knobs)
    own = [(name.encode(), value.encode()) for name, value in api.headers]
    headers = [*_content_type(knobs, api.media_type or "none"), (b"cache-control", b"no-cache"), *own]
    return _coded(knobs, chain(_opening(knobs, 200, headers), StreamBody(api, ask, knobs).steps()))


def document_steps(knobs: Knobs, status: int, document: JSONObject) -> Iterator[Step]:
    """The steps of a JSON answer."""
    return _whole(knobs, status, "application/json", to_json(document).encode())


def download_steps(knobs: Knobs) -> Iterator[Step]:
    """The steps of a body of ``knobs.size_bytes`` under its length, in pieces of 64 KiB."""
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(knobs.size_bytes).encode())]
    yield from _opening(knobs, 200, headers)
    cut = knobs.cut
    for number, start in enumerate(range(0, knobs.size_bytes, len(_PIECE))):
        if cut is not None and number == cut[0]:
            yield Wait(math.inf) if cut[1] == "stall" else Abort()
            return
        yield Write(_PIECE[: knobs.size_bytes - start])


def _opening(knobs: Knobs, status: int, headers: Headers) -> Iterator[Step]:
    yield Wait(knobs.prefill)
    yield Start(status, [*headers, *knobs.extra_headers])


def _content_type(knobs: Knobs, usual: str) -> Headers:
    chosen = usual if knobs.content_type is None else knobs.content_type
    return [] if chosen == "none" else [(b"content-type", chosen.encode())]


def _instead_of_stream(api: Api, ask: Ask, knobs: Knobs) -> Iterator[Step]:
    match knobs.body:
        case "html":
            return _whole(knobs, 200, "text/html; charset=utf-8", _HTML)
        case "json":
            return document_steps(knobs, 200, api.document(ask))
        case _:
            return _coded(knobs, _opening(knobs, 200, _content_type(knobs, "text/event-stream; charset=utf-8")))


def _whole(knobs: Knobs, status: int, media_type: str, body: bytes) -> Iterator[Step]:
    if status in _WITHOUT_CONTENT:
        return _opening(knobs, status, [])
    headers = _content_type(knobs, media_type)
    if knobs.encoding == "identity":
        headers.append((b"content-length", str(len(body)).encode()))
    rest: tuple[Step, ...] = (Wait(knobs.headers_then_wait), Write(body))
    return _coded(knobs, chain(_opening(knobs, status, headers), rest))


def _coded(knobs: Knobs, steps: Iterator[Step]) -> Iterator[Step]:
    """The *steps* under the content coding, which is finished only where the body ends cleanly."""
    coder = coder_for(knobs.encoding)
    if coder is None:
        yield from steps
        return
    for step in steps:
        match step:
            case Start(status, headers):
                yield Start(status, [*headers, (b"content-encoding", knobs.encoding.encode())])
            case Write(data, events):
                yield Write(coder.write(data), events)
            case _:
                yield step
        if isinstance(step, Abort):
            return
    yield Write(coder.finish())
