"""What happens to everybody at once: drains that are called off, an upstream that is not there, a Redis that stops."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sse_proxy.outcome import Outcome

from ..resume.store import Store
from .processes import Proxy, UpstreamProcess

__all__ = ["DRAIN_DELAY_SECONDS", "Disturbances"]

#: Of the proxies, so that a drain refuses soon.
DRAIN_DELAY_SECONDS = 0.3
_REFUSING_SECONDS = 0.7
_AWAY_SECONDS = 1.0
_PAUSE_SECONDS = (0.5, 2.5)
#: What began so long after a disturbance may still suffer from it: a store that is back is asked again in a while.
_AFTER_SECONDS = 3.0

#: Whoever is refused at the gate has no stream, and no outcome.
_REFUSED: frozenset[Outcome | None] = frozenset({None, Outcome.REJECTED, Outcome.DRAINED})
_NO_UPSTREAM: frozenset[Outcome | None] = frozenset({Outcome.UPSTREAM_ERROR})
#: Streams flow without their store; only those that are kept, or come back, notice.
_NO_STORE: frozenset[Outcome | None] = frozenset(
    {Outcome.UPSTREAM_ERROR, Outcome.REJECTED, Outcome.COMPLETED, Outcome.CLIENT_DISCONNECTED}
)


@dataclass(slots=True)
class Disturbances:
    """Makes one after the other, in turn, and remembers when.

    *every_seconds*: from the end of one to the next.
    """

    proxies: list[Proxy]
    upstream: UpstreamProcess
    store: Store | None
    seed: int
    every_seconds: float
    counts: Counter[str] = field(default_factory=Counter)
    _windows: list[tuple[float, float, frozenset[Outcome | None]]] = field(default_factory=list)
    _making: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Disturb until cancelled; then call `end`, since whatever was begun goes on."""
        dice = random.Random(f"disturbances {self.seed}")  # noqa: S311  what, and when
        makers = [self._drain, self._refuse]
        if self.store is not None:
            makers += [self._pause, self._restart]
        while True:
            dice.shuffle(makers)
            for make in makers:
                await asyncio.sleep(dice.uniform(0.5, 1.5) * self.every_seconds)
                self._making = asyncio.ensure_future(make(dice))
                await asyncio.shield(self._making)

    async def end(self) -> None:
        """Return when the last one is over."""
        if self._making is not None:
            await self._making

    def during(self, began: float, ended: float) -> frozenset[Outcome | None]:
        """What may have come of disturbances to a request between these moments."""
        found: frozenset[Outcome | None] = frozenset()
        for first, last, outcomes in self._windows:
            if began <= last + _AFTER_SECONDS and ended >= first:
                found |= outcomes
        return found

    async def _disturb(
        self, name: str, outcomes: frozenset[Outcome | None], make: Callable[[], Awaitable[None]]
    ) -> None:
        self.counts[name] += 1
        self._windows.append((time.monotonic(), float("inf"), outcomes))
        try:
            await make()
        finally:
            began, _, outcomes = self._windows.pop()
            self._windows.append((began, time.monotonic(), outcomes))

    async def _drain(self, dice: random.Random) -> None:
        proxy = dice.choice(self.proxies)

        async def make() -> None:
            await asyncio.to_thread(proxy.admin, "/-/drain?wait=0")
            try:
                await asyncio.sleep(DRAIN_DELAY_SECONDS + _REFUSING_SECONDS)
            finally:
                await asyncio.to_thread(proxy.admin, "/-/drain", "DELETE")

        await self._disturb("drained, and not", _REFUSED, make)

    async def _refuse(self, _dice: random.Random) -> None:
        async def make() -> None:
            await self.upstream.order(do="refuse", seconds=_AWAY_SECONDS)

        await self._disturb("upstream not there", _NO_UPSTREAM, make)

    async def _pause(self, dice: random.Random) -> None:
        store, seconds = self._store, dice.uniform(*_PAUSE_SECONDS)

        async def make() -> None:
            store.pause()
            try:
                await asyncio.sleep(seconds)
            finally:
                store.go_on()

        await self._disturb("Redis paused", _NO_STORE, make)

    async def _restart(self, _dice: random.Random) -> None:
        store = self._store

        async def make() -> None:
            await asyncio.to_thread(store.stop)
            await asyncio.sleep(_AWAY_SECONDS)
            await asyncio.to_thread(store.start)

        await self._disturb("Redis restarted", _NO_STORE, make)

    @property
    def _store(self) -> Store:
        if self.store is None:
            raise RuntimeError("there is no store to disturb")
        return self.store
