"""Streams answers through one Python client and prints what the client made of them, as one JSON line.

``python -m tests.compatibility.drive_python MODULE < {"cases": […], "concurrency": 8}``: a module of `python_clients`,
and cases as ``tests/js/drive.mjs`` takes them, of which ``call``, ``baseURL``, ``headers`` and ``timeoutMs`` count; so
are the results. A process of its own, since clients leave sockets, threads and warnings behind.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from .python_clients.base import Asked, Call

__all__: list[str] = []

#: What a client has to act on its own timeout.
_GRACE_SECONDS = 1.0


class _Hung(Exception):
    """It has not ended in its time: no timeout of the client's, if it has one, is for this."""


def _run(call: Call, asked: Asked) -> dict[str, Any]:
    texts: list[str] = []
    ended: SimpleQueue[Exception | None] = SimpleQueue()

    def read() -> None:
        try:
            texts.extend(call(asked))
        except Exception as raised:  # noqa: BLE001  part of the result
            ended.put(raised)
        else:
            ended.put(None)

    Thread(target=read, daemon=True).start()
    try:
        error = ended.get(timeout=asked.timeout_seconds + _GRACE_SECONDS)
    except Empty:
        error = _Hung()
    return {
        **dict.fromkeys(("finish", "usage", "final")),
        "text": "".join(texts),
        "events": len(texts),
        "error": None if error is None else _told(error),
    }


def _told(error: Exception) -> dict[str, Any]:
    names = [kind.__name__.strip("_") for kind in type(error).__mro__ if kind is not object]
    return {"names": names, "message": str(error), "status": getattr(error, "status_code", None), "code": None}


def _asked(case: Mapping[str, Any]) -> Asked:
    return Asked(base_url=case["baseURL"], headers=case["headers"], timeout_seconds=case["timeoutMs"] / 1000)


def _main() -> None:
    # What a client leaves open would be closed by whichever thread collects it: one that has the pool's lock, and now
    # waits for it, waits for ever.
    gc.disable()
    work = json.load(sys.stdin)
    calls = import_module(f"{__package__}.python_clients.{sys.argv[1]}").CALLS
    with ThreadPoolExecutor(work["concurrency"]) as threads:
        results = list(threads.map(lambda case: _run(calls[case["call"]], _asked(case)), work["cases"]))
    sys.stdout.write(json.dumps(results))
    sys.stdout.flush()
    os._exit(0)  # whatever the client still has


if __name__ == "__main__":
    _main()
