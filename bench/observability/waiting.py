"""Waiting for what another process does, which has no event to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

__all__ = ["LIMIT_SECONDS", "text", "until"]

#: How long anything here may take that should come within seconds; generous, since the machine may be busy.
LIMIT_SECONDS = 60.0
_POLL_SECONDS = 0.1


async def until(condition: Callable[[], Awaitable[bool]], limit_seconds: float = LIMIT_SECONDS) -> None:
    """Return once *condition* holds.

    Raises:
        TimeoutError: it does not within *limit_seconds*.
    """
    async with asyncio.timeout(limit_seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(_POLL_SECONDS)


def text(log: Path) -> str:
    """What is in *log* so far: a small file, so that reading it holds nobody up."""
    return log.read_text(errors="replace")
