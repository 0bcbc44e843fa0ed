"""The proxy under test, as a process."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from bench.processes import resident_bytes, tree

__all__ = ["Proxy", "labelled", "running"]

_READY = re.compile(rb"http://127\.0\.0\.1:(\d+).*admin on http://127\.0\.0\.1:(\d+)")
_LOOK_SECONDS = 0.02


@dataclass
class Proxy:
    """A running one."""

    process: asyncio.subprocess.Process
    port: int
    admin_port: int
    #: Lines that it has written.
    lines: list[bytes] = field(default_factory=list)
    #: The most resident memory that was seen.
    peak_bytes: int = 0

    def look(self) -> int:
        """Resident memory now."""
        now = resident_bytes(tree(self.process.pid))
        self.peak_bytes = max(self.peak_bytes, now)
        return now

    async def watch(self) -> None:
        """Look at the memory for ever."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def admin(self, path: str) -> tuple[int, str]:
        """Status and body of what the admin port says."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.admin_port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return int(head[9:12]), body.decode()

    async def metrics(self) -> dict[str, float]:
        """All samples of the proxy's own, without their prefix, those that are not 0."""
        _, text = await self.admin("/metrics")
        pairs = (line.rpartition(" ") for line in text.splitlines() if line.startswith("sse_proxy_"))
        return {name.removeprefix("sse_proxy_"): float(value) for name, _, value in pairs if float(value)}

    async def idle(self) -> dict[str, float]:
        """Its metrics as soon as no stream is open."""
        async with asyncio.timeout(30):
            while (found := await self.metrics()).get("streams_active"):  # noqa: ASYNC110  another process
                await asyncio.sleep(0.1)
        return found


def labelled(metrics: dict[str, float], name: str, label: str) -> dict[str, int]:
    """Of the series *name*: the values by *label*, summed over the others."""
    found: dict[str, int] = {}
    for key, value in metrics.items():
        if key.startswith(name + "{") and (match := re.search(rf'{label}="([^"]*)"', key)):
            found[match[1]] = found.get(match[1], 0) + int(value)
    return found


@asynccontextmanager
async def running(upstream_port: int, *flags: str) -> AsyncIterator[Proxy]:
    """``sse-proxy serve`` with *flags*; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sse_proxy", "serve", "--upstream", f"http://127.0.0.1:{upstream_port}"),
        *("--port", "0", "--admin-port", "0", "--log-format", "json", *flags),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None  # noqa: S101  it was asked for
    proxy = Proxy(process, 0, 0)
    tasks: list[asyncio.Task[None]] = []
    try:
        async with asyncio.timeout(30):
            while (found := _READY.search(b"".join(proxy.lines))) is None:
                proxy.lines.append(await process.stderr.readline())
        proxy.port, proxy.admin_port = int(found[1]), int(found[2])
        tasks = [asyncio.ensure_future(_read(process.stderr, proxy)), asyncio.ensure_future(proxy.watch())]
        yield proxy
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _read(stderr: asyncio.StreamReader, proxy: Proxy) -> None:
    while line := await stderr.readline():
        proxy.lines.append(line)
