"""What the image is and does: its size and configuration, what its process may, and whether it streams."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import signal
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ..conftest import LIMIT_SECONDS, free_port
from ..pod.play import llm_server
from ..pod.streams import Stream
from ..pod.timeline import Timeline
from .run import Confined

__all__ = ["Fact", "look"]

#: What was looked at, what was seen, and whether it is as it should be.
Fact = tuple[str, str, bool]

_STARTS = 3
_TOKENS, _RATE = 30, 10
_MB = 1e6


@dataclass(frozen=True, kw_only=True)
class Served:
    """The image's process, ready, on *port* and *admin_port*, with its *environment*."""

    process: asyncio.subprocess.Process
    port: int
    environment: dict[str, str]
    #: What the start took: of the clock and of the processor.
    ready_seconds: float
    ready_cpu_seconds: float


async def look(image: Confined, base: Path) -> list[Fact]:
    """Every fact about *image*, which was built on the root folder *base*."""
    return [*_sizes(image.root, base), *_configuration(image), *await _process(image), *await _starts(image)]


def _sizes(root: Path, base: Path) -> Iterator[Fact]:
    ours = root / "opt" / "sse-proxy"
    for what, folder, most in (("the whole image", root, 200), ("of that, what is ours", ours, 100)):
        size, packed = _bytes(folder) / _MB, _packed_bytes(folder) / _MB
        yield f"size, {what}", f"{size:.0f} MB, compressed {packed:.0f} MB", size < most
    yield "size, the base without a shell", f"{_bytes(base) / _MB:.0f} MB", True


def _bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def _packed_bytes(folder: Path) -> int:
    packed = subprocess.run(["tar", "--create", f"--directory={folder}", "."], check=True, capture_output=True)
    return len(gzip.compress(packed.stdout, 6))


def _configuration(image: Confined) -> Iterator[Fact]:
    config = image.config
    entry = [*config["Entrypoint"], *config["Cmd"]]
    yield "starts", f"`{' '.join(entry)}` as user {config['User']}", config["User"] == "65532:65532"
    check = config["Healthcheck"]["Test"]
    yield "health check", f"`{' '.join(check)}`", check == ["CMD", "sse-proxy", "healthcheck"]
    shells = [str(path) for path in (image.root / "usr" / "bin").glob("*sh")]
    yield "shells in it", ", ".join(shells) or "none", not shells
    site = next((image.root / "opt" / "sse-proxy").glob("lib/python3.*/site-packages"))
    sources, compiled = len(list(site.rglob("*.py"))), len(list(site.rglob("__pycache__/*.pyc")))
    yield "bytecode", f"{compiled} files for {sources} modules", compiled == sources
    writable = [path for path in (image.root / "opt").rglob("*") if path.lstat().st_uid != 0]
    yield "files of ours that are not root's", str(len(writable)), not writable


async def _process(image: Confined) -> list[Fact]:
    """What is seen of a process that streams, and of its end."""
    async with llm_server() as (_llm, upstream), _serving(image, upstream) as served:
        status = Path(f"/proc/{served.process.pid}/status").read_text()
        told = dict(re.findall(r"^(\w+):\s*(.*)$", status, re.MULTILINE))
        ids = {*told["Uid"].split(), *told["Gid"].split()}
        seen: list[Fact] = [
            ("user and group of the process", ", ".join(sorted(ids)), ids == {"65532"}),
            ("capabilities, and may gain some", _rights(told), _rights(told) == "none, no"),
            ("resident memory", told["VmRSS"], True),
            await _writes(image, served),
            await _health(image, served, expected=0),
            *[await _streams(served, address) for address in ("127.0.0.1", "::1")],
            *await _ends(served),
            await _health(image, served, expected=1),
        ]
    return seen


def _rights(status: dict[str, str]) -> str:
    held = "none" if int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0 else status["CapEff"]
    return f"{held}, {'no' if status['NoNewPrivs'] == '1' else 'yes'}"


