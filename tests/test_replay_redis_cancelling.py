"""`cancelling`: what redis-py and uvloop do to those who wait, undone."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from sse_proxy.replay.redis.cancelling import not_swallowing
from sse_proxy.replay.redis.link import FAILURES


def test_a_connection_that_is_lost_while_it_is_written_to_is_a_failure_of_the_store() -> None:
    """A real connection in uvloop, closed in the moment of a write: nobody is told of a broken program."""

    async def test() -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.transport.abort()
            await writer.wait_closed()

            async def write() -> None:
                writer.writelines([b"PING"])

            with pytest.raises(FAILURES, match="lost"):
                await not_swallowing(write())

    uvloop.run(test())


async def test_other_mistakes_stay_what_they_are() -> None:
    """A `RuntimeError` of any other kind goes on as it is."""

    async def fail() -> None:
        raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError, match="a mistake"):
        await not_swallowing(fail())
