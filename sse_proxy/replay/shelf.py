"""The bound of all rings of one process: who has to give when there is too much.

Finished streams go first, the one that ended first before others, each as a whole. Then the running ones give their
events, in the order in which those came. What a stream takes besides its events counts too, so that many short ones are
kept within the bound; the running ones take that even where it is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from .ring import Ring

__all__ = ["STREAM_COST_BYTES", "Shelf", "Shelved"]

#: What a stream costs besides its events and its `Shelved.extra_bytes`: its objects, and its place in the journal's
#: tables. Of 10,000 finished ones in CPython 3.11 it was 780 (tracemalloc), 133 more for each name that leads to it.
STREAM_COST_BYTES = 900

#: Places of events that are gone already are cleared away when they are this many, and half of all.
_CLEAR_FROM = 1024


class Shelved(Protocol):
    """What stands on a shelf."""

    @property
    def ring(self) -> Ring:
        """Its events."""

    @property
    def extra_bytes(self) -> int:
        """What it takes besides those and `STREAM_COST_BYTES`; when that grows, `Shelf.extend` is told."""


_S = TypeVar("_S", bound=Shelved)


class Shelf(Generic[_S]):
    """Keeps rings together below *max_bytes*.

    Args:
        max_bytes: Of all streams together.
        drop: Called with a finished stream that has to go.
        starve: Called with a running one after each event that it has lost to others.

    Attributes:
        bytes: What is kept now.
        evictions: Events dropped for want of room, in all.
    """

    def __init__(self, max_bytes: int, *, drop: Callable[[_S], None], starve: Callable[[_S], None]) -> None:
        self._max_bytes = max_bytes
        self._drop = drop
        self._starve = starve
        self.bytes = 0
        self.evictions = 0
        # The place of each event that was ever added, in the order of their coming, until it is cleared away.
        self._order: deque[_S] = deque()
        # Of each stream, how many of its places (its first ones) are of events that are gone.
        self._gone: dict[_S, int] = {}
        self._gone_total = 0
        # Finished streams, in the order of their ends.
        self._finished: dict[_S, None] = {}

    @property
    def first_finished(self) -> _S | None:
        """The stream that ended before all others that are still here."""
        return next(iter(self._finished), None)

    def add(self, stream: _S) -> None:
        """Make room for *stream*, which has no events yet."""
        self._grow(STREAM_COST_BYTES + stream.extra_bytes)

    def extend(self, size: int) -> None:
        """The `Shelved.extra_bytes` of a stream that is here are *size* more."""
        self._grow(size)

    def append(self, stream: _S, n: int, event: bytes) -> None:
        """Add an event to a running *stream*, and make room.

        Raises:
            ValueError: *n* does not follow.
        """
        ring = stream.ring
        before = ring.bytes
        if evicted := ring.append(n, event):
            self.evictions += evicted
            self._forget(stream, evicted)
        self._order.append(stream)
        self._grow(ring.bytes - before)

    def finish(self, stream: _S) -> None:
        """*stream* has had its last event; it is among the first to go now."""
        self._finished[stream] = None

    def remove(self, stream: _S) -> None:
        """Take *stream* and all its events away."""
        self._finished.pop(stream, None)
        self.bytes -= stream.ring.bytes + STREAM_COST_BYTES + stream.extra_bytes
        self._forget(stream, len(stream.ring))
        stream.ring.clear()
        if not self.bytes:  # every place is of an event that is gone, and keeps its stream in memory
            self._order.clear()
            self._gone.clear()
            self._gone_total = 0

    def _grow(self, size: int) -> None:
        self.bytes += size
        if self.bytes > self._max_bytes:
            self._make_room()

    def _make_room(self) -> None:
        while self.bytes > self._max_bytes and (oldest := self.first_finished) is not None:
            self.evictions += len(oldest.ring)
            self.remove(oldest)
            self._drop(oldest)
        while self.bytes > self._max_bytes and self._order:
            stream = self._order.popleft()
            if self._was_gone(stream):
                continue
            ring = stream.ring
            self.bytes -= ring.bytes
            ring.evict()
            self.bytes += ring.bytes
            self.evictions += 1
            self._starve(stream)

    def _forget(self, stream: _S, events: int) -> None:
        if events:
            self._gone[stream] = self._gone.get(stream, 0) + events
            self._gone_total += events
            if self._gone_total > max(_CLEAR_FROM, len(self._order) // 2):
                self._order = deque(place for place in self._order if not self._was_gone(place))

    def _was_gone(self, stream: _S) -> bool:
        """Whether the next place of *stream* is of an event that is gone; asked of each place once."""
        left = self._gone.get(stream, 0)
        if not left:
            return False
        if left == 1:
            del self._gone[stream]
        else:
            self._gone[stream] = left - 1
        self._gone_total -= 1
        return True
