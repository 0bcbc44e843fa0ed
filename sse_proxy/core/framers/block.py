"""One block of an event stream: its lines to fields to events (WHATWG HTML § 9.2.6).

Where it departs from the standard, and why, is told in `event_stream`.
"""

from __future__ import annotations

from ...errors import EventTooLarge, UpstreamProtocolError
from ..sse import Event, Repairs, is_complete_json
from .bare import BareJSON
from .base import valid_utf8

__all__ = ["Block"]

#: How a JSON document of an API begins, and ``[DONE]``.
_OPENINGS = (b"{", b"[")
_NAMES = frozenset({b"event", b"id", b"retry"})


class Block:
    """Collects the fields up to a blank line, and then those of the next block.

    Args:
        max_event_bytes: Bound of one event.
        joins_json: See `event_stream`.
        repairs: Where to count.
        dataless: See `event_stream`.

    Attributes:
        bytes: Of the block so far; those of its lines.
        joins_json: As the argument.
        is_open: Any line since the last blank line; tells an extra blank line from the end of a block.
        id: Waits for the next event with data; None for none.
        retry: As `id`.
    """

    __slots__ = (
        "_bare", "_data", "_dataless", "_event", "_late", "_max_bytes", "_repairs", "bytes", "id", "is_open",
        "joins_json", "retry",
    )  # fmt: skip

    def __init__(
        self, *, max_event_bytes: int, joins_json: bool, repairs: Repairs, dataless: frozenset[bytes] = frozenset()
    ) -> None:
        self.joins_json = joins_json
        self.is_open = False
        self.id: bytes | None = None
        self.retry: int | None = None
        self._max_bytes = max_event_bytes
        self._repairs = repairs
        self._dataless = dataless
        self.bytes = 0
        #: JSON without ``data:`` whose end has not come yet.
        self._bare: BareJSON | None = None
        self._data: list[bytes] = []
        #: Fields that came after data: the next data line decides whose they are (``joins_json`` only).
        self._late: list[tuple[bytes, bytes]] = []
        self._event = b""

    @property
    def is_cut(self) -> bool:
        """Whether JSON without ``data:`` has begun and not ended."""
        return self._bare is not None

    @property
    def pending(self) -> Event | None:
        """The event that is being collected, as far as it is known, if it has one data line so far."""
        return Event(data=self._data[0], event=self._event, id=self.id) if len(self._data) == 1 else None

    def charge(self, size: int) -> None:
        """Count *size* bytes of a line.

        Raises:
            EventTooLarge: the event is over ``max_event_bytes``.
        """
        self.bytes += size
        if self.bytes > self._max_bytes:
            raise EventTooLarge

    def field(self, line: bytes, events: list[Event]) -> None:
        """Take in a *line* that is neither blank nor a comment; add the events that it shows to be whole.

        Raises:
            UpstreamProtocolError: the end of JSON without ``data:`` is lost.
        """
        begins = self.joins_json and BareJSON.begins(line) and not any(self._data)
        if begins or self._bare is not None:
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
        elif self._data and name not in _NAMES and not self._late and self._goes_on():
            self._bare_json(line, events)
        elif self._data:
            self._late.append((name, value))
        else:
            self._set(name, value)

    def blank(self, events: list[Event]) -> None:
        """Take in a blank line, which ends the block; within JSON without ``data:`` it is white space."""
        if self._bare is not None:
            return
        if self._data or self._event in self._dataless:
            self._dispatch(events)
        elif not self.is_open:
            self._count("extra_blank_lines")
        self._event = b""
        self.bytes = 0
        self.is_open = False

    def finish(self, events: list[Event]) -> None:
        """Take in the end of the stream."""
        if self._data or self._event in self._dataless:
            self._dispatch(events)

    def _goes_on(self) -> bool:
        """Whether the data so far is the beginning of a document; its rest then has no ``data:`` in front."""
        if not self._data[0].startswith(_OPENINGS):
            return False
        document = BareJSON()
        if document.feed(b"".join(self._data)) is not None:
            return False
        self._bare = document
        self._data.clear()
        return True

    def _bare_json(self, line: bytes, events: list[Event]) -> None:
        if line.startswith(b"data:"):
            raise UpstreamProtocolError("the upstream cut an event in the middle")
        self._bare = self._bare or BareJSON()
        document = self._bare.feed(line)
        if document is not None:
            self._bare = None
            self._count("bare_json")
            self._data.append(document)
            self._dispatch(events)
            self.bytes = 0

    def _append(self, value: bytes, events: list[Event]) -> None:
        if self.joins_json and value.startswith(_OPENINGS):
            # Only after exactly one data line: looked at once an event, so pretty-printed JSON stays linear.
            if len(self._data) == 1 and self._data[0].startswith(_OPENINGS) and is_complete_json(self._data[0]):
                self._count("single_newline")
                late, self._late = self._late, []
                self._dispatch(events)
                self.bytes = len(value)
                self._late = late
            self._settle()
        self._data.append(value)

    def _set(self, name: bytes, value: bytes) -> None:
        if name == b"event":
            self._event = valid_utf8(value, self._repairs)
        elif name == b"id":
            if b"\0" not in value:
                self.id = valid_utf8(value, self._repairs)
        elif name == b"retry" and value.isdigit() and len(value) <= 18:
            self.retry = int(value)

    def _settle(self) -> None:
        """Give the late fields to the event that is being collected."""
        for name, value in self._late:
            self._set(name, value)
        self._late.clear()

    def _dispatch(self, events: list[Event]) -> None:
        """WHATWG HTML § 9.2.6, "dispatch the event"."""
        self._settle()
        data = valid_utf8(b"\n".join(self._data), self._repairs)
        events.append(Event(data=data, event=self._event, id=self.id, retry=self.retry))
        self._data.clear()
        self._event, self.id, self.retry = b"", None, None

    def _count(self, kind: str) -> None:
        self._repairs[kind] = self._repairs.get(kind, 0) + 1
