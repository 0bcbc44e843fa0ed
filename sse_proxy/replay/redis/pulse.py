"""What a process does every beat, so that no message has to arrive for the truth to be known.

It shows that it lives, tries whether the store does, tells producers elsewhere that somebody listens, looks whether
those are still there, lets its own streams' keys live on, and wakes the readers, who look for themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ..base import StoreUnavailable
from .doorbell import Doorbell
from .followed import Followed
from .keys import replica_channel, replica_key, stream_keys
from .link import Link
from .recording import RedisRecording
from .scripts import BURY, Call

__all__ = ["Pulse"]

#: A process that has not shown itself for this many beats is missing.
_MISSING_BEATS = 3
#: A missing process that nobody here follows any more is looked for, for this many times its grace.
_SEARCH_GRACES = 10


class Pulse:
    """See the module header.

    Args:
        replica: This process.
        recordings, followed: Its streams, and those that its readers follow, by id.
        beat_seconds: Between two beats.
        grace_seconds: For which an owner has to be missed before it is taken for dead; after an outage of the store all
            are missing until they have shown themselves again, which takes a timeout and a beat.
    """

    def __init__(
        self,
        replica: str,
        link: Link,
        doorbell: Doorbell,
        recordings: dict[str, RedisRecording],
        followed: dict[str, Followed],
        clock: Callable[[], float],
        *,
        beat_seconds: float,
        grace_seconds: float,
    ) -> None:
        self._replica = replica
        self._link = link
        self._doorbell = doorbell
        self._recordings = recordings
        self._followed = followed
        self._clock = clock
        self._beat_seconds = beat_seconds
        self._grace_seconds = grace_seconds
        #: Processes that were found missing, and when first. Readers that come for a moment, again and again, have to
        #: learn of it too, so it is not theirs to remember; nor is it missed, when they have gone, that it comes back.
        self._missing: dict[str, float] = {}

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            await self.beat()
            await asyncio.sleep(self._beat_seconds)

    async def beat(self) -> None:
        """Beat once."""
        now = self._clock()
        for recording in list(self._recordings.values()):
            recording.renew(now)
        for stream in self._followed.keys() & self._recordings.keys():
            self._recordings[stream].heard = now
        try:
            await self.show()
            await self._look_for_owners()
        except StoreUnavailable:
            # Nobody can be missed where nobody can be seen.
            self._missing.clear()
        await self._doorbell.tidy()
        for followed in list(self._followed.values()):
            followed.bell.ring()

    async def show(self) -> None:
        """Show that this process lives.

        Raises:
            StoreUnavailable: the store is down.
        """
        lifetime = max(1, round(self._beat_seconds * _MISSING_BEATS * 1000))
        await self._link.run(("SET", replica_key(self._replica), "1", "PX", lifetime), probe=True)

    async def _look_for_owners(self) -> None:
        elsewhere = [one for one in self._followed.values() if one.replica != self._replica]
        wanted = {one.replica for one in elsewhere}
        replicas = sorted(wanted | self._missing.keys())
        if not replicas:
            return
        calls: list[Call] = [("EXISTS", replica_key(replica)) for replica in replicas]
        calls += [("PUBLISH", replica_channel(one.replica), f"hear {one.stream}") for one in elsewhere]
        replies = await self._link.run_all(calls, probe=True)
        there: dict[str, Any] = dict(zip(replicas, replies, strict=False))
        now = self._clock()
        for replica in replicas:
            missed_seconds = now - self._missing.get(replica, now)
            if there[replica] != 0 or (replica not in wanted and missed_seconds > _SEARCH_GRACES * self._grace_seconds):
                self._missing.pop(replica, None)
            else:
                self._missing.setdefault(replica, now)
        lost = [one for one in elsewhere if now - self._missing.get(one.replica, now) >= self._grace_seconds]
        if lost:  # all at once: a process that is busy with that must not be missed itself
            graves = [BURY.call(stream_keys(one.stream)[:1], one.replica, one.channel) for one in lost]
            await self._link.run_all(graves, probe=True)
