"""What happens in the middle of a run, each with the flags that its redis-server needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .fleet import Fleet
from .store import Store

__all__ = ["FAULTS", "Fault"]

#: How long Redis is away when it is started again.
_AWAY_SECONDS = 1.0
#: Readers wait this long for a store that is down (`replay.redis.followed`): one pause is below it, one above.
_SHORT_SECONDS = 3.0
_LONG_SECONDS = 8.0
_KEPT = ("--appendonly", "yes", "--appendfsync", "everysec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One of them."""

    name: str
    title: str
    happen: Callable[[Fleet, Store], Awaitable[None]]
    flags: tuple[str, ...] = ()
    #: Nothing that a reader could notice comes of it.
    is_harmless: bool = False


async def _nothing(_fleet: Fleet, _store: Store) -> None: ...


async def _killed(fleet: Fleet, _store: Store) -> None:
    fleet.kill()


async def _drained(fleet: Fleet, _store: Store) -> None:
    fleet.drain()


async def _restarted(_fleet: Fleet, store: Store) -> None:
    store.stop()
    await asyncio.sleep(_AWAY_SECONDS)
    store.start()


def _paused(seconds: float) -> Callable[[Fleet, Store], Awaitable[None]]:
    async def happen(_fleet: Fleet, store: Store) -> None:
        store.pause()
        await asyncio.sleep(seconds)
        store.go_on()

    return happen


async def _full(_fleet: Fleet, store: Store) -> None:
    store.fill(is_full=True)


async def _full_for_a_while(_fleet: Fleet, store: Store) -> None:
    store.fill(is_full=True)
    await asyncio.sleep(_LONG_SECONDS)
    store.fill(is_full=False)


FAULTS = (
    Fault(name="nothing", title="nothing", happen=_nothing, is_harmless=True),
    Fault(name="killed", title="one replica killed (SIGKILL)", happen=_killed),
    Fault(name="drained", title="one replica drained (SIGTERM)", happen=_drained),
    Fault(name="restarted", title="Redis restarted, its data lost", happen=_restarted),
    Fault(name="restarted-aof", title="Redis restarted, with an AOF", happen=_restarted, flags=_KEPT),
    Fault(name="paused", title=f"Redis paused for {_SHORT_SECONDS:g} s", happen=_paused(_SHORT_SECONDS)),
    Fault(name="paused-long", title=f"Redis paused for {_LONG_SECONDS:g} s", happen=_paused(_LONG_SECONDS)),
    Fault(name="full-a-while", title=f"Redis full for {_LONG_SECONDS:g} s", happen=_full_for_a_while),
    Fault(name="full", title="Redis full from then on", happen=_full),
)
