"""A thousand streams that are kept, left, stopped, joined and read again: after their time nothing is left of them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
import uvloop

from .streaming import DONE, Proxy, chunk, proxying, until
from .upstream_peers import Talk, open_sockets, peer
from .wire import Call, ask, calling, chat

_log = logging.getLogger(__name__)

_STREAMS = 1000
_CONCURRENCY = 50

# The connection is not used again: what closes without this word meets the next request now and then.
_HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_EVENT = chunk("x")
_REST = chunk("", finish="stop") + DONE


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _kept(proxy: Proxy, kind: str, number: int, **headers: str) -> AbstractAsyncContextManager[Call]:
    told = {"X-SSE-Resume": f"on; key=chat-{number}", "Idempotency-Key": f"once-{number}", **headers}
    return chat(proxy.port, f"/{kind}/{number}/chat/completions", headers=told)


async def _stays(proxy: Proxy, number: int) -> None:
    async with _kept(proxy, "whole", number) as call:
        assert (await call.rest()).endswith(DONE)


async def _comes_back(proxy: Proxy, number: int) -> None:
    async with _kept(proxy, "slow", number) as call:
        await call.until(_EVENT)
        call.leave()
    async with calling(proxy.port, "GET", call.headers["location"]) as again:
        assert (await again.rest()).endswith(DONE)


async def _never_comes_back(proxy: Proxy, number: int) -> None:
    async with _kept(proxy, "silent", number) as call:
        await call.until(_EVENT)
        call.leave()


async def _leaves_as_reader(proxy: Proxy, number: int) -> None:
    async with _kept(proxy, "slow", number) as call:
        await call.until(_EVENT)
        async with calling(proxy.port, "GET", f"/-/sse-proxy/streams?key=chat-{number}") as reader:
            await reader.until(_EVENT)
            reader.leave()
        await call.rest()


async def _stops(proxy: Proxy, number: int) -> None:
    async with _kept(proxy, "silent", number) as call:
        await call.until(_EVENT)
        await ask(proxy.port, "DELETE", call.headers["location"])
        await call.rest()


async def _joins(proxy: Proxy, number: int) -> None:
    async with _kept(proxy, "slow", number) as call:
        await call.until(_EVENT)
        async with _kept(proxy, "slow", number) as second:
            assert (await second.rest()).endswith(await call.rest())


async def _is_refused(proxy: Proxy, number: int) -> None:
    async with _kept(proxy, "refused", number) as call:
        assert await call.head() == 400


_Client = Callable[[Proxy, int], Awaitable[None]]

_CLIENTS: dict[_Client, str] = {
    _stays: "completed",
    _comes_back: "completed",
    _never_comes_back: "client_disconnected",
    _leaves_as_reader: "completed",
    _stops: "stopped",
    _joins: "completed",
    _is_refused: "upstream_error",
}


async def _talk(client: Talk) -> None:
    """The upstream: it does what the path of the request says."""
    head = await client.head()
    await client.reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
    kind = head.split(b"/", 3)[1]
    if kind == b"refused":
        await client.say(_HEAD + _chunk(b'data: {"error":{"code":400}}\n\n') + b"0\r\n\r\n")
        return
    await client.say(_HEAD + _chunk(_EVENT))
    if kind == b"silent":
        await client.reader.read()
        return
    if kind == b"slow":
        await asyncio.sleep(0.05)
    await client.say(_chunk(_REST) + b"0\r\n\r\n")


class _World:
    """The clients."""

    def __init__(self, proxy: Proxy) -> None:
        self.expected: Counter[str] = Counter()
        self._proxy = proxy
        self._numbers = itertools.count()

    async def streams(self, count: int) -> None:
        """*count* streams of all kinds in turn, some at a time, and then none that is kept."""
        clients = itertools.islice(itertools.cycle(_CLIENTS), count)
        async with asyncio.TaskGroup() as workers:
            for _ in range(_CONCURRENCY):
                workers.create_task(self._work(clients))
        await self._proxy.idle()
        await until(lambda: not self._proxy.value("replay_streams"))

    async def _work(self, clients: Iterator[_Client]) -> None:
        for client in clients:
            self.expected[_CLIENTS[client]] += 1
            await client(self._proxy, next(self._numbers))


def _memory_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_a_thousand_kept_streams_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    """No socket, no task, no timer's stream, no key, no memory that would grow with their number."""
    caplog.set_level(logging.CRITICAL, logger="sse_proxy.streams")  # pytest keeps every record
    uvloop.run(_leaves_nothing())


async def _leaves_nothing() -> None:
    settings = {"resume": "memory", "resume_ttl_seconds": 8.0, "detach_seconds": 0.3}
    async with peer(_talk) as upstream, proxying(upstream.url, **settings) as proxy:
        world = _World(proxy)
        sockets = open_sockets()
        await world.streams(10 * len(_CLIENTS))  # what is made once, and caches
        tasks = len(asyncio.all_tasks())
        tracemalloc.start()
        try:
            await world.streams(10 * len(_CLIENTS))
            await until(lambda: open_sockets() == sockets)
            before = _memory_bytes()
            await world.streams(_STREAMS)
            await until(lambda: open_sockets() == sockets and len(asyncio.all_tasks()) <= tasks)
            grown = _memory_bytes() - before
        finally:
            tracemalloc.stop()
        assert proxy.outcomes() == world.expected
        assert proxy.value("replay_bytes") == 0
        _log.info("%d streams left %d bytes", _STREAMS, grown)
        assert grown < 250 * _STREAMS
