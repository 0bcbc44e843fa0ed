"""Bytes to events: the incremental parser of WHATWG HTML § 9.2.5 and § 9.2.6.

`Framer` turns a byte stream, cut anywhere, into `Event` values in time linear in the bytes; where it is cut changes
neither the events nor the repairs that are counted. Comments are never buffered.

Departures from the specification, each for the sake of real clients (DESIGN facts 1 and 4):

- An ``id`` or ``retry`` of a block without data is held and becomes part of the next event that has data: the meaning
  is the same for an EventSource, and clients that take every blank line for an event survive.
- The last event without its final blank line is not dropped but handed over by `Framer.finish`; the caller knows
  whether the end was clean.
- A block without data is an event of no data where its type is one of ``dataless``, and nothing else is lost by it.
- A ``retry`` of more than 18 digits is ignored: no one waits for that long, and ``int`` refuses thousands of digits.

With ``joins_json=True``, for dialects where every payload is one JSON document:

- A data line that begins a document starts a new event when the one data line before it already is a whole document:
  servers that write one newline between events meant two events. Other fields between the two go to the second.
- A line ``error: {…}`` (llama.cpp until 2025) is the error event that was meant; as a field it means nothing to anyone.
- JSON without ``data:`` in front, on one line or many, is an event; so is JSON on many lines of which only the first
  has it. Where ``data:`` comes before such a document has ended, its end is lost: an error.
"""

from __future__ import annotations

from ...errors import EventTooLarge, UpstreamProtocolError
from ..sse import BOM, Event, Repairs
from .block import Block

__all__ = ["Framer"]


class Framer:
    """See the module header.

    Args:
        max_event_bytes: Bound of one event: the bytes of its lines, comments and line ends not counted.
        joins_json: See the module header.
        repairs: Where to count; None for a new dictionary.
        dataless: Types of events that the server writes without data.

    Attributes:
        repairs: What had to be repaired so far, by kind.
        completed: After `feed` has raised: the events that its chunk completed before.
        cut: The body ended within JSON without ``data:``; other events the caller judges by their payload.
    """

    __slots__ = ("_block", "_discarding", "_head", "_partial", "_skip_lf", "completed", "cut", "repairs")

    def __init__(
        self,
        *,
        max_event_bytes: int,
        joins_json: bool = False,
        repairs: Repairs | None = None,
        dataless: frozenset[bytes] = frozenset(),
    ) -> None:
        self.repairs: Repairs = {} if repairs is None else repairs
        self.completed: list[Event] = []
        self.cut = False
        self._block = Block(
            max_event_bytes=max_event_bytes, joins_json=joins_json, repairs=self.repairs, dataless=dataless
        )
        #: The first bytes until it is clear that they are no BOM; None from then on.
        self._head: bytes | None = b""
        #: The pieces of a line whose end has not come yet.
        self._partial: list[bytes] = []
        #: Inside a comment whose end has not come yet: comments are never buffered.
        self._discarding = False
        #: The last chunk ended with CR; an LF that follows belongs to it.
        self._skip_lf = False

    @property
    def joins_json(self) -> bool:
        """See the module header; may change once the first event has told the dialect."""
        return self._block.joins_json

    @joins_json.setter
    def joins_json(self, joins_json: bool) -> None:
        self._block.joins_json = joins_json

    @property
    def at_boundary(self) -> bool:
        """Whether nothing is held back: the next byte starts a new event and no id or retry waits for one."""
        return self.between_events and self._head is None and not self._skip_lf and self.held == (None, None)

    @property
    def between_events(self) -> bool:
        """Whether the last line end closed a block, so that a comment line may follow."""
        return not (self._block.is_open or self._partial or self._discarding)

    @property
    def held_bytes(self) -> int:
        """How much of an event is held whose end has not come."""
        return self._block.bytes

    @property
    def pending(self) -> Event | None:
        """The event that has one data line so far, and whose blank line has not come."""
        return self._block.pending

    @property
    def held(self) -> tuple[bytes | None, int | None]:
        """The ``id`` and ``retry`` that wait for the next event with data."""
        return self._block.id, self._block.retry

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that *chunk* completes.

        Raises:
            EventTooLarge: one event is over ``max_event_bytes``; those before it are in `completed`.
            UpstreamProtocolError: the end of JSON without ``data:`` is lost; as above.
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
        except (EventTooLarge, UpstreamProtocolError):
            self.completed = events
            raise
        return events

    def finish(self) -> list[Event]:
        """The events (one, as a rule) that the end of the stream left without a final blank line."""
        events: list[Event] = []
        if self._head:
            self._hold(self._head)
        self._head = None
        try:
            if self._partial:
                self._complete(b"", events)
            self._block.finish(events)
        except UpstreamProtocolError:
            self.cut = True  # what is lost was lost at the end, where the caller is told so anyway
        else:
            self.cut = self._block.is_cut
        return events

    def _strip_bom(self, chunk: bytes) -> bytes:
        head = (self._head or b"") + chunk
        if len(head) < len(BOM) and BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        if head.startswith(BOM):
            self._count("bom", 1)
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
        self._block.charge(len(piece))
        self._partial.append(piece)

    def _complete(self, line: bytes, events: list[Event]) -> None:
        block = self._block
        if self._discarding:
            self._discarding = False
        elif self._partial:
            block.charge(len(line))
            line = b"".join((*self._partial, line))
            self._partial.clear()
            block.field(line, events)
        elif not line:
            block.blank(events)
            return
        elif not line.startswith(b":"):
            block.charge(len(line))
            block.field(line, events)
        block.is_open = True

    def _count(self, kind: str, times: int) -> None:
        self.repairs[kind] = self.repairs.get(kind, 0) + times
