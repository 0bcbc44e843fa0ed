"""One JSON document cut over several events put together again, or told as what cannot be put together.

Some servers cut a long document wherever they like and send each piece as an event of its own; others (GLM-5) lose a
part of one event and begin the next inside of it. The first is mended; of the second the lost part is gone for good,
which is an error, and not dropped.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import EventTooLarge, UpstreamProtocolError
from .framers.scanner import BracketScanner
from .repair import NEXT_EVENT, repair_payload, seems_whole
from .sse import Event, Repairs, is_complete_json

__all__ = ["Mender"]

_OPENINGS = (b"{", b"[")


class Mender:
    """Repairs the events of one stream whose payloads are JSON documents or ``[DONE]``.

    Args:
        max_event_bytes: Bound of what is held.
        repairs: Where to count.

    Attributes:
        bytes: Held now.
    """

    __slots__ = ("_first", "_max_bytes", "_pieces", "_repairs", "_scanner", "bytes")

    def __init__(self, *, max_event_bytes: int, repairs: Repairs) -> None:
        self._max_bytes = max_event_bytes
        self._repairs = repairs
        #: The event that the held pieces began with; None while nothing is held.
        self._first: Event | None = None
        self._pieces: list[bytes] = []
        self.bytes = 0
        self._scanner = BracketScanner()

    @property
    def holding(self) -> bool:
        """Whether the end of a document is still to come."""
        return self._first is not None

    def feed(self, event: Event) -> list[Event]:
        """The events that *event* stands for, each with a whole payload; none for a part of one.

        Raises:
            UpstreamProtocolError: a part of a document is lost.
            EventTooLarge: the document is over ``max_event_bytes``.
        """
        if self._first is not None:
            return self._join(self._first, event)
        payloads = repair_payload(event.data, self._repairs)
        if len(payloads) == 1 and payloads[0] is event.data:
            events = [event]
        else:
            # An id says that all up to here has arrived: only the last of several may bear it.
            before = [Event(data=payload, event=event.event) for payload in payloads[:-1]]
            events = before + [replace(event, data=payload) for payload in payloads[-1:]]
        if events and _is_part(events[-1].data):
            self._hold(events.pop())
        return events

    def count(self, kind: str) -> None:
        """Count a repair."""
        self._repairs[kind] = self._repairs.get(kind, 0) + 1

    def _hold(self, part: Event) -> None:
        if NEXT_EVENT in part.data:
            raise UpstreamProtocolError("the upstream cut an event in the middle")
        self._first = part
        self._scanner = BracketScanner()
        self._add(part.data)

    def _add(self, piece: bytes) -> int:
        self._pieces.append(piece)
        self.bytes += len(piece)
        if self.bytes > self._max_bytes:
            raise EventTooLarge
        return self._scanner.scan(piece, 0)

    def _join(self, first: Event, event: Event) -> list[Event]:
        if event.data == b"[DONE]" or _is_sibling(first.data, event.data):
            raise UpstreamProtocolError("the upstream cut an event in the middle")
        if self._add(event.data) < 0:
            return []
        # Within a string a line end cannot stand, between tokens it is white space.
        document = b"".join(self._pieces).replace(b"\n", b"").strip()
        self._first = None
        self._pieces.clear()
        self.bytes = 0
        if not is_complete_json(document):
            raise UpstreamProtocolError("the upstream cut an event in the middle")
        self.count("split_json")
        kind = first.event or event.event
        return [replace(event, data=payload, event=kind) for payload in repair_payload(document, self._repairs)]


def _is_part(payload: bytes) -> bool:
    """Whether a document has begun and not ended; what has ended and is none all the same is passed on.

    So is what would pass for whole where nobody parses it: both ways have to lead to the same.
    """
    if not payload.startswith(_OPENINGS) or is_complete_json(payload):
        return False
    return NEXT_EVENT in payload or not (seems_whole(payload) or BracketScanner().scan(payload, 0) >= 0)


def _is_sibling(part: bytes, payload: bytes) -> bool:
    """Whether *payload* is the stream's next whole event, and no piece of the one that *part* began."""
    key = part.partition(b":")[0]
    return payload.partition(b":")[0] == key and is_complete_json(payload)
