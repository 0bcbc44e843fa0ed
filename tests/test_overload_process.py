"""A process under a flood of connections or requests: who is in stays in, and the log does not grow with it."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from typing import Any

from starlette.types import Receive, Scope, Send

from sse_proxy.core.flood import BURST

from .process import Process, serving
from .streaming import DONE, Upstream, body, chunk, served, start, until
from .wire import chat

#: Few, so that a flood is soon one: 66 connections of clients.
DESCRIPTORS = 200
FLOOD = 300
FIRST = chunk("a")


async def tells(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """A token at once, the rest when the test lets it."""
    await start(send)
    await body(send, FIRST)
    await upstream.go.wait()
    await body(send, chunk("", finish="stop") + DONE, more=False)


def lines(process: Process) -> list[dict[str, Any]]:
    """The log."""
    return [json.loads(line) for line in bytes(process.log).splitlines() if line.startswith(b"{")]


def _finished(process: Process) -> int:
    return sum(line["event"] == "stream finished" for line in lines(process))


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def _knock(port: int, stack: AsyncExitStack) -> bytes:
    """What a new connection is told before it has asked for anything; nothing where it was let in."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.push_async_callback(_close, writer)
    try:
        async with asyncio.timeout(1.0):
            return await reader.read(4096)
    except (TimeoutError, ConnectionError):
        return b""


async def test_a_flood_of_connections_is_survived() -> None:
    """Its surplus is told 503 and closed, the admin port answers, streams go on; and afterwards all is as before."""
    upstream = Upstream(tells)
    async with (
        served(upstream) as port,
        serving(port, descriptors=DESCRIPTORS) as process,
        AsyncExitStack() as streams,
    ):
        running = [await streams.enter_async_context(chat(process.port)) for _ in range(10)]
        for call in running:
            await call.until(FIRST)
        async with AsyncExitStack() as flood:
            told = await asyncio.gather(*(_knock(process.port, flood) for _ in range(FLOOD)))
            refused = [answer for answer in told if answer]
            assert len(refused) > FLOOD // 2
            assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in refused)
            assert all(b"\r\nretry-after: 1\r\n" in answer for answer in refused)
            assert [(await process.admin(path))[0] for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
        upstream.go.set()
        for call in running:
            assert (await call.rest()).endswith(DONE)
        await until(lambda: process.descriptors() < DESCRIPTORS // 2)
        async with chat(process.port) as call:
            assert (await call.rest()).endswith(DONE)
        await until(lambda: _finished(process) == len(running) + 1)
        assert len(lines(process)) < FLOOD // 5


async def test_a_flood_of_refusals_and_garbage_is_no_flood_of_lines() -> None:
    """The first are told as they are, then how many more there were; streams that ran have their line."""
    upstream = Upstream(tells)
    flags = ("--max-streams", "1", "--drain-delay-seconds", "0", "--drain-seconds", "0")
    async with served(upstream) as port, serving(port, *flags) as process:
        async with chat(process.port) as first:
            await first.until(FIRST)
            async with asyncio.TaskGroup() as group:
                for _ in range(200):
                    group.create_task(_refused(process.port))
                for _ in range(200):
                    group.create_task(_garbage(process.port))
            upstream.go.set()
            await first.rest()
        process.process.terminate()
        assert await process.exit_code() == 0
        await until(lambda: any("withheld" in line for line in lines(process)))
        refused = [line for line in lines(process) if line["event"].startswith("refused")]
        assert 0 < len(refused) <= 2 * BURST
        assert sum(line.get("withheld", 0) for line in lines(process)) + len(refused) >= 200
        assert sum(line["event"] == "stream finished" for line in lines(process)) >= 1
        assert len(lines(process)) < 100


async def _refused(port: int) -> None:
    async with chat(port) as call:
        await call.head()


async def _garbage(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03\x01 not HTTP\r\n\r\n")
    assert (await reader.read(12)) == b"HTTP/1.1 400"
    await _close(writer)
