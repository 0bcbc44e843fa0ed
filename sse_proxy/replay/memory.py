"""The journal of one process: a bounded ring a stream, a bound for all of them, a time after the end.

What is gone at its end is gone with the process, so a reconnect has to come to the same one. Finished streams are taken
away by one timer, that of the first to go: all are kept for equally long, so the order of their ends is that of their
going.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace

from .base import End, Opening, Reader, Recording, Stats, Taken
from .local import LocalReader, LocalStream
from .shelf import Shelf

__all__ = ["MemoryJournal"]

_Later = Callable[[float, Callable[[], None]], object]


class MemoryJournal:
    """`Journal` in memory.

    Args:
        ttl_seconds: How long a stream is kept after its end.
        stream_bytes, total_bytes: How much of one stream, and of all together.
        clock: Monotonic seconds.
        later: Calls back after so many seconds; the event loop's own by default.
    """

    def __init__(
        self,
        *,
        ttl_seconds: float,
        stream_bytes: int,
        total_bytes: int,
        clock: Callable[[], float],
        later: _Later | None = None,
    ) -> None:
        self.clock = clock
        self._ttl_seconds = ttl_seconds
        self._stream_bytes = stream_bytes
        self._later = later
        self._shelf: Shelf[LocalStream] = Shelf(total_bytes, drop=self._drop, starve=lambda stream: stream.bell.ring())
        self._streams: dict[str, LocalStream] = {}
        self._once: dict[str, LocalStream] = {}
        self._chats: dict[str, LocalStream] = {}
        self._armed = False

    @property
    def stats(self) -> Stats:
        """The numbers now."""
        shelf = self._shelf
        return Stats(streams=len(self._streams), bytes=shelf.bytes, evictions=shelf.evictions)

    async def open(self, opening: Opening, on_stop: Callable[[], None]) -> Recording | Taken:
        self.sweep()
        opening = _hashed(opening)
        first = None if opening.once is None else self._once.get(opening.once)
        if first is not None and (first.over is None or first.over.is_whole):
            return Taken(stream=first.opening.stream)
        stream = LocalStream(opening, self, on_stop, max_bytes=self._stream_bytes, now=self.clock())
        self._streams[opening.stream] = stream
        if opening.once is not None:
            self._once[opening.once] = stream
        if opening.chat is not None:
            stream.previous = self._chats.get(opening.chat)
            self._chats[opening.chat] = stream
        self._shelf.add(stream)
        return stream

    async def attach(self, stream: str, owner: str) -> Reader | None:
        found = self._find(stream, owner)
        return None if found is None else LocalReader(found)

    async def latest(self, owner: str, chat: str) -> str | None:
        self.sweep()
        found = self._chats.get(_named(owner, chat))
        return None if found is None else found.opening.stream

    async def stop(self, stream: str, owner: str) -> bool:
        found = self._find(stream, owner)
        if found is None:
            return False
        found.stop()
        return True

    async def close(self) -> None:
        for stream in list(self._streams.values()):
            self._take_away(stream)

    def sweep(self) -> None:
        """Take away what has had its time."""
        now = self.clock()
        while (first := self._shelf.first_finished) is not None and first.expires <= now:
            self._take_away(first)

    def began(self, stream: LocalStream, head_bytes: int) -> None:
        """A stream has a head; its chat's name is its own now."""
        stream.previous = None
        self._shelf.extend(head_bytes)

    def wrote(self, stream: LocalStream, n: int, event: bytes) -> None:
        """A stream has an event; the bounds hold afterwards."""
        self._shelf.append(stream, n, event)

    def ended(self, stream: LocalStream, *, keep: bool) -> None:
        """A stream has had its last event."""
        if not keep:
            self._take_away(stream)
            return
        stream.expires = self.clock() + self._ttl_seconds
        self._shelf.finish(stream)
        self._arm()

    def _find(self, stream: str, owner: str) -> LocalStream | None:
        self.sweep()
        found = self._streams.get(stream)
        return found if found is not None and found.opening.owner == owner else None

    def _take_away(self, stream: LocalStream) -> None:
        self._shelf.remove(stream)
        self._drop(stream)

    def _drop(self, stream: LocalStream) -> None:
        """Forget *stream*, whose events are gone."""
        opening = stream.opening
        self._streams.pop(opening.stream, None)
        if opening.once is not None and self._once.get(opening.once) is stream:
            del self._once[opening.once]
        stream.over = End.EXPIRED
        if opening.chat is not None and self._chats.get(opening.chat) is stream:
            self._give_back(opening.chat, stream)
        stream.bell.ring()

    def _give_back(self, chat: str, stream: LocalStream) -> None:
        """Let the name *chat* lead to what it led to before *stream*, from which nothing is left."""
        previous = stream.previous
        while previous is not None and previous.over is End.EXPIRED:
            previous = previous.previous
        if previous is None:
            del self._chats[chat]
        else:
            self._chats[chat] = previous

    def _arm(self) -> None:
        first = self._shelf.first_finished
        if self._armed or first is None:
            return
        later = self._later or asyncio.get_running_loop().call_later
        later(max(0.0, first.expires - self.clock()), self._due)
        self._armed = True

    def _due(self) -> None:
        self._armed = False
        self.sweep()
        self._arm()


def _named(owner: str, name: str) -> str:
    """What *owner* calls *name*, in a form that is bounded and cannot be another owner's."""
    return hashlib.sha256(f"{len(owner)}:{owner}{name}".encode("utf-8", "surrogatepass")).hexdigest()


def _hashed(opening: Opening) -> Opening:
    once, chat, owner = opening.once, opening.chat, opening.owner
    return replace(
        opening,
        once=None if once is None else _named(owner, once),
        chat=None if chat is None else _named(owner, chat),
    )
