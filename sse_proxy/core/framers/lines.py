"""One record a line: NDJSON and JSON Lines, RFC 7464 with its RS in front, and the AI SDK's data stream.

Lines end with LF, CRLF or CR, which no record can hold; blank ones are keep-alives, and no records. A last line
without its end counts if whole.
"""

from __future__ import annotations

from ...errors import EventTooLarge
from ..repair import repair_payload
from ..sse import BOM, Event, Repairs, is_complete_json
from .base import valid_utf8

__all__ = ["LineFramer"]

_SPACE = b" \t\x1e"


class LineFramer:
    """A `RecordFramer`.

    Args:
        max_event_bytes: Bound of one line.
        json: Whether each line is one JSON document, by which the last one is judged.
        repairs: Where to count.
    """

    def __init__(self, *, max_event_bytes: int, json: bool, repairs: Repairs) -> None:
        self.repairs = repairs
        self.completed: list[Event] = []
        self.cut = False
        self._max_bytes = max_event_bytes
        self._json = json
        #: The pieces of a line whose end has not come yet.
        self._partial: list[bytes] = []
        self._partial_bytes = 0

    @property
    def at_boundary(self) -> bool:
        return not self._partial

    @property
    def between_events(self) -> bool:
        return not (self._partial or self.cut)

    @property
    def held_bytes(self) -> int:
        return self._partial_bytes

    def feed(self, chunk: bytes) -> list[Event]:
        records: list[Event] = []
        first, *lines = chunk.replace(b"\r", b"\n").split(b"\n")
        try:
            self._hold(first)
            for line in lines:
                self._complete(records)
                self._hold(line)
        except EventTooLarge:
            self.completed = records
            raise
        return records

    def finish(self) -> list[Event]:
        line = self._joined()
        self.cut = self.cut or bool(line and self._json and not self._is_whole(line))
        return [self._record(line)] if line and not self.cut else []

    def _is_whole(self, line: bytes) -> bool:
        """Whether *line* is one document, or several with nothing between them."""
        if is_complete_json(line):
            return True
        return line.startswith(b"{") and all(map(is_complete_json, repair_payload(valid_utf8(line, {}), {})))

    def _hold(self, piece: bytes) -> None:
        if not self._partial:
            piece = piece.lstrip(_SPACE)  # an upstream that waits may send nothing else for hours
        if not piece:
            return
        self._partial_bytes += len(piece)
        if self._partial_bytes > self._max_bytes:
            raise EventTooLarge
        self._partial.append(piece)

    def _complete(self, records: list[Event]) -> None:
        line = self._joined()
        if line:
            records.append(self._record(line))

    def _joined(self) -> bytes:
        line = b"".join(self._partial).removeprefix(BOM).strip(_SPACE)
        self._partial.clear()
        self._partial_bytes = 0
        return line

    def _record(self, line: bytes) -> Event:
        return Event(data=valid_utf8(line, self.repairs))
