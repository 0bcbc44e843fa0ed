"""The newest events of one stream, within a bound of bytes."""

from __future__ import annotations

__all__ = ["EVENT_COST_BYTES", "Ring"]

#: What an event costs besides its bytes: the header of a bytes object, its place here and that on the shelf.
EVENT_COST_BYTES = 50

#: Places of evicted events are cleared away when they are more than this, and than those of the kept ones.
_CLEAR_FROM = 32


class Ring:
    """Events numbered from 1; those that *max_bytes* has no room for any more are evicted, oldest first.

    An event that is larger than the whole ring is not kept, nor is anything before it.

    Attributes:
        latest: The number of the last event; 0 before the first.
        bytes: What is kept, `EVENT_COST_BYTES` an event included.
    """

    __slots__ = ("_events", "_first", "_max_bytes", "bytes", "latest")

    def __init__(self, max_bytes: int) -> None:
        # No deque: that takes 760 bytes for its first event, and looks long for one in its middle.
        self._events: list[bytes] = []
        #: The place of the oldest one that is kept.
        self._first = 0
        self._max_bytes = max_bytes
        self.latest = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._events) - self._first

    @property
    def oldest(self) -> int:
        """The first event that is kept; ``latest + 1`` when none is."""
        return self.latest - len(self) + 1

    def append(self, n: int, event: bytes) -> int:
        """Add the event *n*; returns how many were evicted for it.

        Raises:
            ValueError: *n* is not ``latest + 1``.
        """
        if n != self.latest + 1:
            raise ValueError(f"event {n} does not follow event {self.latest}")
        self.latest = n
        self._events.append(event)
        self.bytes += len(event) + EVENT_COST_BYTES
        evicted = 0
        while self.bytes > self._max_bytes:
            self.evict()
            evicted += 1
        return evicted

    def evict(self) -> None:
        """Drop the oldest event, of which there must be one."""
        events, first = self._events, self._first
        self.bytes -= len(events[first]) + EVENT_COST_BYTES
        events[first] = b""
        self._first = first + 1
        if self._first > max(_CLEAR_FROM, len(self)):
            del events[: self._first]
            self._first = 0

    def clear(self) -> None:
        """Drop them all."""
        self._events.clear()
        self._first = self.bytes = 0

    def after(self, n: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to *limit* events from the first kept one behind *n* on."""
        begin = max(n + 1, self.oldest)
        place = self._first + begin - self.oldest
        return list(enumerate(self._events[place : place + limit], start=begin))
