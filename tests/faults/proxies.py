"""Proxies as processes, and what can be asked of one: its metrics, its log, its open streams, and what it holds."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..conftest import free_port
from .ends import LIMIT_SECONDS

__all__ = ["Holding", "Proxy", "end", "proxy"]

_READY = re.compile(rb"(https?)://(127\.0\.0\.1):(\d+).*admin on http://127\.0\.0\.1:(\d+)")
_SAMPLE = re.compile(r"^(sse_proxy_[a-z_]+)(?:\{([^}]*)\})? ([0-9.e+]+)$", re.MULTILINE)

#: Tasks, objects and descriptors by name.
Holding = dict[str, int]


@dataclass
class Proxy:
    """A running ``sse-proxy serve``."""

    process: asyncio.subprocess.Process
    port: int = 0
    admin_port: int = 0
    log: bytearray = field(default_factory=bytearray)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def pid(self) -> int:
        return self.process.pid

    def descriptors(self) -> int:
        """How many it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith(b"{") and line.endswith(b"}")]

    def outcomes(self, cell: str) -> tuple[str, ...]:
        """How the streams of *cell* ended, in the order in which they did."""
        return tuple(line["outcome"] for line in self.lines() if line.get("request_id") == cell and "outcome" in line)

    async def ask(self, question: str) -> Any:
        """The watcher's answer."""
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        async with self._asking, asyncio.timeout(LIMIT_SECONDS):
            process.stdin.write(question.encode() + b"\n")
            return json.loads(await process.stdout.readline())

    async def get(self, path: str, *, port: int = 0) -> tuple[int, bytes]:
        """GET from the admin port, or another: status and body."""
        async with asyncio.timeout(LIMIT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port or self.admin_port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            writer.close()
        return int(head.split()[1]), body

    async def samples(self, name: str) -> dict[str, float]:
        """The samples of one metric, by their labels."""
        _, body = await self.get("/metrics")
        return {labels: float(value) for each, labels, value in _SAMPLE.findall(body.decode()) if each == name}

    async def counted(self, name: str, label: str) -> Counter[str]:
        """The samples of one counter, added up by *label*."""
        found: Counter[str] = Counter()
        for labels, value in (await self.samples(name)).items():
            found[dict(re.findall(r'(\w+)="([^"]*)"', labels))[label]] += int(value)
        return +found

    async def holding(self) -> Holding:
        """What it holds now: tasks and objects, descriptors, streams in its list and in its gauge."""
        _, streams = await self.get("/-/streams")
        gauge = await self.samples("sse_proxy_streams_active")
        held: Holding = await self.ask("count")  # last, for it is up by then
        return {
            **held,
            "descriptors": self.descriptors(),
            "streams listed": len(json.loads(streams)),
            "streams_active": int(sum(gauge.values())),
        }

    async def settles(self, baseline: Holding, *, least_seconds: float = 15.0) -> Holding:
        """What it holds over *baseline*, once that has become nothing, or in spite of waiting."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + least_seconds
        while True:
            now = await self.holding()
            over = {name: count - baseline.get(name, 0) for name, count in now.items() if count > baseline.get(name, 0)}
            if not over or loop.time() > deadline:
                return over
            await asyncio.sleep(0.25)


@asynccontextmanager
async def proxy(
    upstream: str, *flags: str, before: Callable[[], None] | None = None, log: Path | None = None
) -> AsyncIterator[Proxy]:
    """``sse-proxy serve`` in front of *upstream*, a URL; killed at the end if it still runs.

    *before* is called in the new process, before it becomes the proxy. *log*: where its stderr goes, unread.
    """
    ports = (0, 0) if log is None else (free_port(), free_port())
    with nullcontext(asyncio.subprocess.PIPE) if log is None else log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.watched", "serve", "--upstream", upstream),
            *("--readiness-upstream", "off", "--log-format", "json", *flags),
            *("--port", str(ports[0]), "--admin-port", str(ports[1])),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            cwd=Path(__file__).parents[2],
            preexec_fn=before,
        )
    running = Proxy(process, *ports)
    following: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            following = await (_answering(running) if process.stderr is None else _reading(running, process.stderr))
        yield running
    finally:
        await end(process)
        if following is not None:
            await following


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill *process* if it still runs; not by its own method, which would take the exit code from whoever waits."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    await process.wait()


async def _reading(running: Proxy, stderr: asyncio.StreamReader) -> asyncio.Task[None]:
    while (found := _READY.search(running.log)) is None:
        line = await stderr.readline()
        assert line, running.log.decode()
        running.log += line
    running.port, running.admin_port = int(found[3]), int(found[4])
    return asyncio.create_task(_follow(stderr, running.log))


async def _answering(running: Proxy) -> None:
    while True:
        with suppress(OSError):
            await running.get("/healthz")
            return
        await asyncio.sleep(0.05)


async def _follow(stderr: asyncio.StreamReader, log: bytearray) -> None:
    while data := await stderr.read(65536):
        log += data
