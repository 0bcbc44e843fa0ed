"""An event loop whose time is a number that the test passes in."""

from __future__ import annotations

import asyncio

__all__ = ["ClockedLoop"]

#: Rounds of callbacks after which a loop that still has something to do will never be done.
_STEPS = 10_000


class ClockedLoop(asyncio.SelectorEventLoop):
    """An event loop that runs what is ready and never waits; time passes by `advance` alone."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1000.0

    def time(self) -> float:
        return self._now

    def settle(self) -> None:
        """Run until nothing is ready any more."""
        for _ in range(_STEPS):
            self.call_soon(self.stop)
            self.run_forever()
            if not self._ready:  # type: ignore[attr-defined]
                return
        raise AssertionError("the loop never comes to rest")

    def advance(self, seconds: float) -> None:
        """Let time pass, from one timer to the next."""
        until = self._now + seconds
        while (when := self._next_timer()) is not None and when <= until:
            self._now = max(self._now, when)
            self.settle()
        self._now = until
        self.settle()

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """Those that are armed."""
        return [timer for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]

    def _next_timer(self) -> float | None:
        return min((timer.when() for timer in self.timers), default=None)
