"""The vocabulary of an event stream (WHATWG HTML § 9.2.5): an event, its canonical bytes, the test of the fast path.

`encode` writes one event in canonical form; `core.framer` reads events back from any bytes. `canonical_events` proves
with a few C-speed calls that a chunk already is canonical, so that the very same bytes object can be forwarded.

Canonical form: LF only; fields in the order ``id``, ``event``, ``retry``, ``data``, each with one space after the
colon; no block without data; exactly one blank line after each event; no BOM; valid UTF-8.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

__all__ = [
    "BOM", "Event", "Repairs", "canonical_events", "count", "encode", "has_unnamed_event", "is_complete_json",
    "is_utf8",
]  # fmt: skip

BOM = b"\xef\xbb\xbf"

#: How often each kind of repair was made; the keys are the label values of ``sse_proxy_repairs_total``.
Repairs = dict[str, int]


def count(repairs: Repairs, kind: str, times: int = 1) -> None:
    """Count repairs of one *kind*."""
    repairs[kind] = repairs.get(kind, 0) + times


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One dispatched event; all text is valid UTF-8 without CR, and only ``data`` may hold LF."""

    #: The data lines joined by one LF.
    data: bytes
    #: The event type; empty means ``message``.
    event: bytes = b""
    #: The last event ID set by this event, possibly empty; None leaves it as it was.
    id: bytes | None = None
    #: Reconnection time in milliseconds; None leaves it as it was.
    retry: int | None = None


def encode(event: Event) -> bytes:
    """The canonical bytes of *event*, final blank line included.

    Raises:
        ValueError: ``id`` or ``event`` holds CR, LF or (``id``) NUL, which would break out of its line.
    """
    head = b""
    if event.id is not None:
        head = b"id: " + _one_line(event.id, b"\r\n\0") + b"\n"
    if event.event:
        head += b"event: " + _one_line(event.event, b"\r\n") + b"\n"
    if event.retry is not None:
        head += b"retry: %d\n" % event.retry
    data = event.data
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    return head + b"data: " + data + b"\n\n"


def _one_line(value: bytes, forbidden: bytes) -> bytes:
    if any(byte in value for byte in forbidden):
        raise ValueError("an event's id and type are a single line")
    return value


def canonical_events(chunk: bytes) -> list[bytes]:
    r"""The events of *chunk*, without their blank lines, if it is canonical and starts at an event boundary; else none.

    The traffic this serves: one ``data: …\n\n`` or ``event: …\ndata: …\n\n`` a chunk, or a few of them (DESIGN "Fast
    path"). Blocks with ``id`` or ``retry``, or with several data lines, go the correct way round.
    """
    if not chunk.endswith(b"\n\n") or chunk.find(b"\r") >= 0:
        return []
    match chunk.count(b"\n"):
        case 2:
            events = [chunk[:-2]] if chunk.startswith(b"data: ") else []
        case 3:
            events = [chunk[:-2]] if _is_named_event(chunk) else []
        case _:
            events = _canonical_blocks(chunk)
    return events if chunk.isascii() or is_utf8(chunk) else []


def has_unnamed_event(chunk: bytes) -> bool:
    """Whether any event of a canonical *chunk* without ids has no type."""
    return chunk.startswith(b"data: ") or chunk.find(b"\n\ndata: ") >= 0


def _is_named_event(block: bytes) -> bool:
    # An empty type is the same as none, and canonical form leaves it out.
    return block.startswith(b"event: ") and block.find(b"\ndata: ") >= 0 and not block.startswith(b"event: \n")


def _canonical_blocks(chunk: bytes) -> list[bytes]:
    blocks = chunk[:-2].split(b"\n\n")
    for block in blocks:
        newlines = block.count(b"\n")
        if newlines == 0 and block.startswith(b"data: "):
            continue
        if newlines == 1 and _is_named_event(block):
            continue
        return []
    return blocks


def is_utf8(value: bytes) -> bool:
    """Whether *value* is valid UTF-8."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_complete_json(value: bytes) -> bool:
    """Whether *value* is one whole JSON document, or the ``[DONE]`` of the OpenAI dialects."""
    if value == b"[DONE]":
        return True
    try:
        # Of bytes it would guess UTF-16, and allow a BOM. What is not UTF-8 is on its way to being replaced.
        json.loads(value.decode(errors="replace"))
    except (ValueError, RecursionError):
        return False
    return True
