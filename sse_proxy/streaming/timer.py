"""The one timer of a response: lazy, so that nothing is armed anew for an event.

It is set for what the pacer knows to come next. When it fires that may have moved away, since events have come
meanwhile; so whoever has it asks the pacer what is due, and arms it again.
"""

from __future__ import annotations

import asyncio

from ..core.pacing import Pacer

__all__ = ["PacerTimer"]


class PacerTimer:
    """Base of what acts when something is due by *pacer*; it says how in `tick`."""

    __slots__ = ("_loop", "_pacer", "_timer")

    def __init__(self, pacer: Pacer) -> None:
        self._loop = asyncio.get_running_loop()
        self._pacer = pacer
        self._timer: asyncio.TimerHandle | None = None

    def tick(self) -> None:
        """Something may be due."""
        raise NotImplementedError

    def arm(self) -> None:
        """Look at the pacer again: a deadline may have moved closer."""
        self.stop()
        when = self._pacer.next(self._loop.time())
        if when != float("inf"):
            self._timer = self._loop.call_at(when, self.tick)

    def stop(self) -> None:
        """Fire no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
