"""Streams through whole proxies, whose clients come and go by every way back, and whose replicas are drained."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.types import Receive, Scope, Send

from sse_proxy.resume.attaching import Attaching

from .redis_server import RedisServer, redis_server
from .streaming import DONE, Proxy, Upstream, body, chunk, proxied, proxying, served, start, until
from .wire import Call, calling, chat

WISH = {"X-SSE-Resume": "on"}
TOKENS = [chunk(str(n)) for n in range(60)]
ALL = [*TOKENS, chunk("", finish="stop"), DONE]


async def trickles(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """The tokens, in pieces that end where it happens."""
    data = b"".join(ALL)
    await start(send)
    for begin in range(0, len(data), 333):
        await body(send, data[begin : begin + 333])
        await asyncio.sleep(0.001)
    await body(send, b"", more=False)


async def holds(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """The first token at once, the others when the test lets it."""
    await start(send)
    await body(send, ALL[0])
    await upstream.go.wait()
    await body(send, b"".join(ALL[1:]), more=False)


@dataclass
class Roamer:
    """A client of the proxy at *port* that leaves in the middle and comes back, until it has all."""

    port: int
    chance: random.Random
    stream: str = ""
    events: list[bytes] = field(default_factory=list)

    async def run(self) -> None:
        """Begin, and come back."""
        async with chat(self.port, headers=WISH) as call:
            assert await call.head() == 200
            self.stream = call.headers["x-stream-id"]
            over = await self._read(call)
        while not over:
            over = await self._come_back()

    async def _come_back(self) -> bool:
        told = {"Last-Event-ID": f"{self.stream}.{len(self.events)}"}
        again = self.chance.random() < 0.5
        path = f"/-/sse-proxy/streams/{self.stream}"
        asked = chat(self.port, headers=told) if again else calling(self.port, "GET", path, headers=told)
        async with asked as call:
            if await call.head() == 204:
                return True
            assert call.status == 200
            assert call.headers["x-replayed-from"] == str(len(self.events))
            return await self._read(call)

    async def _read(self, call: Call) -> bool:
        """Take some events, or all; whether the stream is over."""
        for _ in range(self.chance.randint(0, 25)):
            one = await call.until(b"\n\n")
            self.events.append(one.partition(b"\n")[2])
            assert one == b"id: %b.%d\n%b" % (self.stream.encode(), len(self.events), self.events[-1])
            if self.events[-1] == DONE:
                return True
        call.leave()
        return False


@pytest.mark.parametrize("seed", range(3))
async def test_a_client_that_comes_and_goes_gets_every_event_once(seed: int) -> None:
    """At whatever moments, by whichever way back; and the upstream is asked once for each."""
    async with proxied(trickles, resume="memory") as proxy:
        roamers = [Roamer(proxy.port, random.Random(seed * 1000 + number)) for number in range(10)]
        async with asyncio.TaskGroup() as group:
            for roamer in roamers:
                group.create_task(roamer.run())
        assert [roamer.events for roamer in roamers] == [ALL] * 10
        assert len(proxy.upstream.requests) == 10
        assert proxy.outcomes() == {"completed": 10}


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for this module."""
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@asynccontextmanager
async def replicas(redis: RedisServer) -> AsyncIterator[tuple[Upstream, Proxy, Proxy]]:
    """Two proxies that keep their streams in *redis*, in front of one upstream."""
    upstream = Upstream(holds)
    async with served(upstream) as port:
        url = f"http://127.0.0.1:{port}"
        async with proxying(url, resume=redis.url()) as here, proxying(url, resume=redis.url()) as there:
            yield upstream, here, there


async def test_readers_of_a_drained_replica_go_on_at_another(redis: RedisServer) -> None:
    """Their stream is generated elsewhere, so they miss nothing."""
    async with replicas(redis) as (upstream, here, there), chat(here.port, headers=WISH) as call:
        await call.until(ALL[0])
        stream, path = call.headers["x-stream-id"], call.headers["location"]
        async with calling(there.port, "GET", path) as reader:
            await reader.until(ALL[0])
            there.lifecycle.refuse()
            there.lifecycle.cut_all()
            assert (await reader.rest(), reader.complete) == (b"", False)
        async with calling(here.port, "GET", path, headers={"Last-Event-ID": f"{stream}.1"}) as reader:
            await reader.head()
            upstream.go.set()
            told = await reader.rest()
        assert told.count(b"\n\n") == len(ALL) - 1
        assert await call.rest() == told


