"""Cancellation that is not lost on the way through the client of Redis, and lost connections that are told as such.

redis-py (seen with 8.1) returns a reply as if nothing had happened where its task was cancelled in the moment in which
the reply came. A reader's heartbeat, a deadline or the end of the process would wait for ever.

Where a connection is lost in the moment in which it is written to, uvloop raises a `RuntimeError`, which redis-py lets
through; where another task has found that out first and has closed it, redis-py falls over its own None. To whoever
asks, the store would not be down but broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

__all__ = ["not_swallowing"]

_T = TypeVar("_T")

#: In what uvloop says of a transport that is closed, and Python of a connection of redis-py's that is.
_LOST = ("the handler is closed", "'NoneType' object has no attribute")


async def not_swallowing(waiting: Awaitable[_T]) -> _T:
    """The result of *waiting*; raises `asyncio.CancelledError` if this task was cancelled meanwhile.

    Raises:
        ConnectionResetError: the connection was lost before it could be written to.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    try:
        result = await waiting
    except (RuntimeError, AttributeError) as error:
        if not any(sign in str(error) for sign in _LOST):
            raise
        raise ConnectionResetError("the connection to the store was lost") from error
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
    return result
