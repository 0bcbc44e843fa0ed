"""llama-server and `sse-proxy serve` as child processes, started once a run and stopped by their ids.

Without the proxy (``E2E_DIRECT=1``) the SDKs talk to llama-server itself: the control for every test here.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from ..conftest import free_port

__all__ = ["CONTEXT_TOKENS", "DIRECT", "Llama", "Target", "llama_server", "proxy_server", "wait_until_ok"]

#: Small, so that a prompt that is too long is still a small request.
CONTEXT_TOKENS = 1024
DIRECT = bool(os.environ.get("E2E_DIRECT"))
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


def wait_until_ok(url: str, process: subprocess.Popen[bytes] | None = None) -> None:
    """Return as soon as *url* answers 200. Raises RuntimeError when *process* ended, TimeoutError after a minute."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            message = f"{process.args!r} ended with {process.returncode}"
            raise RuntimeError(message)
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        time.sleep(0.05)
    message = f"{url} was not ready after {_START_SECONDS:.0f} s"
    raise TimeoutError(message)


@contextlib.contextmanager
def _running(command: Sequence[str], ready_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until_ok(ready_url, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Llama:
    """A running llama-server with one slot: one answer at a time, further requests queue without a byte."""

    url: str

    def busy(self) -> bool:
        """Whether the slot works on an answer now."""
        slots = httpx.get(f"{self.url}/slots", trust_env=False).json()
        return any(slot["is_processing"] for slot in slots)

    def seconds_until(self, *, busy: bool, limit_seconds: float) -> float:
        """Return how long it took until the slot was *busy* (or idle). Raises TimeoutError after *limit_seconds*."""
        start = time.monotonic()
        while self.busy() is not busy:
            if time.monotonic() - start > limit_seconds:
                message = f"the slot is still {'idle' if busy else 'busy'} after {limit_seconds} s"
                raise TimeoutError(message)
            time.sleep(0.02)
        return time.monotonic() - start


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the SDKs talk to; *admin_url* is None where that is llama-server itself."""

    url: str
    admin_url: str | None

    def streams_total(self, outcome: str) -> float:
        """Return how many streams the proxy counted under *outcome* so far, over all dialects; 0 without a proxy."""
        if self.admin_url is None:
            return 0
        text = httpx.get(f"{self.admin_url}/metrics", trust_env=False).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "sse_proxy_streams_total" and sample.labels["outcome"] == outcome
        )

    def wait_for_streams(self, outcome: str, count: float) -> None:
        """Return as soon as *count* streams are counted under *outcome*. Raises TimeoutError after 10 s."""
        deadline = time.monotonic() + 10
        while self.admin_url is not None and self.streams_total(outcome) != count:
            if time.monotonic() > deadline:
                message = f"{self.streams_total(outcome)} streams are {outcome}, not {count}"
                raise TimeoutError(message)
            time.sleep(0.02)


@contextlib.contextmanager
def llama_server(directory: Path) -> Iterator[Llama]:
    """Run llama-server with its log in *directory*."""
    port = free_port()
    command = [
        *(os.environ["E2E_LLAMA_SERVER"], "-m", os.environ["E2E_MODEL"], "--host", "127.0.0.1", "--port", str(port)),
        *("-c", str(CONTEXT_TOKENS), "-np", "1", "-t", "2", "--slots", "--no-webui"),
    ]
    url = f"http://127.0.0.1:{port}"
    with _running(command, f"{url}/health", directory / "llama-server.log"):
        yield Llama(url=url)


@contextlib.contextmanager
def proxy_server(upstream: str, directory: Path, *, config: str = "") -> Iterator[Target]:
    """Run ``sse-proxy serve`` in front of *upstream*, with heartbeats every second and from the first second on.

    *config* is TOML for its file.
    """
    file = directory / f"sse-proxy-{len(list(directory.glob('*.toml')))}.toml"
    file.write_text(config)
    port, admin_port = free_port(), free_port()
    command = [
        *(sys.executable, "-m", "sse_proxy", "serve", "--upstream", upstream),
        *("--port", str(port), "--admin-port", str(admin_port)),
        *("--heartbeat-seconds", "1", "--commit-after-seconds", "1", "--config", str(file)),
    ]
    admin_url = f"http://127.0.0.1:{admin_port}"
    with _running(command, f"{admin_url}/readyz", file.with_suffix(".log")):
        yield Target(url=f"http://127.0.0.1:{port}", admin_url=admin_url)
