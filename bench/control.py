"""The fake upstream from the other side: starts it and gives it its orders."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .cores import on
from .manner import Manner
from .processes import clocks

__all__ = ["Control", "ordered", "told", "upstream"]

_PROJECT = Path(__file__).resolve().parent.parent


class Control:
    """Orders, each of which waits for its answer."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port: int = told(self._process)["port"]

    def clocks(self) -> dict[int, float]:
        """CPU time of its threads."""
        return clocks((self._process.pid,))

    def set(self, manner: Manner) -> None:
        """Streams from here on are of this *manner*."""
        self._order(do="set", **asdict(manner))

    def pour(self) -> None:
        """Let the firehoses that are open begin."""
        self._order(do="pour")

    def stop(self) -> int:
        """End all streams and return how many tokens were written since `set`."""
        written: int = self._order(do="stop")["written"]
        return written

    def generations(self) -> tuple[int, int]:
        """How many were asked for since `set`, and how many of them run."""
        told = self._order(do="tell")
        return told["requests"], told["streams"]

    def _order(self, **order: object) -> dict[str, Any]:
        return ordered(self._process, order)


def ordered(process: subprocess.Popen[str], order: dict[str, object]) -> dict[str, Any]:
    """What *process* tells on its stdout when it has obeyed an *order* on its stdin; both are lines of JSON.

    Raises:
        RuntimeError: it has no stdin, or has ended.
    """
    if process.stdin is None:
        raise RuntimeError("it was started without a pipe")
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    return told(process)


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of JSON that *process* tells; raises as `ordered`."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise RuntimeError("the fake upstream has ended")
    answer: dict[str, Any] = json.loads(line)
    return answer


@contextlib.contextmanager
def upstream(core: int) -> Generator[Control]:
    """The fake upstream on *core*, for as long as the block runs."""
    with on(core):
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.upstream"],
            cwd=_PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    with process:
        try:
            yield Control(process)
        finally:
            process.kill()
