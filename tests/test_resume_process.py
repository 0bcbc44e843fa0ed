"""Resume across processes that end, each in its way: what the readers of their streams see elsewhere."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send

from .process import Process, serving
from .redis_server import RedisServer, redis_server
from .streaming import Upstream, body, chunk, served, start
from .wire import calling, chat

WISH = {"X-SSE-Resume": "on"}
FIRST = chunk("a")


async def holds(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """One token, and then nothing."""
    await start(send)
    await body(send, FIRST)
    await upstream.go.wait()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for this module."""
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@asynccontextmanager
async def replicas(redis: RedisServer) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes on *redis*."""
    flags = ("--resume", redis.url(), "--drain-delay-seconds", "0", "--drain-seconds", "0")
    async with served(Upstream(holds)) as port, serving(port, *flags) as here, serving(port, *flags) as there:
        yield here, there


async def test_readers_of_a_killed_process_are_told_within_seconds(redis: RedisServer) -> None:
    """The rest will never come: an error in the stream, which has an id, and then 204 for who comes back after it."""
    async with replicas(redis) as (here, there), chat(here.port, headers=WISH) as call:
        await call.until(FIRST)
        path = call.headers["location"]
        async with calling(there.port, "GET", path) as reader:
            await reader.until(FIRST)
            here.process.kill()
            async with asyncio.timeout(15):
                told = await reader.rest()
            assert b"the process that produced this stream is gone" in told
            assert reader.complete
        last = told.rpartition(b"id: ")[2].partition(b"\n")[0].decode()
        async with calling(there.port, "GET", path, headers={"Last-Event-ID": last}) as reader:
            assert await reader.head() == 204


async def test_readers_of_a_process_that_is_ended_gently_go_on_elsewhere(redis: RedisServer) -> None:
    """Their connection breaks between two events, and the process ends in peace."""
    async with replicas(redis) as (here, there), chat(here.port, headers=WISH) as call:
        await call.until(FIRST)
        path = call.headers["location"]
        async with calling(there.port, "GET", path) as reader:
            await reader.until(FIRST)
            there.process.send_signal(signal.SIGTERM)
            assert (await reader.rest(), reader.complete) == (b"", False)
        assert await there.exit_code() == 0
        async with calling(here.port, "GET", path) as reader:
            await reader.until(FIRST)


async def test_the_streams_of_a_process_that_is_ended_gently_end_with_an_error(redis: RedisServer) -> None:
    """Which is part of them, and reaches their readers elsewhere."""
    async with replicas(redis) as (here, there), chat(here.port, headers=WISH) as call:
        await call.until(FIRST)
        path = call.headers["location"]
        async with calling(there.port, "GET", path) as reader:
            await reader.until(FIRST)
            here.process.send_signal(signal.SIGTERM)
            assert await reader.rest() == await call.rest()
        assert await here.exit_code() == 0
        async with calling(there.port, "GET", path) as reader:
            assert b'"code":"drained"' in await reader.rest()
