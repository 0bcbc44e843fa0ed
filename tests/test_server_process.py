"""The server as a process: real signals, exit codes, and what becomes of open streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import LIMIT_SECONDS
from .server_app import Client

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Process:
    """A running `tests.server_app`."""

    popen: subprocess.Popen[bytes]
    traffic: tuple[str, int]
    admin: tuple[str, int]

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    async def code(self) -> int:
        """Wait for the end and return the exit code."""
        return await asyncio.to_thread(self.popen.wait, LIMIT_SECONDS)


@contextlib.contextmanager
def process(
    tmp_path: Path, *, stdin: int = subprocess.DEVNULL, open_files: int = 0, **settings: Any
) -> Iterator[Process]:
    """Start the app as a process, and see to it that it ends; with so many *open_files*, 0: what the shell has."""
    ports = tmp_path / "ports.json"
    arguments = [f"{name}={value}" for name, value in settings.items()]
    limited = ["sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh"] if open_files else []
    popen = subprocess.Popen(
        [*limited, sys.executable, "-m", "tests.server_app", str(ports), *arguments],
        cwd=ROOT,
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not ports.exists():
            assert popen.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        traffic, admin = json.loads(ports.read_text())
        yield Process(popen, tuple(traffic), tuple(admin))
    finally:
        popen.kill()
        popen.wait()


async def until_draining(running: Process, *, path: str = "/readyz") -> None:
    """Wait until the admin listener answers *path* with 503."""
    async with asyncio.timeout(LIMIT_SECONDS), Client.to(running.admin) as admin:
        while (await admin.answer(path))[0] != 503:
            await asyncio.sleep(0.01)


async def test_sigterm_lets_a_stream_end_by_itself(tmp_path: Path) -> None:
    """Both listeners answer meanwhile, new requests are refused, and the exit code is 0."""
    with process(tmp_path, drain_delay_seconds=0, drain_seconds=600) as running:
        async with Client.to(running.traffic) as client, Client.to(running.admin) as admin:
            client.ask("/stream")
            await client.until(b"one")
            running.send(signal.SIGTERM)
            await until_draining(running, path="/hello")
            async with Client.to(running.traffic) as late:
                assert await late.answer("/hello") == (503, b"draining")
            assert running.popen.poll() is None
            assert (await admin.answer("/release"))[0] == 200
            assert (await client.rest()).endswith(b"two\r\n0\r\n\r\n")
            assert await running.code() == 0


async def test_a_stream_that_does_not_end_is_cut_and_the_exit_code_is_0(tmp_path: Path) -> None:
    """It is no failure of the process."""
    with process(tmp_path, drain_delay_seconds=0, drain_seconds=0.1) as running:
        async with Client.to(running.traffic) as client:
            client.ask("/stream")
            await client.until(b"one")
            running.send(signal.SIGTERM)
            assert (await client.rest()).endswith(b"cut\r\n0\r\n\r\n")
            assert await running.code() == 0


@pytest.mark.parametrize(
    "first, second, code",
    [(signal.SIGTERM, signal.SIGTERM, 143), (signal.SIGTERM, signal.SIGINT, 130), (signal.SIGINT, signal.SIGTERM, 143)],
)
async def test_a_second_signal_ends_at_once(tmp_path: Path, first: int, second: int, code: int) -> None:
    """Even with a stream open, and a client that does not read; what was sent is all that the clients get."""
    with process(tmp_path, drain_delay_seconds=600, drain_seconds=600) as running:
        async with Client.to(running.traffic) as client, Client.to(running.traffic, limit=1) as stalled:
            client.ask("/stubborn")
            await client.until(b"one")
            stalled.ask("/flood")
            running.send(first)
            await until_draining(running)
            running.send(second)
            assert await running.code() == code
            with contextlib.suppress(ConnectionResetError):
                assert not (await client.rest()).endswith(b"0\r\n\r\n")


async def test_two_signals_in_one_breath_end_at_once(tmp_path: Path) -> None:
    """The second counts although nobody had time for the first."""
    with process(tmp_path, drain_delay_seconds=600) as running:
        os.kill(running.popen.pid, signal.SIGSTOP)
        running.send(signal.SIGTERM)
        running.send(signal.SIGINT)
        os.kill(running.popen.pid, signal.SIGCONT)
        assert await running.code() in {130, 143}


async def test_ctrl_c_on_a_terminal_does_not_wait_for_the_delay(tmp_path: Path) -> None:
    """A developer is not a load balancer."""
    leader, follower = pty.openpty()
    try:
        with process(tmp_path, stdin=follower, drain_delay_seconds=600) as running:
            running.send(signal.SIGINT)
            assert await running.code() == 0
    finally:
        os.close(leader)
        os.close(follower)


async def test_without_streams_the_delay_applies_all_the_same(tmp_path: Path) -> None:
    """Endpoints have to propagate."""
    with process(tmp_path, drain_delay_seconds=0.5) as running:
        before = time.monotonic()
        running.send(signal.SIGTERM)
        assert await running.code() == 0
        assert time.monotonic() - before >= 0.5
