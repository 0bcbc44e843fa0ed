"""Figures for the page: the totals of ``/metrics`` with the open streams, and what is known of one request.

The text of ``/metrics`` takes milliseconds to make and to read, so that is done in a thread, and at most once in
`_KEPT_SECONDS` however many pages are open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict

from ..lifecycle import Lifecycle
from ..metrics.base import Metrics
from ..metrics.prometheus import PrometheusMetrics
from ..watch.totals import totals_of, with_open
from .ended import PREFIX, Ended

__all__ = ["Figures"]

#: How old the totals may be.
_KEPT_SECONDS = 0.5


class Figures:
    """Reads *metrics* and *lifecycle*; *clock*: monotonic seconds."""

    def __init__(
        self, metrics: Metrics, lifecycle: Lifecycle, ended: Ended, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._ended = ended
        self._clock = clock
        self._read_at: float | None = None
        self._totals: dict[str, object] = {}
        # Two pages at once would make the same text twice.
        self._reading = asyncio.Lock()

    async def now(self, identity: str) -> dict[str, object]:
        """JSON-ready; ``open`` or ``ended`` is about the page's request *identity*, where one is known.

        Of other clients' requests nothing is told, whoever knows or guesses their ids.
        """
        return {
            "totals": await self._fresh_totals(),
            "open": self._open(identity) if identity.startswith(PREFIX) else None,
            "ended": self._ended.find(identity),
        }

    async def _fresh_totals(self) -> dict[str, object]:
        async with self._reading:
            now = self._clock()
            if self._read_at is None or now - self._read_at >= _KEPT_SECONDS:
                self._totals = await self._read()
                self._read_at = now
        return self._totals

    async def _read(self) -> dict[str, object]:
        if not isinstance(self._metrics, PrometheusMetrics):
            return {"active": len(self._lifecycle)}
        text, _ = await self._metrics.render_off_loop()
        totals = await asyncio.to_thread(totals_of, text.decode())
        return asdict(with_open(totals, (stream.describe() for stream in self._lifecycle.streams)))

    def _open(self, identity: str) -> dict[str, object] | None:
        described = (stream.describe() for stream in self._lifecycle.streams)
        return next((facts for facts in described if facts["id"] == identity), None)
