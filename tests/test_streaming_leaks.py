"""A thousand streams that go wrong in every way there is: connections, tasks and memory return to their start."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import resource
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import pytest
import uvloop

from .streaming import DONE, Proxy, chunk, event, proxying, until
from .upstream_peers import Talk, open_sockets, peer
from .wire import Call, chat

_log = logging.getLogger(__name__)

_STREAMS = 1000
_CONCURRENCY = 50

# The connection is not used again: what closes without this word meets the next request now and then.
_OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
_HEAD = _OK + b"Content-Type: text/event-stream\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_HALF = chunk("x") + chunk("y")[:-20]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _to_the_end(call: Call, _arrived: asyncio.Event) -> None:
    await call.rest()


async def _leave_at_once(call: Call, arrived: asyncio.Event) -> None:
    await event(arrived)
    call.leave()


async def _leave_in_the_middle(call: Call, _arrived: asyncio.Event) -> None:
    await call.until(chunk("x"))
    call.leave()


_Client = Callable[[Call, asyncio.Event], Awaitable[None]]

# What the upstream says, whether it then goes on holding the connection, what the client does, and the outcome.
_KINDS: dict[str, tuple[bytes, bool, _Client, str]] = {
    "cut": (_CHUNKED + _chunk(chunk("x")) + b"0\r\n\r\n", False, _to_the_end, "upstream_truncated"),
    "in-an-event": (_CHUNKED + _chunk(_HALF), False, _to_the_end, "upstream_error"),
    "in-a-chunk": (_CHUNKED + b"64\r\nda", False, _to_the_end, "upstream_error"),
    "short": (_HEAD + b"Content-Length: 9999\r\n\r\n" + _HALF, False, _to_the_end, "upstream_error"),
    "no-head": (b"HTTP/1.1 20", False, _to_the_end, "upstream_error"),
    "no-http": (b"\x00\x01\x02", True, _to_the_end, "upstream_error"),
    "bad-chunk": (_CHUNKED + _chunk(chunk("x")) + b"zz\r\n", True, _to_the_end, "upstream_error"),
    "html": (_OK + b"Content-Length: 6\r\n\r\n<html>", False, _to_the_end, "upstream_error"),
    "json": (_OK + b"Content-Length: 2\r\n\r\n{}", False, _to_the_end, "upstream_error"),
    "empty": (_HEAD + b"Content-Length: 0\r\n\r\n", False, _to_the_end, "upstream_truncated"),
    "large": (_CHUNKED + _chunk(b"data: " + b"x" * 100_000), True, _to_the_end, "too_large"),
    "error-first": (_CHUNKED + _chunk(b'data: {"error":{"code":400}}\n\n'), True, _to_the_end, "upstream_error"),
    "no-gzip": (_HEAD + b"Content-Encoding: gzip\r\n\r\n" + b"x" * 100, True, _to_the_end, "upstream_error"),
    "silent": (b"", True, _to_the_end, "first_event_timeout"),
    "idle": (_CHUNKED + _chunk(chunk("x")), True, _to_the_end, "idle_timeout"),
    "left-early": (b"", True, _leave_at_once, "client_disconnected"),
    "left": (_CHUNKED + _chunk(chunk("x")), True, _leave_in_the_middle, "client_disconnected"),
    "whole": (_CHUNKED + _chunk(chunk("", finish="stop") + DONE) + b"0\r\n\r\n", False, _to_the_end, "completed"),
}


class _World:
    """The upstream that does what the path of a request says, and the clients that send it."""

    def __init__(self) -> None:
        self.expected: Counter[str] = Counter()
        self._arrived: dict[str, asyncio.Event] = {}

    async def talk(self, client: Talk) -> None:
        while True:
            head = await client.head()
            await client.reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
            _, kind, name, _ = head.decode().split("/", 3)
            self._arrived[name].set()
            said, holds, _, _ = _KINDS[kind]
            await client.say(said)
            if not holds:
                return

    async def streams(self, proxy: Proxy, count: int) -> None:
        """*count* streams of all kinds in turn, some at a time."""
        kinds = itertools.islice(itertools.cycle(_KINDS), count)
        numbered = iter(enumerate(kinds))
        async with asyncio.TaskGroup() as workers:
            for _ in range(_CONCURRENCY):
                workers.create_task(self._work(proxy, numbered))
        await proxy.idle()

    async def _work(self, proxy: Proxy, numbered: Iterator[tuple[int, str]]) -> None:
        for number, kind in numbered:
            arrived = self._arrived[str(number)] = asyncio.Event()
            async with chat(proxy.port, f"/{kind}/{number}/chat/completions") as call:
                await _KINDS[kind][2](call, arrived)
            del self._arrived[str(number)]
            self.expected[_KINDS[kind][3]] += 1


def _memory_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_a_thousand_bad_streams_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    """No socket, no task, no entry in a table, no memory that would grow with their number."""
    caplog.set_level(logging.CRITICAL, logger="sse_proxy.streams")  # pytest keeps every record
    uvloop.run(_leaves_nothing())


async def _leaves_nothing() -> None:
    settings = {
        "first_event_timeout_seconds": 2.0,
        "idle_timeout_seconds": 2.0,
        "max_event_bytes": 65536,
    }
    world = _World()
    async with peer(world.talk) as upstream, proxying(upstream.url, **settings) as proxy:
        sockets = open_sockets()
        await world.streams(proxy, 5 * len(_KINDS))  # what is made once, and caches
        tasks = len(asyncio.all_tasks())
        tracemalloc.start()
        try:
            await world.streams(proxy, 5 * len(_KINDS))
            await until(lambda: open_sockets() == sockets)
            before = _memory_bytes()
            await world.streams(proxy, _STREAMS)
            await until(lambda: open_sockets() == sockets and len(asyncio.all_tasks()) <= tasks)
            grown = _memory_bytes() - before
        finally:
            tracemalloc.stop()
        assert proxy.outcomes() == world.expected
        _log.info("%d streams left %d bytes; %d KiB at the most", _STREAMS, grown, _peak_kib())
        assert grown < 250 * _STREAMS


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
