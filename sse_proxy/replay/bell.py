"""A bell for any number of waiters: rung by whoever has news, heard by all; no ring between look and wait is lost."""

from __future__ import annotations

import asyncio

__all__ = ["Bell"]


class Bell:
    """Note `rung`, look for news, and if there is none `wait` for the next ring after the noted one."""

    __slots__ = ("_waiting", "rung")

    def __init__(self) -> None:
        self.rung = 0
        # One future a waiter: a shared one would be cancelled for all with the first that is.
        self._waiting: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        """Wake all that wait."""
        self.rung += 1
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self, noted: int) -> None:
        """Return as soon as `rung` is another than *noted*."""
        while self.rung == noted:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                await future
            finally:
                # A reader that is cancelled for every heartbeat of a silent stream must leave nothing behind.
                self._waiting.remove(future)
