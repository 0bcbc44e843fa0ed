"""`sse-proxy tail` as a process: on a terminal, ended by a signal, and with a reader that goes away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from .conftest import LIMIT_SECONDS
from .tailing import EVENT_STREAM, tail
from .terminal import Terminal
from .upstream_peers import Talk, peer

#: Of an endless stream, to be ended from outside.
ENDLESS = EVENT_STREAM + b"\r\ndata: 1\n\n"


async def _endless(talk: Talk) -> None:
    await talk.answer(ENDLESS)
    await talk.gone()


async def _started(url: str, *flags: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sse_proxy", "tail", url, *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_ctrl_c_ends_with_the_summary() -> None:
    """What came so far, exit code 130, no traceback; the server sees the connection closed."""
    async with peer(_endless) as server, asyncio.timeout(LIMIT_SECONDS * 2):
        process = await _started(server.url, "--json")
        assert process.stdout is not None
        lines = [json.loads(await process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        rest, errors = await process.communicate()
    assert [line["kind"] for line in lines] == ["head", "event"]
    assert (json.loads(rest)["outcome"], errors, process.returncode) == ("stopped", b"", 130)


async def test_a_reader_that_has_had_enough_ends_it_in_silence() -> None:
    """As ``| head`` does: no traceback, and the exit code of other programs."""

    async def flood(talk: Talk) -> None:
        await talk.answer(EVENT_STREAM + b"\r\n")
        while not talk.writer.transport.is_closing():
            await talk.say(b"data: 1\n\n")
            await asyncio.sleep(0.01)

    async with peer(flood) as server, asyncio.timeout(LIMIT_SECONDS * 2):
        process = subprocess.Popen(
            [sys.executable, "-m", "sse_proxy", "tail", server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        await asyncio.to_thread(process.stdout.readline)
        process.stdout.close()
        code = await asyncio.to_thread(process.wait, LIMIT_SECONDS)
        errors = process.stderr.read()
        process.stderr.close()
    assert (code, errors) == (128 + signal.SIGPIPE, b"")


async def test_on_a_terminal_there_are_colours_and_no_line_is_too_long() -> None:
    """Unless NO_COLOR says otherwise; elsewhere FORCE_COLOR does."""
    long = b"data: " + b"x" * 500 + b"\n\n"

    async def once(talk: Talk) -> None:
        await talk.answer(EVENT_STREAM + b"Content-Length: %d\r\n\r\n" % len(long) + long)

    async with peer(once) as server:
        seen = await asyncio.to_thread(_on_a_terminal, server.url)
        plain = await asyncio.to_thread(_on_a_terminal, server.url, NO_COLOR="1")
        forced = await tail(server.url, FORCE_COLOR="1")
        piped = await tail(server.url)
    assert "\x1b[32m" in seen
    assert "\x1b" not in plain
    assert all(len(line) < 100 for line in plain.splitlines() if "xxx" in line)
    assert "\x1b[32m" in forced.stdout
    assert "\x1b" not in piped.stdout
    assert "x" * 500 in piped.stdout


def _on_a_terminal(url: str, **environ: str) -> str:
    with closing(Terminal(url, command=["tail"], environ=environ)) as terminal:
        assert terminal.end() == 0
        return terminal.written


def test_tail_and_top_do_without_rich(tmp_path: Path) -> None:
    """It is an extra: the base install has the same output, but for the table that is drawn in place."""
    hidden = tmp_path / "rich.py"
    hidden.write_text("raise ImportError('not installed')\n")
    code = "import sys; from sse_proxy.cli.top import _console; sys.exit(0 if _console() is None else 1)"
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", code], env=environ, check=False, timeout=LIMIT_SECONDS)
    assert run.returncode == 0
    tail = [sys.executable, "-m", "sse_proxy", "tail", "http://127.0.0.1:1"]
    told = subprocess.run(tail, env=environ, check=False, timeout=LIMIT_SECONDS, capture_output=True, text=True)
    assert (told.returncode, told.stderr) == (1, "sse-proxy: http://127.0.0.1:1: connection refused\n")