async def _writes(image: Confined, served: Served) -> Fact:
    """Nothing in the image can be written, not even /tmp."""
    attempt = "import sys; sys.exit(any(open(f'{path}/x', 'w') for path in sys.argv[1:]))"
    errors = []
    for path in ("/tmp", "/opt/sse-proxy", "/"):  # noqa: S108 -- where programs like to write
        asked = await asyncio.to_thread(image.ask, ["python3", "-c", attempt, path], served.environment)
        errors.append(asked.stderr.strip().rpartition("\n")[2].partition("] ")[2].partition(":")[0])
    return "writing to /tmp, /opt/sse-proxy, /", ", ".join(errors), set(errors) == {"Read-only file system"}


async def _health(image: Confined, served: Served, *, expected: int) -> Fact:
    asked = await asyncio.to_thread(image.ask, ["sse-proxy", "healthcheck"], served.environment)
    when = "while it runs" if expected == 0 else "after its end"
    return f"health check {when}", f"exit code {asked.returncode}", asked.returncode == expected


async def _streams(served: Served, address: str) -> Fact:
    stream = Stream(_TOKENS, _RATE)
    await stream.run(served.port, Timeline(), address)
    gaps = [later - earlier for earlier, later in zip(stream.arrivals, stream.arrivals[1:], strict=False)]
    told = (
        f"{stream.verdict}: first byte after {stream.arrivals[0] * 1000:.0f} ms, then "
        f"{statistics.median(gaps) * 1000:.0f} ms from token to token (longest {max(gaps) * 1000:.0f} ms)"
    )
    # Buffered, they would come at once.
    streamed = len(stream.arrivals) >= _TOKENS and stream.arrivals[-1] > (_TOKENS - 2) / _RATE
    return (
        f"a stream of {_TOKENS} tokens, {_RATE} a second, over {address}",
        told,
        stream.verdict == "whole" and streamed,
    )


async def _ends(served: Served) -> list[Fact]:
    """SIGTERM with a stream in flight."""
    stream = Stream(_TOKENS, _RATE)
    running = asyncio.create_task(stream.run(served.port, Timeline()))
    await stream.begun.wait()
    served.process.send_signal(signal.SIGTERM)
    code = await served.process.wait()
    await running
    return [
        (
            "SIGTERM with a stream in flight",
            f"{stream.verdict}, exit code {code}",
            (stream.verdict, code) == ("whole", 0),
        )
    ]


async def _starts(image: Confined) -> list[Fact]:
    """From nothing to ready, as it is, and with the bytecode looked for elsewhere; medians."""
    facts: list[Fact] = []
    spent = []
    for what, extra in (("", {}), (" without its bytecode", {"PYTHONPYCACHEPREFIX": "/nowhere"})):
        starts = []
        for _ in range(_STARTS):
            async with _serving(image, free_port(), extra) as served:
                starts.append((served.ready_cpu_seconds, served.ready_seconds))
        cpu_seconds, seconds = (statistics.median(column) for column in zip(*starts, strict=True))
        spent.append(cpu_seconds)
        # Judged by the processor's time, as a busy machine's clock says little.
        told = f"{cpu_seconds:.2f} s of the processor ({seconds:.2f} s of the clock)"
        facts.append((f"from start to ready{what}", told, True))
    return [
        *facts,
        ("what bytecode saves at a start", f"{spent[1] - spent[0]:.2f} s of the processor", spent[0] < spent[1]),
    ]


def _cpu_seconds(pid: int) -> float:
    """What the process has used of the processor so far (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def _serving(image: Confined, upstream: int, extra: dict[str, str] | None = None) -> AsyncIterator[Served]:
    """The image's own command in front of *upstream*; killed at the end if it still runs."""
    port, admin = free_port(), free_port()
    environment = {
        "SSE_PROXY_UPSTREAM": f"http://127.0.0.1:{upstream}",
        "SSE_PROXY_PORT": str(port),
        "SSE_PROXY_ADMIN_PORT": str(admin),
        "SSE_PROXY_DRAIN_DELAY_SECONDS": "0",
        **(extra or {}),
    }
    begun = time.monotonic()
    process = await image.start(environment)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while b"ready: " not in (line := await process.stderr.readline()):
                if not line:
                    raise RuntimeError("the image's process has ended before it was ready")
        seconds, cpu_seconds = time.monotonic() - begun, _cpu_seconds(process.pid)
        following = asyncio.create_task(process.stderr.read())
        yield Served(
            process=process,
            port=port,
            environment=environment,
            ready_seconds=seconds,
            ready_cpu_seconds=cpu_seconds,
        )
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    await following
