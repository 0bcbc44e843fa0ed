"""One record a line: NDJSON and JSON Lines, RFC 7464 with its RS in front, and the AI SDK's data stream.

Lines end with LF or CRLF; blank ones are keep-alives, and no records. A last line without its end counts if whole.
"""

from __future__ import annotations

from ...errors import EventTooLarge
from ..sse import BOM, Event, Repairs, is_complete_json, is_utf8

__all__ = ["LineFramer"]

_SPACE = b" \t\r\n\x1e"


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
        #: Nothing but white space in the pieces.
        self._blank = True

    @property
    def at_boundary(self) -> bool:
        return not self._partial

    @property
    def between_events(self) -> bool:
        return self._blank and not self.cut

    def feed(self, chunk: bytes) -> list[Event]:
        records: list[Event] = []
        first, *lines = chunk.split(b"\n")
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
        records: list[Event] = []
        line = self._joined()
        if line and not (self._json and not is_complete_json(line)):
            records.append(self._record(line))
        elif line:
            self.cut = True
        return records

    def _hold(self, piece: bytes) -> None:
        if self._blank:
            piece = piece.lstrip(_SPACE)  # an upstream that waits may send nothing else for hours
        if not piece:
            return
        self._blank = False
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
        self._blank = True
        return line

    def _record(self, line: bytes) -> Event:
        if not (line.isascii() or is_utf8(line)):
            self.repairs["invalid_utf8"] = self.repairs.get("invalid_utf8", 0) + 1
            line = line.decode(errors="replace").encode()
        return Event(data=line)