async def test_a_stream_that_is_drained_ends_with_an_error_for_its_readers_elsewhere(redis: RedisServer) -> None:
    """Not in silence."""
    async with replicas(redis) as (_upstream, here, there), chat(here.port, headers=WISH) as call:
        await call.until(ALL[0])
        async with calling(there.port, "GET", call.headers["location"]) as reader:
            await reader.until(ALL[0])
            here.lifecycle.cut_all()
            assert b"the proxy is shutting down" in await reader.rest()


async def test_who_comes_back_while_redis_is_silent_is_served_when_it_is_there_again(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An EventSource would not come a third time."""
    monkeypatch.setitem(vars(Attaching)["__init__"].__kwdefaults__, "patience_seconds", 60.0)
    async with replicas(redis) as (upstream, here, there), chat(here.port, headers=WISH) as call:
        await call.until(ALL[0])
        redis.signal(signal.SIGSTOP)
        try:
            async with calling(there.port, "GET", call.headers["location"]) as reader:
                await until(lambda: there.value("store_errors_total") >= 1)
                redis.signal(signal.SIGCONT)
                await reader.until(ALL[0])
                upstream.go.set()
                assert await reader.rest() == await call.rest()
        finally:
            redis.signal(signal.SIGCONT)


async def waits(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """Nothing until the test lets it, then all."""
    await upstream.go.wait()
    await start(send)
    await body(send, b"".join(ALL), more=False)


EVENT_SOURCE = {"Accept": "text/event-stream", "Cache-Control": "no-cache", "User-Agent": "Mozilla/5.0"}
BRIDGE = {"bridge": "/chat/stream=/v1/chat/completions", "bridge_model": "m"}


async def test_an_eventsource_that_loses_its_line_before_the_first_event_comes_back_to_its_stream() -> None:
    """It has an id from the moment on at which it has a response, so that nothing is generated twice."""
    async with proxied(waits, resume="memory", commit_after_seconds=0.05, **BRIDGE) as proxy:
        target = "/chat/stream?prompt=Hi"
        async with calling(proxy.port, "GET", target, headers=EVENT_SOURCE) as call:
            told = await call.until(b": ping\n")
            assert told == b"id: %b.0\n\n: ping\n" % call.headers["x-stream-id"].encode()
            call.leave()
        again = {**EVENT_SOURCE, "Last-Event-ID": f"{call.headers['x-stream-id']}.0"}
        async with calling(proxy.port, "GET", target, headers=again) as call:
            assert await call.head() == 200
            proxy.upstream.go.set()
            assert (await call.rest()).endswith(b'event: done\ndata: {"done":true}\n\n')
        assert len(proxy.upstream.requests) == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"Accept": "text/event-stream"}, {**EVENT_SOURCE, "Accept": "*/*"}, {**EVENT_SOURCE, "User-Agent": "x"}],
)
async def test_nobody_else_gets_a_block_without_data(headers: dict[str, str]) -> None:
    """Their parsers may take it for an event."""
    async with proxied(waits, resume="memory", commit_after_seconds=0.05, **BRIDGE) as proxy:
        async with calling(proxy.port, "GET", "/chat/stream?prompt=Hi", headers=headers) as call:
            told = await call.until(b": ping\n")
            proxy.upstream.go.set()
            told += await call.rest()
        assert f"{call.headers['x-stream-id']}.0".encode() not in told


async def test_an_eventsource_whose_stream_begins_with_an_event_gets_no_other_block() -> None:
    """That event has an id."""
    async with (
        proxied(trickles, resume="memory", **BRIDGE) as proxy,
        calling(proxy.port, "GET", "/chat/stream?prompt=Hi", headers=EVENT_SOURCE) as call,
    ):
        assert (await call.rest()).startswith(f"id: {call.headers['x-stream-id']}.1\ndata".encode())
