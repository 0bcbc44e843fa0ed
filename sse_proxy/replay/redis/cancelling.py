"""Cancellation that is not lost on the way through the client of Redis.

redis-py (seen with 8.1) returns a reply as if nothing had happened where its task was cancelled in the moment in which
the reply came. A reader's heartbeat, a deadline or the end of the process would wait for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

__all__ = ["not_swallowing"]

_T = TypeVar("_T")


async def not_swallowing(waiting: Awaitable[_T]) -> _T:
    """The result of *waiting*; raises `asyncio.CancelledError` if this task was cancelled meanwhile."""
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    result = await waiting
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
    return result
