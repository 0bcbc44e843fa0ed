"""Bytes to events: the incremental parser of WHATWG HTML § 9.2.5 and § 9.2.6.

`Framer` turns a byte stream, cut anywhere, into `Event` values in time linear in the bytes; where it is cut changes
neither the events nor the repairs that are counted. Comments are never buffered.

Departures from the specification, each for the sake of real clients (DESIGN facts 1 and 4):

- An ``id`` or ``retry`` of a block without data is held and becomes part of the next event that has data: the meaning
  is the same for an EventSource, and clients that take every blank line for an event survive.
- The last event without its final blank line is not dropped but handed over by `Framer.finish`; the caller knows
  whether the end was clean.
- A ``retry`` of more than 18 digits is ignored: no one waits for that long, and ``int`` refuses thousands of digits.

With ``joins_json=True``, for dialects where every payload is one JSON document:

- A data line that begins a document starts a new event when the one data line before it already is a whole document:
  servers that write one newline between events meant two events. Other fields between the two go to the second.
- A line ``error: {…}`` (llama.cpp until 2025) is the error event that was meant; as a field it means nothing to anyone.
- JSON without ``data:`` in front, on one line or many, is an event.
"""

from __future__ import annotations

from ...errors import EventTooLarge
from ..sse import BOM, Event, Repairs, is_complete_json, is_utf8
from .bare import BareJSON

__all__ = ["Framer"]

#: How a JSON document of an API begins, and ``[DONE]``.
_OPENINGS = (b"{", b"[")


