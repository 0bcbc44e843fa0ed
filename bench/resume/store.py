"""A real redis-server in a process of its own, what can be done to it, and what it tells of itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import redis

from ..cores import on
from ..load import Failed
from ..processes import clocks
from ..servers import free_ports

__all__ = ["Store", "store"]

_READY_SECONDS = 20.0
#: A cluster bus needs a port 10,000 above, so Redis takes none above this.
_MAX_PORT = 55_535


class Store:
    """A server on *core* that keeps its files in *directory*; *flags* are added to each start."""

    def __init__(self, directory: Path, core: int, *flags: str) -> None:
        self._directory = directory
        self._core = core
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        self.port = next(port for port in iter(lambda: free_ports(1)[0], None) if port <= _MAX_PORT)
        self.client = redis.Redis("127.0.0.1", self.port, decode_responses=True)
        self.start()

    @property
    def url(self) -> str:
        """Where replicas find it."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def clocks(self) -> dict[int, float]:
        """CPU time of its threads."""
        return clocks((self._running.pid,))

    @property
    def used_bytes(self) -> int:
        """Memory that its data takes, by its own account."""
        return int(self._told("memory")["used_memory"])

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            Failed: it does not.
        """
        log = self._directory / "redis.log"
        with log.open("ab") as output, on(self._core):
            self._process = subprocess.Popen(  # noqa: S603  the program that was looked for
                [
                    *(_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
                    *("--dir", str(self._directory), *self._flags),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                self.client.ping()
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise Failed(f"redis-server does not answer: {log.read_text()[-600:]}") from None
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """End it as an operator does; what its flags make it write down is there at the next start."""
        self._running.send_signal(signal.SIGTERM)
        self._running.wait(_READY_SECONDS)

    def pause(self) -> None:
        """Let it do nothing, with all its connections open."""
        self._running.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        self._running.send_signal(signal.SIGCONT)

    def fill(self, *, is_full: bool) -> None:
        """Refuse all that takes memory, or take it again."""
        self.client.config_set("maxmemory-policy", "noeviction")
        self.client.config_set("maxmemory", "1mb" if is_full else "0")

    def count_from_here(self) -> None:
        """Begin to count commands."""
        self.client.config_resetstat()

    def commands(self) -> dict[str, int]:
        """Command → how often it was called, from clients and within scripts."""
        return {name.removeprefix("cmdstat_"): int(told["calls"]) for name, told in self._told("commandstats").items()}

    def lifetimes(self) -> dict[str, int]:
        """Every key with its time to live in milliseconds; -1: for ever."""
        keys = list(self.client.scan_iter(count=1000))
        with self.client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.pttl(key)
            # -2: gone since
            return {key: left for key, left in zip(keys, pipeline.execute(), strict=True) if left != -2}

    def close(self) -> None:
        """End it, whatever was done to it."""
        self.client.close()
        self._running.kill()
        self._running.wait()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("it was not started")
        return self._process

    def _told(self, section: str) -> dict[str, Any]:
        told: dict[str, Any] = self.client.info(section)
        return told


@contextlib.contextmanager
def store(core: int, *flags: str) -> Generator[Store]:
    """A server on *core*, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="sse-proxy-redis-") as directory:
        running = Store(Path(directory), core, *flags)
        try:
            yield running
        finally:
            running.close()


def _program() -> str:
    # Beside this Python is where `scripts/setup-system redis` puts it; Debian keeps servers in sbin.
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin"))
    found = shutil.which("redis-server", path=places)
    if found is None:
        raise Failed("no redis-server: run scripts/setup-system redis")
    return found
