"""`replay.redis.pulse`: who is taken for dead, and when. The store is a fake that knows who shows itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from sse_proxy.replay.redis.followed import Followed
from sse_proxy.replay.redis.keys import replica_key
from sse_proxy.replay.redis.pulse import Pulse

_GRACE_SECONDS = 5.0


class _Store:
    """In place of `Link` and `Doorbell`: processes in `alive` show themselves, whose streams are buried is noted."""

    def __init__(self) -> None:
        self.alive: set[str] = set()
        self.asked = 0
        self.buried: list[str] = []

    async def run(self, call: Sequence[object], *, probe: bool = False) -> None:
        assert ("SET", True) == (call[0], probe)

    async def run_all(self, calls: Sequence[Sequence[object]], *, probe: bool = False) -> list[Any]:
        assert probe
        here = {replica_key(one) for one in self.alive}
        self.asked += sum(call[0] == "EXISTS" for call in calls)
        self.buried += [str(call[4]) for call in calls if call[0] == "EVALSHA"]
        return [int(call[1] in here) if call[0] == "EXISTS" else 0 for call in calls]

    async def tidy(self) -> None: ...


class _Process:
    """One that follows streams of others, on a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.store = _Store()
        self.followed: dict[str, Followed] = {}
        store = cast("Any", self.store)
        self._pulse = Pulse(
            "me", store, store, {}, self.followed, lambda: self.now, beat_seconds=1.0, grace_seconds=_GRACE_SECONDS
        )

    def follow(self, stream: str, replica: str) -> None:
        self.followed[stream] = Followed(stream, "", replica, cast("Any", self.store))

    async def beat(self, *, after: float) -> None:
        self.now += after
        await self._pulse.beat()


@pytest.fixture
def process() -> _Process:
    """A process that follows a stream of the process ``owner``."""
    process = _Process()
    process.follow("a" * 32, "owner")
    return process


async def test_an_owner_is_buried_after_its_grace(process: _Process) -> None:
    """Not at the first look that misses it."""
    await process.beat(after=0)
    await process.beat(after=_GRACE_SECONDS - 0.1)
    assert [] == process.store.buried
    await process.beat(after=0.1)
    assert ["owner"] == process.store.buried


async def test_readers_that_come_and_go_share_one_grace(process: _Process) -> None:
    """What the first of them has missed counts for the next."""
    await process.beat(after=0)
    process.followed.clear()
    await process.beat(after=_GRACE_SECONDS)
    process.follow("a" * 32, "owner")
    await process.beat(after=0)
    assert ["owner"] == process.store.buried


async def test_an_owner_that_came_back_unwatched_has_its_grace_again(process: _Process) -> None:
    """That it was missed once, long ago, is not held against it at its next hiccup."""
    await process.beat(after=0)
    process.followed.clear()
    process.store.alive.add("owner")
    await process.beat(after=1)
    process.store.alive.clear()
    process.follow("a" * 32, "owner")
    await process.beat(after=_GRACE_SECONDS)
    assert [] == process.store.buried


async def test_the_dead_are_not_looked_for_for_ever(process: _Process) -> None:
    """Processes come and go for months; whom nobody follows is forgotten."""
    await process.beat(after=0)
    process.followed.clear()
    await process.beat(after=10 * _GRACE_SECONDS)
    asked = process.store.asked
    await process.beat(after=1)
    await process.beat(after=1)
    assert process.store.asked == asked + 1
