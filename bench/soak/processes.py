"""The processes of a soak: proxies that can be looked into (`watched`), and the upstream that fails (`upstream`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from ..control import ordered, told
from ..cores import on
from ..load import Failed
from ..processes import clocks
from ..servers import ended_gently, free_ports
from .census import Census, census, resident_kib

__all__ = ["Labels", "Metrics", "Proxy", "UpstreamProcess", "proxy", "upstream"]

_PROJECT = Path(__file__).resolve().parent.parent.parent
_READY_SECONDS = 60.0
_LIMIT_SECONDS = 30.0

Labels = tuple[tuple[str, str], ...]
#: Name and labels of a sample → its value.
Metrics = dict[tuple[str, Labels], float]


@dataclass(slots=True, kw_only=True)
class Proxy:
    """One proxy, and what can be known of it from outside."""

    name: str
    port: int
    admin_port: int
    watch_port: int
    process: subprocess.Popen[bytes]
    log: Path
    _read_bytes: int = field(default=0)

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    @property
    def clocks(self) -> dict[int, float]:
        """CPU time of its threads."""
        return clocks((self.pid,))

    @property
    def resident_kib(self) -> float:
        """Its memory."""
        return resident_kib(self.pid)

    def census(self) -> Census:
        """What it has."""
        return census(self.pid, self.watch_port, self.admin_port)

    def admin(self, path: str, method: str = "GET") -> str:
        """What its admin port answers."""
        asked = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}", method=method)
        with urllib.request.urlopen(asked, timeout=_LIMIT_SECONDS) as answer:  # noqa: S310  as above
            return str(answer.read().decode())

    def plant(self, what: str) -> None:
        """Let it leak a task, timer, descriptor or memory (`watched`)."""
        place = f"http://127.0.0.1:{self.watch_port}/plant?what={what}"
        asked = urllib.request.Request(place, method="POST")
        urllib.request.urlopen(asked, timeout=_LIMIT_SECONDS).close()  # noqa: S310  as above

    def metrics(self) -> Metrics:
        """All its samples."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.admin("/metrics"))
            for sample in family.samples
        }

    def new_lines(self) -> list[dict[str, Any]]:
        """The lines of its log since the last call, of finished streams; others are warnings, told by `complaints`."""
        with self.log.open("rb") as file:
            file.seek(self._read_bytes)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        parsed = [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]
        return [line for line in parsed if line.get("event") == "stream finished"]

    def complaints(self) -> list[str]:
        """Tracebacks and errors in its log: there are to be none."""
        bad = (b'"level": "error"', b'"level": "critical"')
        with self.log.open("rb") as file:
            return [
                _shortened(line.decode(errors="replace").strip())
                for line in file
                if not line.startswith(b"{") or any(sign in line for sign in bad)
            ]


def _shortened(line: str) -> str:
    """Its beginning and, of a traceback, the end, where the error stands; without where this checkout is."""
    line = line.replace(f"{Path(__file__).parents[2]}/", "")
    return line if len(line) <= 1000 else f"{line[:200]} … {line[-800:]}"


@contextlib.contextmanager
def proxy(
    name: str, upstream_port: int, *flags: str, core: int | None = None, ports: Sequence[int] = ()
) -> Generator[Proxy]:
    """A proxy in front of the upstream, on *core* and *ports* where they are given, for as long as the block runs.

    Raises:
        Failed: it does not get ready.
    """
    with tempfile.TemporaryDirectory(prefix="sse-proxy-soak-") as scratch, socket.socket() as watching:
        watching.bind(("127.0.0.1", 0))
        port, admin_port = ports or free_ports(2)
        log = Path(scratch) / "log"
        places = (
            "--port",
            str(port),
            "--admin-port",
            str(admin_port),
            "--upstream",
            f"http://127.0.0.1:{upstream_port}",
        )
        arguments = (sys.executable, "-m", "bench.soak.watched", str(watching.fileno()), "serve", *places, *flags)
        with log.open("wb") as output, on(core) if core is not None else contextlib.nullcontext():
            process = subprocess.Popen(  # noqa: S603  ourselves
                arguments,
                cwd=_PROJECT,
                env={**os.environ, "SSE_PROXY_LOG_FORMAT": "json"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(watching.fileno(),),
            )
        running = Proxy(
            name=name,
            port=port,
            admin_port=admin_port,
            watch_port=watching.getsockname()[1],
            process=process,
            log=log,
        )
        try:
            _wait_until_ready(running)
            yield running
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
            ended_gently(process)


def _wait_until_ready(running: Proxy) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            running.admin("/readyz")
        except OSError:
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{running.name} did not get ready: {running.log.read_text()[-800:]}") from None
            time.sleep(0.02)
        else:
            return


class UpstreamProcess:
    """The upstream, and orders to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._asking = asyncio.Lock()
        self.port: int = told(self._process)["port"]

    @property
    def clocks(self) -> dict[int, float]:
        """CPU time of its threads."""
        return clocks((self._process.pid,))

    async def order(self, **order: object) -> dict[str, int]:
        """What it tells when it has obeyed *order*."""
        async with self._asking:
            return await asyncio.to_thread(ordered, self._process, order)


@contextlib.contextmanager
def upstream(mix: str, seed: int, *, core: int | None = None) -> Generator[UpstreamProcess]:
    """The upstream of a *mix* of `errands.MIXES`, for as long as the block runs."""
    with on(core) if core is not None else contextlib.nullcontext():
        process = subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable, "-m", "bench.soak.upstream", mix, str(seed)],
            cwd=_PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    with process:
        try:
            yield UpstreamProcess(process)
        finally:
            process.kill()