class Framer:
    """See the module header.

    Args:
        max_event_bytes: Bound of one event: the bytes of its lines, comments and line ends not counted.
        joins_json: See the module header.
        repairs: Where to count; None for a new dictionary.

    Attributes:
        repairs: What had to be repaired so far, by kind.
        completed: After `feed` has raised: the events that its chunk completed before.
        cut: The body ended within JSON without ``data:``; other events the caller judges by their payload.
        joins_json: As the argument; may change once the first event has told the dialect.
    """

    __slots__ = (
        "_bare", "_block_bytes", "_block_open", "_data", "_discarding", "_event", "_head", "_id", "_late",
        "_max_bytes", "_partial", "_retry", "_skip_lf", "completed", "cut", "joins_json", "repairs",
    )  # fmt: skip

    def __init__(self, *, max_event_bytes: int, joins_json: bool = False, repairs: Repairs | None = None) -> None:
        self.repairs: Repairs = {} if repairs is None else repairs
        self.completed: list[Event] = []
        self.cut = False
        self._max_bytes = max_event_bytes
        self.joins_json = joins_json
        #: The first bytes until it is clear that they are no BOM; None from then on.
        self._head: bytes | None = b""
        #: The pieces of a line whose end has not come yet.
        self._partial: list[bytes] = []
        #: Bytes of the block so far, `_partial` included, against `_max_bytes`.
        self._block_bytes = 0
        #: Inside a comment whose end has not come yet: comments are never buffered.
        self._discarding = False
        #: The last chunk ended with CR; an LF that follows belongs to it.
        self._skip_lf = False
        #: Any line since the last blank line; tells an extra blank line from the end of a block.
        self._block_open = False
        #: JSON without ``data:`` whose end has not come yet.
        self._bare: BareJSON | None = None
        self._data: list[bytes] = []
        #: Fields that came after data: the next data line decides whose they are (``joins_json`` only).
        self._late: list[tuple[bytes, bytes]] = []
        self._event = b""
        self._id: bytes | None = None
        self._retry: int | None = None

    @property
    def at_boundary(self) -> bool:
        """Whether nothing is held back: the next byte starts a new event and no id or retry waits for one."""
        return (
            self._head is None
            and not (self._block_open or self._partial or self._discarding or self._skip_lf)
            and self._id is None
            and self._retry is None
        )

    @property
    def between_events(self) -> bool:
        """Whether the last line end closed a block, so that a comment line may follow."""
        return not (self._block_open or self._partial or self._discarding)

    @property
    def held(self) -> tuple[bytes | None, int | None]:
        """The ``id`` and ``retry`` that wait for the next event with data."""
        return self._id, self._retry

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that *chunk* completes.

        Raises:
            EventTooLarge: one event is over ``max_event_bytes``; those before it are in `completed`.
        """
        if self._head is not None:
            chunk = self._strip_bom(chunk)
        if self._skip_lf or b"\r" in chunk:
            chunk = self._normalise_line_ends(chunk)
        events: list[Event] = []
        lines = chunk.split(b"\n")
        rest = lines.pop()
        try:
            for line in lines:
                self._complete(line, events)
            if rest:
                self._hold(rest)
        except EventTooLarge:
            self.completed = events
            raise
        return events

    def finish(self) -> list[Event]:
        """The events (one, as a rule) that the end of the stream left without a final blank line."""
        events: list[Event] = []
        if self._head:
            self._hold(self._head)
        self._head = None
        if self._partial:
            self._complete(b"", events)
        if self._data:
            self._dispatch(events)
        self.cut = self._bare is not None
        return events

    def _strip_bom(self, chunk: bytes) -> bytes:
        head = (self._head or b"") + chunk
        if len(head) < len(BOM) and BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        if head.startswith(BOM):
            self._count("bom")
            return head[len(BOM) :]
        return head

    def _normalise_line_ends(self, chunk: bytes) -> bytes:
        if self._skip_lf and chunk:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._count("line_endings", chunk.count(b"\r"))
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return chunk

    def _hold(self, piece: bytes) -> None:
        if self._discarding:
            return
        if not self._partial and piece.startswith(b":"):
            self._discarding = True
            return
        self._charge(len(piece))
        self._partial.append(piece)

    def _complete(self, line: bytes, events: list[Event]) -> None:
        if self._discarding:
            self._discarding = False
        elif self._partial:
            self._charge(len(line))
            line = b"".join((*self._partial, line))
            self._partial.clear()
            self._field(line, events)
        elif not line:
            if self._bare is None:
                self._blank(events)
            return
        elif not line.startswith(b":"):
            self._charge(len(line))
            self._field(line, events)
        self._block_open = True

    def _field(self, line: bytes, events: list[Event]) -> None:
        if self._bare is not None or (self.joins_json and not self._data and BareJSON.begins(line)):
            self._bare_json(line, events)
            return
        name, _, value = line.partition(b":")
        spaced = value.startswith(b" ")
        if spaced:
            value = value[1:]
        if name == b"data":
            if value and not spaced:
                self._count("missing_space")
            self._append(value, events)
        elif not self.joins_json:
            self._set(name, value)
        elif name == b"error" and value.startswith(b"{"):
            self._count("error_field")
            self._append(b'{"error":' + value + b"}", events)
        elif self._data:
            self._late.append((name, value))
        else:
            self._set(name, value)

    def _bare_json(self, line: bytes, events: list[Event]) -> None:
        self._bare = self._bare or BareJSON()
        document = self._bare.feed(line)
        if document is not None:
            self._bare = None
            self._count("bare_json")
            self._data.append(document)
            self._dispatch(events)
            self._block_bytes = 0

    def _append(self, value: bytes, events: list[Event]) -> None:
        if self.joins_json and value.startswith(_OPENINGS):
            # Only after exactly one data line: looked at once an event, so pretty-printed JSON stays linear.
            if len(self._data) == 1 and self._data[0].startswith(_OPENINGS) and is_complete_json(self._data[0]):
                self._count("single_newline")
                late, self._late = self._late, []
                self._dispatch(events)
                self._block_bytes = len(value)
                self._late = late
            self._settle()
        self._data.append(value)

    def _set(self, name: bytes, value: bytes) -> None:
        if name == b"event":
            self._event = self._utf8(value)
        elif name == b"id":
            if b"\0" not in value:
                self._id = self._utf8(value)
        elif name == b"retry" and value.isdigit() and len(value) <= 18:
            self._retry = int(value)

    def _settle(self) -> None:
        """Give the late fields to the event that is being collected."""
        for name, value in self._late:
            self._set(name, value)
        self._late.clear()

    def _blank(self, events: list[Event]) -> None:
        if self._data:
            self._dispatch(events)
        elif not self._block_open:
            self._count("extra_blank_lines")
        self._event = b""
        self._block_bytes = 0
        self._block_open = False

    def _dispatch(self, events: list[Event]) -> None:
        """WHATWG HTML § 9.2.6, "dispatch the event"."""
        self._settle()
        data = self._utf8(b"\n".join(self._data))
        events.append(Event(data=data, event=self._event, id=self._id, retry=self._retry))
        self._data.clear()
        self._event, self._id, self._retry = b"", None, None

    def _utf8(self, value: bytes) -> bytes:
        if value.isascii() or is_utf8(value):
            return value
        self._count("invalid_utf8")
        return value.decode(errors="replace").encode()

    def _charge(self, size: int) -> None:
        self._block_bytes += size
        if self._block_bytes > self._max_bytes:
            raise EventTooLarge

    def _count(self, kind: str, times: int = 1) -> None:
        self.repairs[kind] = self.repairs.get(kind, 0) + times
