"""`serve` and `demo` as users start them: what they print, what flows, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import queue
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread
from urllib.parse import urlsplit

import pytest

from sse_proxy.cli import garbage, loop
from sse_proxy.sockets import address_of, listen

from .conftest import LIMIT_SECONDS

ANY_PORTS = ("--port", "0", "--admin-port", "0", "--drain-delay-seconds", "0")


class Command:
    """A running command, its output line by line."""

    def __init__(self, *arguments: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "sse_proxy", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.reader = Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with self.popen.stdout as output:
            for line in output:
                self.lines.put(line)

    def until(self, pattern: str) -> re.Match[str]:
        """Return the match of *pattern* in the first line that has one."""
        while not (found := re.search(pattern, line := self.lines.get(timeout=LIMIT_SECONDS))):
            assert "Traceback" not in line
        return found

    def end(self) -> int:
        """End it gently and return the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(LIMIT_SECONDS)


@contextlib.contextmanager
def command(*arguments: str) -> Iterator[Command]:
    """Start a command, and see to it that it ends."""
    started = Command(*arguments)
    try:
        yield started
    finally:
        started.popen.kill()
        started.popen.wait()
        started.reader.join()


def chat(url: str, query: str = "") -> tuple[int, list[str]]:
    """Return the status and the lines of a streamed chat completion."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=LIMIT_SECONDS)
    with contextlib.closing(connection):
        body = {"model": "mock", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"content-type": "application/json"}
        connection.request("POST", f"/v1/chat/completions{query}", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read().decode().splitlines()


def test_the_demo_shows_what_to_paste_and_streams() -> None:
    """Nothing else to install; the proxy, the mock and the metrics are where it says."""
    with command("demo", *ANY_PORTS) as demo:
        proxy = demo.until(r"proxy +(http://\S+)")[1]
        mock = demo.until(r"mock +(http://\S+)")[1]
        metrics = demo.until(r"metrics +(http://\S+)")[1]
        assert demo.until(r"curl -N (\S+)/v1/chat/completions ")[1] == proxy
        for url in (proxy, mock):
            status, lines = chat(url, "?rate=0")
            assert status == 200
            assert lines[-2:] == ["data: [DONE]", ""]
        assert "data: [DONE]" in chat(proxy, "?rate=0&defect=single_newline")[1]
        check = subprocess.run(
            [sys.executable, "-m", "sse_proxy", "healthcheck", "--admin-port", str(urlsplit(metrics).port)],
            timeout=LIMIT_SECONDS,
            check=False,
            capture_output=True,
        )
        assert check.returncode == 0
        assert demo.end() == 0


def test_serve_tells_where_it_is_and_drains() -> None:
    """One line with both addresses; warnings are log lines."""
    with (
        command("demo", *ANY_PORTS) as demo,
        command(
            "serve", *ANY_PORTS, "--upstream", demo.until(r"mock +(http://\S+)")[1], "--heartbeat-seconds", "2"
        ) as serve,
    ):
        serve.until("heartbeat_seconds: 2 is low")
        url = serve.until(r"ready: (http://127.0.0.1:\d+) for http://\S+, admin on http://127.0.0.1:\d+")[1]
        status, lines = chat(url, "?rate=0")
        assert (status, lines[-2]) == (200, "data: [DONE]")
        assert serve.end() == 0


def test_a_second_signal_ends_serve_at_once() -> None:
    """Whatever the delay is; the upstream need not be there for that."""
    with command("serve", "--port", "0", "--admin-port", "0", "--upstream", "https://127.0.0.1:1") as serve:
        serve.until("ready: ")
        serve.popen.send_signal(signal.SIGTERM)
        serve.until("draining: ")
        assert serve.end() == 128 + signal.SIGTERM


@pytest.mark.parametrize("arguments", [("demo",), ("serve", "--upstream", "http://127.0.0.1:1")])
def test_a_taken_port_is_one_line_and_exit_code_2(arguments: tuple[str, ...]) -> None:
    """With the address."""
    with listen("127.0.0.1", 0) as taken:
        port = address_of(taken)[1]
        with command(*arguments, "--port", str(port), "--admin-port", "0") as refused:
            assert refused.popen.wait(LIMIT_SECONDS) == 2
            refused.reader.join()
            [line] = list(refused.lines.queue)
            assert line == f"sse-proxy: port: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_a_file_that_the_proxy_cannot_use_is_one_line(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also when only its reader finds out."""
    path = tmp_path_factory.mktemp("headers") / "headers"
    path.write_text("no header")
    with command("serve", *ANY_PORTS, "--upstream", "http://a", "--upstream-headers-file", str(path)) as refused:
        assert refused.popen.wait(LIMIT_SECONDS) == 2
        refused.reader.join()
        [line] = list(refused.lines.queue)
        assert line.startswith("sse-proxy: upstream_headers_file: ")


def test_the_event_loop_is_the_fast_one_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And asyncio's elsewhere."""

    async def which() -> int:
        return 1 if "uvloop" in type(asyncio.get_running_loop()).__module__ else 3

    assert loop.run_loop(which()) == 1
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop.run_loop(which()) == 3


def test_the_garbage_collector_is_set_up_when_all_is_there() -> None:
    """What the process is made of is not looked at again; opens are looked through seldom."""
    script = """
import gc, os, signal
from sse_proxy.cli import process
from sse_proxy.settings import Settings

def ready(bound):
    print(*gc.get_threshold()[:2], gc.get_freeze_count() > 10_000)
    os.kill(os.getpid(), signal.SIGTERM)

settings = Settings(upstream="http://127.0.0.1:9", port=0, admin_port=0, drain_delay_seconds=0)
raise SystemExit(process.run(settings, on_ready=ready))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=True
    )
    assert done.stdout == f"{garbage.THRESHOLDS[0]} {garbage.THRESHOLDS[1]} True\n"
