"""A whole installation on this machine: proxies as processes, an upstream, and Prometheus over all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from .prometheus import Prometheus, Target, running
from .upstream import full_backlog, mock_upstream
from .waiting import text, until

__all__ = ["ALONE", "KEEPING", "NARROW", "Kind", "Lab", "Proxy", "lab"]

_READY = re.compile(r"http://(127\.0\.0\.1:\d+).*admin on http://(127\.0\.0\.1:\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a proxy is started with; *deaf*: its upstream, and its store, never accept."""

    flags: tuple[str, ...]
    deaf: bool = False


#: Timeouts of seconds, and streams kept in memory.
KEEPING = Kind(
    flags=(
        *("--first-event-timeout-seconds", "2", "--idle-timeout-seconds", "1", "--total-timeout-seconds", "4"),
        *("--client-stall-timeout-seconds", "1", "--client-send-buffer-bytes", "16384", "--max-event-bytes", "100000"),
        *("--heartbeat-seconds", "1", "--commit-after-seconds", "0.5"),
        *("--resume", "memory", "--resume-stream-bytes", "20000"),
    )
)
#: Nobody behind it, and a store that is not there.
ALONE = Kind(flags=("--connect-timeout-seconds", "0.3", "--resume", "redis://{deaf}"), deaf=True)
#: The timeouts of the defaults and room for two streams: what stalls here stays.
NARROW = Kind(flags=("--max-streams", "2"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A running ``sse-proxy serve``: *client* speaks to its traffic port, *admin* to the other."""

    process: asyncio.subprocess.Process
    client: httpx.AsyncClient
    admin: httpx.AsyncClient

    def pause(self) -> None:
        """Stop it for a while: all its timers are late."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End the pause."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Take it away without a word."""
        self.process.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """The running parts; *proxies* in the order of their kinds."""

    prometheus: Prometheus
    proxies: list[Proxy]
    #: Seconds since the epoch, when everything ran and nothing had happened.
    began: float


@contextlib.asynccontextmanager
async def lab(
    program: str, directory: Path, kinds: Sequence[Kind], *, rules: str = "groups: []\n"
) -> AsyncGenerator[Lab]:
    """A proxy of each of *kinds* and the rest, with files in *directory*; *program* is Prometheus.

    Every series has been scraped at 0 when the block begins.

    Raises:
        TimeoutError: a part does not become ready.
        ValueError: a part has ended.
    """
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(mock_upstream())
        deaf = stack.enter_context(full_backlog())
        starts = [
            _proxy(
                directory / f"proxy-{number}.log",
                deaf if kind.deaf else upstream,
                *(flag.format(deaf=f"127.0.0.1:{deaf}") for flag in kind.flags),
            )
            for number, kind in enumerate(kinds)
        ]
        # At once, since most of a start is importing.
        proxies = await asyncio.gather(*(stack.enter_async_context(start) for start in starts))
        targets = [
            _target("sse-proxy", f"sse-proxy-{number}", proxy.admin.base_url.port or 0)
            for number, proxy in enumerate(proxies)
        ]
        targets.append(_target("vllm", "vllm-0", upstream))
        prometheus = await stack.enter_async_context(running(program, directory, targets, rules=rules))
        await _scraped(prometheus, len(targets))
        yield Lab(prometheus=prometheus, proxies=proxies, began=time.time())


def _target(job: str, pod: str, port: int) -> Target:
    return Target(job=job, port=port, labels={"namespace": "lab", "pod": pod})


async def _scraped(prometheus: Prometheus, targets: int) -> None:
    """Return when all *targets* have been scraped twice, so that every later increase is seen."""

    async def twice() -> bool:
        return len(await prometheus.instant("count_over_time(up[1m]) > 1 and up == 1")) == targets

    await until(twice)


@contextlib.asynccontextmanager
async def _proxy(log: Path, upstream: int, *flags: str) -> AsyncGenerator[Proxy]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sse_proxy", "serve", "--upstream", f"http://127.0.0.1:{upstream}"),
            *("--port", "0", "--admin-port", "0", "--log-format", "json", *flags),
            env={name: value for name, value in os.environ.items() if not name.startswith("SSE_PROXY_")},
            stdin=asyncio.subprocess.DEVNULL,
            stderr=output,
        )
    try:
        traffic, admin = await _addresses(process, log)
        async with contextlib.AsyncExitStack() as stack:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
            client, other = [
                await stack.enter_async_context(
                    httpx.AsyncClient(base_url=f"http://{address}", timeout=60, limits=limits, trust_env=False)
                )
                for address in (traffic, admin)
            ]
            yield Proxy(process=process, client=client, admin=other)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _addresses(process: asyncio.subprocess.Process, log: Path) -> tuple[str, str]:
    async def told() -> bool:
        return process.returncode is not None or _READY.search(text(log)) is not None

    await until(told)
    if (found := _READY.search(text(log))) is None:
        raise ValueError(f"a proxy has ended: {text(log)}")
    return found[1], found[2]
