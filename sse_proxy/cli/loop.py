"""The event loop of a command that serves."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["run_loop"]


def run_loop(work: Coroutine[Any, Any, int]) -> int:
    """Run *work* in a fast event loop, and return the exit code that it returns.

    With a code above 128 the process ends there and then: to leave the loop properly would be to wait for every task to
    notice, and that code says that somebody has waited long enough.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        code = runner.run(work)
        if code > 128:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return code


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # Windows, PyPy
        return asyncio.new_event_loop
    return uvloop.new_event_loop
