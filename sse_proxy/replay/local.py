"""A stream that is kept in this process: one ring, and a cursor at each of its readers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol, Self

from .base import READ_EVENTS, Batch, End, Glance, Head, Opening, judge
from .bell import Bell
from .ring import Ring

__all__ = ["NAME_COST_BYTES", "LocalReader", "LocalStream"]

#: What a name of the caller's costs: its hash, and its place in the table of names.
NAME_COST_BYTES = 200


class _Keeper(Protocol):
    """Who keeps the bounds."""

    def began(self, stream: LocalStream, head_bytes: int) -> None: ...

    def wrote(self, stream: LocalStream, n: int, event: bytes) -> None: ...

    def ended(self, stream: LocalStream, *, keep: bool) -> None: ...

    def clock(self) -> float: ...


class LocalStream:
    """One stream: `Recording` for its producer, and what its readers look at.

    Thousands of finished ones are kept, so it is small, and holds on to nothing of its producer from its end on.
    """

    __slots__ = (
        "_head", "_keeper", "_last_heard", "_on_stop", "bell", "expires", "listeners", "opening", "over", "previous",
        "ring",
    )  # fmt: skip

    def __init__(
        self, opening: Opening, keeper: _Keeper, on_stop: Callable[[], None], *, max_bytes: int, now: float
    ) -> None:
        self.opening = opening
        self.ring = Ring(max_bytes)
        self.bell = Bell()
        #: JSON, a third of the size.
        self._head = b""
        self.over: End | None = None
        #: Whose place it has taken under its chat's name, which that one gets back if nothing becomes of this one.
        self.previous: LocalStream | None = None
        #: When its time is over, from its end on.
        self.expires = 0.0
        self.listeners = 0
        self._last_heard = now
        self._keeper = keeper
        #: None once it was called, or has nothing to stop any more.
        self._on_stop: Callable[[], None] | None = on_stop

    @property
    def resumable(self) -> bool:
        return self.over is not End.EXPIRED

    @property
    def extra_bytes(self) -> int:
        """What it takes besides its events, and besides what every stream does: what callers and upstreams choose."""
        names = (self.opening.once is not None) + (self.opening.chat is not None)
        return len(self._head) + names * NAME_COST_BYTES

    @property
    def heard(self) -> float:
        return self._keeper.clock() if self.listeners else self._last_heard

    @property
    def head(self) -> Head | None:
        """What the producer has told, anew for each who asks."""
        return json.loads(self._head) if self._head else None

    def begin(self, head: Head) -> None:
        if self.over is None:
            self._head = json.dumps(head, separators=(",", ":")).encode()
            self._keeper.began(self, len(self._head))

    def append(self, n: int, event: bytes) -> None:
        if self.over is None:
            self._keeper.wrote(self, n, event)
            self.bell.ring()

    def end(self, end: End, *, keep: bool = True) -> None:
        if self.over is None:
            self.over = end
            self._on_stop = None
            self._keeper.ended(self, keep=keep)
            self.bell.ring()

    def stop(self) -> None:
        """Tell the producer, once."""
        on_stop, self._on_stop = self._on_stop, None
        if on_stop is not None:
            on_stop()

    def left(self) -> None:
        """A reader listens no more."""
        self.listeners -= 1
        self._last_heard = self._keeper.clock()

    def glance(self) -> Glance | None:
        """How it stands."""
        if self.over is End.EXPIRED:
            return None
        return Glance(head=self.head, oldest=self.ring.oldest, latest=self.ring.latest, end=self.over)


class LocalReader:
    """`Reader` of one stream."""

    def __init__(self, stream: LocalStream) -> None:
        self._stream = stream
        self._head: Head | None = None
        self._open = True
        stream.listeners += 1

    @property
    def head(self) -> Head | None:
        if self._head is None:
            self._head = self._stream.head
        return self._head

    async def look(self) -> Glance | None:
        return self._stream.glance()

    async def read(self, after: int) -> Batch:
        stream = self._stream
        while True:
            noted = stream.bell.rung
            if stream.over is End.EXPIRED:
                return Batch(end=End.EXPIRED)
            ring = stream.ring
            batch = judge(after, ring.after(after, READ_EVENTS), latest=ring.latest, end=stream.over)
            if batch is not None:
                return batch
            await stream.bell.wait(noted)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._stream.left()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
