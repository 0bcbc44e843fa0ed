"""Starts a server under test on its core, waits until it answers, and ends it with all its children."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .cores import on
from .load import Failed
from .peers import Ground, Launch, Peer
from .processes import clocks, resident_bytes, tree

__all__ = ["Running", "ended_gently", "free_ports", "running"]

_READY_SECONDS = 90.0
_POLL_SECONDS = 0.002
#: The signals that end a server, each with the patience after it: the second one ends a drain.
_SIGNALS = ((signal.SIGTERM, 0.5), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that answers."""

    port: int
    admin_port: int
    pid: int
    #: From its start until it answered.
    ready_seconds: float
    #: What it has written so far.
    log: Path

    @property
    def clocks(self) -> dict[int, float]:
        """CPU time of its threads."""
        return clocks(tree(self.pid))

    @property
    def resident_bytes(self) -> int:
        """Memory of its processes."""
        return resident_bytes(tree(self.pid))


@contextlib.contextmanager
def running(
    peer: Peer, upstream_port: int, core: int, *, environment: dict[str, str] | None = None
) -> Generator[Running]:
    """*peer* in front of the upstream, pinned to *core* with all its threads, for as long as the block runs.

    Call it from the main thread: Envoy ends when the thread that started it does.

    Raises:
        Failed: it ends or does not answer in time; with the end of what it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="sse-proxy-bench-") as scratch:
        port, admin_port = free_ports(2)
        directory = Path(scratch)
        ground = Ground(directory=directory, port=port, admin_port=admin_port, upstream_port=upstream_port)
        launch = peer.launch(ground)
        log = directory / "output.log"
        started = time.monotonic()
        with log.open("wb") as output, on(core):
            process = _start(launch, directory, output.fileno(), environment or {})
        try:
            ready_seconds = _wait_until_ready(process, port, peer.ready_path, started, log)
            yield Running(port=port, admin_port=admin_port, pid=process.pid, ready_seconds=ready_seconds, log=log)
        finally:
            ended_gently(process)


def _start(launch: Launch, directory: Path, output: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  what the table of peers says
        launch.arguments,
        cwd=directory,
        env={**os.environ, **launch.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def ended_gently(process: subprocess.Popen[bytes]) -> None:
    """End *process* and its children: asked once, asked again, then without asking."""
    below = tree(process.pid)[1:]
    for number, patience_seconds in _SIGNALS:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_seconds)
            break
    for pid in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, path: str, started: float, log: Path) -> float:
    while (waited := time.monotonic() - started) < _READY_SECONDS:
        if process.poll() is not None:
            raise Failed(f"it ended with code {process.returncode}: {_end_of(log)}")
        if _answers(port, path):
            return time.monotonic() - started
        time.sleep(_POLL_SECONDS if waited < 2 else 0.05)
    raise Failed(f"it did not answer within {_READY_SECONDS:g} s: {_end_of(log)}")


def _answers(port: int, path: str) -> bool:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request.encode())
            status = connection.recv(12)
    except OSError:
        return False
    return status == b"HTTP/1.1 200"


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-600:].strip()
