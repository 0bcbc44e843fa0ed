"""What the upstream does for one errand, to the byte and pure: the events, their framing in HTTP/1.1, and the fault.

``records`` is the same seen from the client: what it has to get, in order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sse_proxy.demo.apis import Ask
from sse_proxy.demo.blocks import Block
from sse_proxy.demo.framings import encoded, is_sse
from sse_proxy.demo.text import answer

from ..events import LAST_CHUNK, chunk
from .errands import Errand, Kind
from .expected import Fault

__all__ = [
    "LARGE_LETTERS",
    "Break",
    "Step",
    "Wait",
    "Write",
    "ask_of",
    "blocks_of",
    "document",
    "records",
    "script",
    "whole_body",
]

#: In the event that is too large; and in each of those that a client which reads nothing is sent.
LARGE_LETTERS = 300_000
_STALLED_TOKENS, _STALLED_LETTERS = 60, 40_000
_GARBAGE = b"\x16\x03\x01 this is no chunk size\r\n\r\n"
_FOREVER_SECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes, as they go on the wire; *events* are complete with them."""

    data: bytes
    events: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """A silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Break:
    """The connection ends: with a reset, or as if all were said."""

    is_reset: bool


Step = Write | Wait | Break


def ask_of(errand: Errand) -> Ask:
    """The answer that *errand* gets; no two have a token in common."""
    if errand.fault is Fault.STALLED:
        tokens = [f"{'x' * _STALLED_LETTERS}<{errand.number}.{n}> " for n in range(_STALLED_TOKENS)]
    else:
        tokens = [f"{piece}<{errand.number}.{n}> " for n, piece in enumerate(answer(errand.tokens))]
    return Ask(id=f"soak{errand.number}", created=0, tokens=tokens)


def blocks_of(errand: Errand) -> Iterator[Block]:
    """All blocks of a stream that nothing happens to."""
    return errand.api.blocks(ask_of(errand))


def document(errand: Errand) -> bytes:
    """The body of an ordinary answer."""
    if errand.kind is Kind.UPLOAD:
        return json.dumps({"upload": errand.number}).encode()
    return json.dumps(errand.api.document(ask_of(errand))).encode()


def records(errand: Errand) -> list[tuple[str, str]]:
    """Type and data of every event that has data, in order."""
    return [(block.event or "", block.data) for block in blocks_of(errand) if block.data]


def whole_body(errand: Errand) -> bytes:
    """The body of the stream, for framings that have no events to compare."""
    return b"".join(encoded(errand.api.framing, block, number) for number, block in enumerate(blocks_of(errand)))


def script(errand: Errand) -> Iterator[Step]:
    """All that the upstream does once it has the request."""
    match errand.fault:
        case Fault.HANG_UP:
            yield Break(is_reset=False)
            return
        case Fault.LATE:
            yield Wait(_FOREVER_SECONDS)
        case Fault.STATUS:
            body = json.dumps(errand.api.refusal(errand.status, "the soak wants it")).encode()
            yield Write(_head(errand, f"{errand.status} Wanted", "application/json", len(body)) + body)
            return
    if errand.kind.is_stream:
        yield Write(_head(errand, "200 OK", errand.api.media_type, None))
        yield from _stream(errand)
    else:
        body = document(errand)
        yield Write(_head(errand, "200 OK", "application/json", len(body)))
        if errand.fault in {Fault.RESET, Fault.DIE}:
            yield Write(body[: len(body) // 2])
            yield Break(is_reset=errand.fault is Fault.RESET)
        else:
            yield Write(body)


def _head(errand: Errand, status: str, media_type: str, length: int | None) -> bytes:
    kind = [f"Content-Type: {media_type}"] if media_type else []
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    own = [f"{name}: {value}" for name, value in errand.api.headers]
    return "\r\n".join((f"HTTP/1.1 {status}", *kind, framing, *own, "", "")).encode()


def _stream(errand: Errand) -> Iterator[Step]:
    pace = 0.0 if errand.fault is Fault.STALLED else errand.pause_seconds
    limit = 0 if errand.fault is Fault.ERROR_FIRST else errand.at
    ends = not errand.fault.is_of_client and errand.fault not in {Fault.NONE, Fault.QUIET, Fault.TRICKLE}
    tokens = events = written = 0
    for block in blocks_of(errand):
        if tokens >= limit and ends:
            yield from _fault(errand, block, events, written)
            return
        if errand.fault is Fault.QUIET and tokens == limit and block.tokens:
            yield Wait(errand.quiet_seconds)
        yield from _written(errand, encoded(errand.api.framing, block, written), block.events)
        tokens, events = tokens + block.tokens, events + block.events
        written += block.data is not None or is_sse(errand.api.framing)
        yield Wait(pace if block.tokens else 0.0)
    yield Write(LAST_CHUNK)


def _written(errand: Errand, data: bytes, events: int) -> Iterator[Step]:
    if errand.fault is Fault.TRICKLE:
        # The first ones of each event: each is a wake-up, and more of them show nothing new.
        yield from (Write(chunk(data[at : at + 1])) for at in range(min(len(data), 20)))
        data = data[20:]
    if data:
        yield Write(chunk(data), events)


def _fault(errand: Errand, block: Block, events: int, written: int) -> Iterator[Step]:
    """What comes in the place of *block*."""
    if errand.rest_seconds:
        yield Wait(errand.rest_seconds)
    match errand.fault:
        case Fault.DIE_MID_EVENT:
            data = encoded(errand.api.framing, block, written)
            yield Write(chunk(data[: max(1, len(data) // 2)]))
        case Fault.GARBAGE:
            yield Write(_GARBAGE)
        case Fault.STALL:
            yield Wait(_FOREVER_SECONDS)
        case Fault.TOO_LARGE:
            asked = replace(ask_of(errand), tokens=["x" * LARGE_LETTERS])
            large = next(each for each in errand.api.blocks(asked) if each.tokens)
            yield Write(chunk(encoded(errand.api.framing, large, written)))
            yield Wait(_FOREVER_SECONDS)
        case Fault.ERROR | Fault.ERROR_FIRST:
            for error in errand.api.error(ask_of(errand), events):
                yield Write(chunk(encoded(errand.api.framing, error, written)))
                written += 1
            yield Write(LAST_CHUNK)
        case Fault.TRUNCATE:
            yield Write(LAST_CHUNK)
    if errand.fault not in {Fault.ERROR, Fault.ERROR_FIRST, Fault.TRUNCATE}:
        yield Break(is_reset=errand.fault is Fault.RESET)
