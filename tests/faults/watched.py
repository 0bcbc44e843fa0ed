"""``sse-proxy`` as it is, with somebody beside it who counts what it holds: ``python -m tests.faults.watched serve …``.

Each line on stdin is a question, answered by a line of JSON on stdout:

    count          unfinished tasks and timers, and live objects of the kinds that a request makes
    names JSON     from now on names are resolved so: name → addresses, or an error and how long it takes
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading
from collections import Counter
from typing import Any

from sse_proxy.cli import main
from sse_proxy.upstream import dial, transport

__all__: list[str] = []

#: Made for a request, or for the connection that it came or went by.
_KINDS = frozenset({"Response", "Receiver", "Connection", "ResponseBody", "ClientProtocol", "Exchange", "Recorder"})

_names: dict[str, Any] = {}
_resolve = dial.resolve


async def _scripted(host: str, port: int) -> list[str]:
    script = _names.get(host)
    if script is None:
        return await _resolve(host, port)
    await asyncio.sleep(script.get("seconds", 0))
    if error := script.get("error"):
        raise socket.gaierror(getattr(socket, error), "scripted")
    addresses: list[str] = script["addresses"]
    return addresses


def _count() -> dict[str, int]:
    gc.collect()
    found: Counter[str] = Counter()
    for each in gc.get_objects():
        kind = type(each)
        if kind.__name__ in _KINDS and kind.__module__.startswith("sse_proxy."):
            found[kind.__name__] += 1
        elif isinstance(each, asyncio.Task) and not each.done():
            found[f"task {getattr(each.get_coro(), '__qualname__', '?')}"] += 1
    return dict(found)


def _answer() -> None:
    for line in sys.stdin:
        question, _, rest = line.strip().partition(" ")
        answer: dict[str, Any] = {}
        if question == "count":
            answer = _count()
        elif question == "names":
            _names.clear()
            _names.update(json.loads(rest))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    setattr(transport, "resolve", _scripted)  # noqa: B010  it is another module's, imported there by name
    threading.Thread(target=_answer, daemon=True).start()
    main(prog_name="sse-proxy")
