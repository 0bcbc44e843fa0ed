"""`sse-proxy top` on a real admin port: what it shows, where it looks, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sse_proxy import Settings
from sse_proxy.admin import create_admin
from sse_proxy.cli import main
from sse_proxy.demo import create_mock

from .conftest import LIMIT_SECONDS
from .streaming import proxying, served
from .terminal import HIDE, SHOW, Terminal
from .upstream_peers import Talk, peer


async def top(*arguments: str, **environ: str) -> Result:
    """Run the command in a thread, so that servers in the test's own loop can answer."""
    run = CliRunner(env=environ).invoke
    return await asyncio.to_thread(run, main, ["top", *arguments], prog_name="sse-proxy")


@dataclass
class Shown:
    """A proxy in front of a mock, with one stream open that is silent after three events."""

    admin: str
    #: Ends the admin port.
    stop: Callable[[], Awaitable[None]]


@asynccontextmanager
async def streaming(**settings: Any) -> AsyncIterator[Shown]:
    """The admin port asks for what *settings* say."""
    async with served(create_mock()) as mock, proxying(f"http://127.0.0.1:{mock}") as proxy:
        admin = create_admin(
            Settings(**settings), metrics=proxy.metrics, lifecycle=proxy.lifecycle, upstream_ready=lambda: True
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        body = b'{"model":"m","stream":true}'
        writer.write(
            b"POST /v1/chat/completions?stall_after=3&rate=0 HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        async with asyncio.timeout(LIMIT_SECONDS):
            while b"chat.completion.chunk" not in await reader.readline():
                pass
        async with AsyncExitStack() as serving:
            port = await serving.enter_async_context(served(admin))
            yield Shown(f"http://127.0.0.1:{port}", serving.aclose)
        writer.close()


async def test_once_shows_the_open_streams_and_the_totals() -> None:
    """As lines where there is no terminal."""
    async with streaming() as proxy:
        result = await top("--admin", proxy.admin, "--once")
    lines = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines[0].startswith("sse-proxy ")
    assert lines[0].endswith("serving")
    assert lines[1].startswith("1 stream open, 0 ended")
    assert lines[2].startswith("3 events, 0 heartbeats")
    assert "openai_chat" in lines[-1]
    assert lines[-1].endswith("streaming")


async def test_json_is_one_object_a_look() -> None:
    """With all that the admin port tells of a stream, its rate, and the totals."""
    async with streaming() as proxy:
        result = await top("--admin", proxy.admin.removeprefix("http://"), "--once", "--json", "--sort", "events")
    [line] = result.stdout.splitlines()
    told = json.loads(line)
    [stream] = told["streams"]
    assert (stream["dialect"], stream["stream"], stream["events"]) == ("openai_chat", True, 3)
    assert stream["rate"] >= 0
    assert (told["totals"]["active"], told["totals"]["events"]) == (1, 3)
    assert told["t"] > 0


async def test_it_looks_again_until_it_is_ended() -> None:
    """At each interval; Ctrl-C is how it ends, with exit code 0."""
    async with streaming() as proxy, asyncio.timeout(LIMIT_SECONDS * 2):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sse_proxy", "top", "--admin", proxy.admin, "--json", "--interval", "0.1"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        looks = [json.loads(await process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _rest, errors = await process.communicate()
    assert [len(look["streams"]) for look in looks] == [1, 1, 1]
    assert looks[0]["t"] < looks[1]["t"] < looks[2]["t"]
    assert (process.returncode, errors) == (0, b"")


async def test_lines_are_written_until_nobody_reads_them() -> None:
    """A table at each look, a blank line between two; a closed pipe ends it in silence."""
    async with streaming() as proxy, asyncio.timeout(LIMIT_SECONDS * 2):
        process = subprocess.Popen(
            [sys.executable, "-m", "sse_proxy", "top", "--admin", proxy.admin, "--interval", "0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [await asyncio.to_thread(process.stdout.readline) for _ in range(12)]
        process.stdout.close()
        code = await asyncio.to_thread(process.wait, LIMIT_SECONDS)
        errors = process.stderr.read()
        process.stderr.close()
    assert [number for number, line in enumerate(lines) if line.startswith("sse-proxy ")] == [0, 7]
    assert (lines[6], code, errors) == ("\n", 128 + signal.SIGPIPE, "")


async def test_on_a_terminal_the_table_is_drawn_in_place() -> None:
    """In its own screen, which is left as it was, and to its size; the proxy may be away for a while."""
    async with streaming() as proxy:
        terminal = Terminal("--admin", proxy.admin, "--interval", "0.1", command=["top"])
        with closing(terminal):
            await asyncio.to_thread(terminal.until, r"ID +ROUTE +DIALECT ")
            terminal.resize(24, 72)
            await asyncio.to_thread(terminal.until, r"ID +ROUTE +AGE .* STATE")
            await proxy.stop()
            await asyncio.to_thread(terminal.until, "connection refused")
            terminal.interrupt()
            assert await asyncio.to_thread(terminal.end) == 0
    seen = terminal.written
    assert seen.count(HIDE) == seen.count(SHOW) == 1
    assert seen.index("\x1b[?1049h") < seen.index("openai_chat") < seen.index("\x1b[?1049l")


async def test_a_guarded_port_is_asked_with_the_token(tmp_path: Path) -> None:
    """From its file, named by a flag or by the setting; without it, one line says what is missing."""
    token = tmp_path / "token"
    token.write_text("secret\n")
    async with streaming(admin_token_file=token) as proxy:
        refused = await top("--admin", proxy.admin, "--once")
        given = await top("--admin", proxy.admin, "--once", "--token-file", str(token))
        port = proxy.admin.rpartition(":")[2]
        by_settings = await top("--once", SSE_PROXY_ADMIN_PORT=port, SSE_PROXY_ADMIN_TOKEN_FILE=str(token))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"sse-proxy: {proxy.admin}: asks for a token, expected --token-file FILE with one that it knows\n"
    )
    assert (given.exit_code, by_settings.exit_code) == (0, 0)
    assert by_settings.stdout.startswith("sse-proxy ")


@pytest.mark.parametrize(
    "metrics, streams",
    [("", "[]"), ("<p>{", "[]"), ('sse_proxy_build_info{version="1"} 1\n', "3"), ("", "<p>")],
)
async def test_what_answers_something_else_is_no_admin_port(metrics: str, streams: str) -> None:
    """Though it has the paths."""

    async def page(talk: Talk) -> None:
        while True:
            head = await talk.head()
            body = (metrics if b" /metrics " in head else streams).encode()
            await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with peer(page) as server:
        result = await top("--admin", server.url, "--once")
    assert result.exit_code == 1
    assert "what answers there is not the admin port of an sse-proxy" in result.stderr


async def test_what_is_no_admin_port_is_one_line() -> None:
    """Nobody, the traffic port, or some other server; exit code 1."""
    nobody = await top("--admin", "http://127.0.0.1:1", "--once")
    assert (nobody.exit_code, nobody.stderr) == (1, "sse-proxy: http://127.0.0.1:1: connection refused\n")
    nameless = await top("--admin", "http://a..b", "--once")
    assert (nameless.exit_code, nameless.stderr) == (1, "sse-proxy: http://a..b: the name cannot be resolved\n")
    async with served(create_mock()) as port:
        other = await top("--admin", f"http://user:secret@127.0.0.1:{port}", "--once")
    assert other.exit_code == 1
    assert other.stderr.startswith(f"sse-proxy: http://***@127.0.0.1:{port}: what answers there is not the admin port")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--admin", "ftp://h"], "--admin: got 'ftp://h', expected http://HOST:PORT"),
        (["--admin", "http://xn--"], "--admin: got 'http://xn--', expected http://HOST:PORT"),
        (["--admin", "http://"], "--admin: got 'http://', expected http://HOST:PORT"),
        (["--interval", "0"], "Invalid value for '--interval': 0.0 is not in the range x>=0.1."),
        (["--sort", "name"], "Invalid value for '--sort': 'name' is not one of "),
    ],
)
async def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    """As for every command."""
    result = await top(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"sse-proxy: {message}")
    assert result.stderr.count("\n") == 1


async def test_a_token_file_has_to_hold_the_token_itself(tmp_path: Path) -> None:
    """A hash is for the one who checks."""
    hashed = tmp_path / "token"
    hashed.write_text("sha256:abc\n")
    result = await top("--token-file", str(hashed), "--once")
    assert result.exit_code == 2
    assert "expected a file that begins with the token itself" in result.stderr
