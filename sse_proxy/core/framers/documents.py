"""JSON documents in a row, pretty-printed or not, or as the elements of one array; each becomes one line.

Between documents may stand white space, NUL (FastChat, early vLLM), RS, commas, or nothing at all; in an array the
commas that separate its elements. Where there is no array, ``data:`` may stand there too: some servers forget it in
front of all but the last, ``[DONE]``. Anything else breaks the framing: it is an error, and not dropped.
"""

from __future__ import annotations

import re

from ...errors import EventTooLarge, UpstreamProtocolError
from ..sse import BOM, Event, Repairs
from .base import valid_utf8
from .scanner import BracketScanner

__all__ = ["DocumentFramer"]

_SEPARATORS = re.compile(rb"[ \t\r\n\0\x1e,]*+")
#: What ends a number or a literal; elements of an array may be that.
_SCALAR_END = re.compile(rb"[^0-9A-Za-z+.-]")
_FIELD = b"data:"
_GARBAGE = "the upstream sent something else than JSON between its documents"


class DocumentFramer:
    """A `RecordFramer`.

    Args:
        max_event_bytes: Bound of one document.
        repairs: Where to count.
        array: Whether the body is, most probably, one array whose elements are the records.
    """

    def __init__(self, *, max_event_bytes: int, repairs: Repairs, array: bool) -> None:
        self.repairs = repairs
        self.completed: list[Event] = []
        self.cut = False
        self._max_bytes = max_event_bytes
        #: The first bytes until it is clear that they are no BOM; None from then on.
        self._head: bytes | None = b""
        self._may_open = array
        #: Inside of the array.
        self._in_array = False
        #: Behind the array's end: only white space may follow.
        self._closed = False
        #: An opening bracket or a comma came last, so that an element has to follow.
        self._announced = False
        #: The beginning of a field name.
        self._field = b""
        self._scanner: BracketScanner | None = None
        self._pieces: list[bytes] = []
        self._held_bytes = 0

    @property
    def at_boundary(self) -> bool:
        return not (self._pieces or self._field)

    @property
    def between_events(self) -> bool:
        return not (self._pieces or self._announced or self._field)

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    def feed(self, chunk: bytes) -> list[Event]:
        records: list[Event] = []
        if self._head is not None:
            chunk = self._strip_bom(chunk)
        position = 0
        try:
            while position < len(chunk):
                position = self._step(chunk, position, records)
        except (EventTooLarge, UpstreamProtocolError):
            self.completed = records
            raise
        return records

    def finish(self) -> list[Event]:
        self.cut = bool(self._pieces or self._in_array or self._head or self._field)
        return []

    def _strip_bom(self, chunk: bytes) -> bytes:
        head = (self._head or b"") + chunk
        if len(head) < len(BOM) and BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(BOM)

    def _step(self, chunk: bytes, position: int, records: list[Event]) -> int:
        """Take in what comes next; the position behind it."""
        if self._scanner is not None:
            return self._through_brackets(self._scanner, chunk, position, records)
        if self._field:
            return self._through_field(chunk, position)
        if self._pieces:
            return self._through_scalar(chunk, position, records)
        separators = _SEPARATORS.match(chunk, position)
        end = separators.end() if separators else position  # the pattern also matches nothing at all
        self._announced = self._announced or chunk.find(b",", position, end) >= 0
        position = end
        if position < len(chunk):
            return self._begin(chunk, position)
        return position

    def _begin(self, chunk: bytes, position: int) -> int:
        byte = chunk[position : position + 1]
        if self._closed:
            raise UpstreamProtocolError(_GARBAGE)
        if self._may_open and byte == b"[":
            self._may_open, self._in_array, self._announced = False, True, True
            return position + 1
        self._may_open = False
        if self._in_array and byte == b"]":
            self._in_array, self._closed, self._announced = False, True, False
            return position + 1
        if byte in {b"{", b"["} or (byte == b'"' and self._in_array):
            self._scanner = BracketScanner()
        elif self._in_array and (byte.isalnum() or byte == b"-"):
            self._hold(byte)
            return position + 1
        elif byte == _FIELD[:1] and not self._in_array:
            return self._through_field(chunk, position)
        else:
            raise UpstreamProtocolError(_GARBAGE)
        return position

    def _through_field(self, chunk: bytes, position: int) -> int:
        rest = len(_FIELD) - len(self._field)
        piece = chunk[position : position + rest]
        self._field += piece
        if not _FIELD.startswith(self._field):
            raise UpstreamProtocolError(_GARBAGE)
        if self._field == _FIELD:
            self._field = b""
        return position + len(piece)

    def _through_brackets(self, scanner: BracketScanner, chunk: bytes, position: int, records: list[Event]) -> int:
        end = scanner.scan(chunk, position)
        if end < 0:
            self._hold(chunk[position:])
            return len(chunk)
        self._hold(chunk[position:end])
        self._scanner = None
        self._dispatch(records)
        return end

    def _through_scalar(self, chunk: bytes, position: int, records: list[Event]) -> int:
        found = _SCALAR_END.search(chunk, position)
        end = found.start() if found else len(chunk)
        self._hold(chunk[position:end])
        if found:
            self._dispatch(records)
        return end

    def _hold(self, piece: bytes) -> None:
        self._held_bytes += len(piece)
        if self._held_bytes > self._max_bytes:
            raise EventTooLarge
        self._pieces.append(piece)

    def _dispatch(self, records: list[Event]) -> None:
        document = b"".join(self._pieces)
        self._pieces.clear()
        self._held_bytes = 0
        self._announced = False
        records.append(self._record(document))

    def _record(self, document: bytes) -> Event:
        # Within a string a line end cannot stand, between tokens it is white space.
        return Event(data=valid_utf8(document.replace(b"\r", b"").replace(b"\n", b""), self.repairs))
