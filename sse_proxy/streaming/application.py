"""The application's run for one request, which may have to be stopped for a cause."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Application"]


class Application:
    """Its run, in the task that this is made in.

    Attributes:
        cause: Why it was stopped; None unless it was.
    """

    def __init__(self) -> None:
        self.cause: Exception | None = None
        self._task = asyncio.current_task()

    def stop(self, cause: Exception) -> None:
        """Cancel it; it unwinds in its own time."""
        self.cause = cause
        if self._task is not None:
            self._task.cancel()

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> Exception | None:
        """What *app* raised, the cancellation by `stop` aside; one by anybody else goes on."""
        error: Exception | None = None
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if self.cause is None or self._task is None:
                raise
            self._task.uncancel()
            return None
        except Exception as raised:  # noqa: BLE001  told to the client, and then raised again
            error = raised
        if self.cause is not None:
            await self._absorb()
        return error

    async def _absorb(self) -> None:
        """Take delivery of our own cancellation, which the application ended without; else somebody above us would."""
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        if self._task is not None:
            self._task.uncancel()
