"""``sse-proxy serve``, with one more app beside it that tells what is in its event loop.

``python -m bench.soak.watched FD serve --upstream …``: the command as it is, with its settings, signals and drain; the
extra app listens on the inherited socket FD. It answers with the tasks, timers and objects of the project's classes as
JSON (`census.Census`). ``POST /plant?what=task|timer|descriptor|memory`` leaks one of those: whoever trusts the census
has to see it find that.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import sys
from collections import Counter
from functools import partial

from starlette.types import Receive, Scope, Send

from sse_proxy.cli import main as command
from sse_proxy.cli import process

__all__ = ["main"]

#: What was planted, so that nobody collects it.
_planted: list[object] = []
_PLANTED_BYTES = 8_388_608
_LONG_SECONDS = 86_400.0


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    del receive
    if scope["method"] == "POST":
        _plant(scope["query_string"].decode().removeprefix("what="))
    await asyncio.sleep(0)  # whoever a timer has woken in this very turn sleeps again before it is counted
    body = json.dumps(_census()).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _census() -> dict[str, dict[str, int]]:
    gc.collect()
    tasks: Counter[str] = Counter(
        getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks() if not task.done()
    )
    objects: Counter[str] = Counter()
    timers: Counter[str] = Counter()
    for each in gc.get_objects():
        kind = type(each)
        if kind.__module__.startswith("sse_proxy."):
            objects[f"{kind.__module__}.{kind.__qualname__}"] += 1
        elif kind.__name__ == "TimerHandle" and not each.cancelled():
            timers[_purpose(each)] += 1
    return {"tasks": dict(tasks), "timers": dict(timers), "objects": dict(objects)}


def _purpose(timer: object) -> str:
    """What *timer* calls, without its address."""
    return repr(timer).partition(" at 0x")[0].strip("<>")


def _plant(what: str) -> None:
    loop = asyncio.get_running_loop()
    match what:
        case "task":
            _planted.append(loop.create_task(asyncio.sleep(_LONG_SECONDS)))
        case "timer":
            _planted.append(loop.call_later(_LONG_SECONDS, gc.collect))
        case "descriptor":
            _planted.append(os.open(os.devnull, os.O_RDONLY))
        case "memory":
            _planted.append(bytearray(os.urandom(_PLANTED_BYTES)))
        case _:
            raise ValueError(f"no such leak: {what}")


def main() -> None:
    """Run the command that follows FD."""
    listening = socket.socket(fileno=int(sys.argv[1]))
    # Where `serve` takes it from; the demo has apps of its own beside it in the same way.
    process.run = partial(process.run, extra=((_app, listening),))
    with contextlib.closing(listening):
        command(sys.argv[2:])


if __name__ == "__main__":
    main()
