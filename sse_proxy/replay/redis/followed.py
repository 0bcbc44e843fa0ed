"""The streams that readers of this process follow, and the readers.

However many readers follow a stream here, its news are subscribed to once, one bell wakes them all, and those whose
cursors stand at the same event, as all do that are up to date, share one read. A read asks for the state first and for
the events behind it in one step, so an end that it sees comes with all events before it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

from ...core.ledger import Account, Ledger
from ..base import READ_EVENTS, Batch, End, Glance, Head, StoreUnavailable
from ..bell import Bell
from .keys import stream_channel, stream_keys
from .link import Link
from .records import MalformedRecord, batch_of, glance_of
from .scripts import READ

__all__ = ["PATIENCE_SECONDS", "Followed", "RedisReader", "look"]

#: For how long a reader that follows a stream waits for a store that is down.
PATIENCE_SECONDS = 5.0


class Followed:
    """A stream of *owner*'s that has readers here.

    Attributes:
        replica: The process that produces it.
        head: None until it is known.
    """

    def __init__(self, stream: str, owner: str, replica: str, link: Link) -> None:
        self.stream = stream
        self.channel = stream_channel(stream)
        self.replica = replica
        self.head: Head | None = None
        self.bell = Bell()
        self.readers = 0
        self._owner = owner
        self._link = link
        # By cursor, and by how often the bell had rung when it began: a later ring is not heard by an earlier read.
        self._reading: dict[tuple[int, int], asyncio.Task[Batch | None]] = {}

    def hear(self, _message: bytes) -> None:
        """`Doorbell` handler: whatever it is, there is news."""
        self.bell.ring()

    async def look(self) -> Glance | None:
        """How it stands; None: it is not there any more.

        Raises:
            StoreUnavailable: the store is down.
        """
        found = await look(self._link, self.stream, self._owner)
        if found is None:
            return None
        self.head = self.head or found[1].head
        return found[1]

    async def read(self, after: int) -> Batch | None:
        """What follows *after* now; None: nothing yet, or the store is down."""
        key = after, self.bell.rung
        if (reading := self._reading.get(key)) is None:
            reading = self._reading[key] = asyncio.get_running_loop().create_task(self._read(after))
            reading.add_done_callback(lambda _: self._reading.pop(key, None))
        # A reader that is cancelled, for a heartbeat, takes nobody else's read with it.
        return await asyncio.shield(reading)

    async def _read(self, after: int) -> Batch | None:
        batch = None
        with contextlib.suppress(StoreUnavailable):
            batch = await self._ask(after)
        # A short outage is none: the pulse rings when it is over, and as long as it lasts. Where nothing can be
        # written, what is there can be read, but neither news nor the death of an owner will come.
        if batch is None and max(self._link.down_seconds, self._link.refused_seconds) > PATIENCE_SECONDS:
            return Batch(end=End.UNAVAILABLE)
        return batch

    async def _ask(self, after: int) -> Batch | None:
        wants_head = "1" if self.head is None else ""
        keys = stream_keys(self.stream)
        found = await self._link.run(READ.call(keys, self._owner, str(after), READ_EVENTS, wants_head))
        if found is None:
            return Batch(end=End.EXPIRED)
        try:
            head, batch = batch_of(found, after)
        except MalformedRecord:
            return Batch(end=End.UNAVAILABLE)  # to wait would be to wait for ever
        self.head = head or self.head
        return batch


class RedisReader:
    """`Reader`; *on_close* is called once. What it has read last is counted in *ledger* until it asks for more."""

    def __init__(self, followed: Followed, on_close: Callable[[Followed], None], ledger: Ledger | None = None) -> None:
        self._followed = followed
        self._room = Account(ledger)
        self._on_close: Callable[[Followed], None] | None = on_close
        followed.readers += 1

    @property
    def head(self) -> Head | None:
        return self._followed.head

    async def look(self) -> Glance | None:
        return await self._followed.look()

    async def read(self, after: int) -> Batch:
        bell = self._followed.bell
        self._room.close()
        while True:
            noted = bell.rung
            if (batch := await self._followed.read(after)) is not None:
                self._room.set(sum(len(event) for _, event in batch.events))
                return batch
            await bell.wait(noted)

    def close(self) -> None:
        self._room.close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            self._followed.readers -= 1
            on_close(self._followed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


async def look(link: Link, stream: str, owner: str) -> tuple[str, Glance] | None:
    """The process that produces *owner*'s *stream*, and how that stands; None: not there, or not *owner*'s.

    Raises:
        StoreUnavailable: the store is down, or holds something else.
    """
    found = await link.run(READ.call(stream_keys(stream), owner, "0", 0, "1"))
    if found is None:
        return None
    return glance_of(found)
