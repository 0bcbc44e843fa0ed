"""Resume across replicas: two proxies on one real Redis, and clients that come back to either."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from .redis_server import RedisServer, redis_server
from .streaming import DONE, Proxy, Upstream, body, chunk, event, proxying, served, start
from .wire import Call, ask, calling, chat

KEPT = {"X-SSE-Resume": "on"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that is there throughout."""
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@asynccontextmanager
async def replicas(handler: Upstream, server: RedisServer, **settings: object) -> AsyncIterator[tuple[Proxy, Proxy]]:
    """Two proxies on *server*, in front of one upstream."""
    async with (
        served(handler) as port,
        proxying(f"http://127.0.0.1:{port}", resume=server.url(), **settings) as one,
        proxying(f"http://127.0.0.1:{port}", resume=server.url(), **settings) as other,
    ):
        yield one, other


def tokens(count: int) -> list[bytes]:
    """A whole answer of *count* tokens."""
    return [*(chunk(f"{n} ") for n in range(count)), chunk("", finish="stop"), DONE]


def numbered(stream: str, events: list[bytes], after: int = 0) -> bytes:
    """*events* as a client gets them."""
    return b"".join(b"id: %b.%d\n%b" % (stream.encode(), n, one) for n, one in enumerate(events, after + 1))


async def _slowly(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    *first, last = tokens(30)
    for token in first:
        await body(send, token)
        await asyncio.sleep(0.005)
    await body(send, last, more=False)


async def _holds(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, chunk("a"))
    await upstream.go.wait()
    await body(send, chunk("", finish="stop") + DONE, more=False)


async def _whole(call: Call, replicas: tuple[Proxy, Proxy], dice: random.Random) -> bytes:
    """The events of the stream that *call* has begun, by a client that loses its line again and again."""
    got = await call.until(b"\n\n")
    stream, path = call.headers["x-stream-id"], call.headers["location"]
    call.leave()
    while DONE not in got:
        replica = dice.choice(replicas)
        cursor = {"Last-Event-ID": f"{stream}.{got.count(b'id: ')}"}
        async with calling(replica.port, "GET", path, headers=cursor) as again:
            assert await again.head() == 200
            for _ in range(dice.randrange(1, 12)):
                if DONE in got:
                    break
                got += await again.until(b"\n\n")
            again.leave()
    return got


async def test_clients_that_lose_their_line_lose_no_event(server: RedisServer) -> None:
    """Nor get one twice, whichever replica they come back to; the upstream is asked once a client."""
    upstream, dice = Upstream(_slowly), random.Random(1)
    async with replicas(upstream, server) as both:

        async def client(_number: int) -> None:
            async with chat(dice.choice(both).port, headers=KEPT) as call:
                got = await _whole(call, both, dice)
                assert got == numbered(call.headers["x-stream-id"], tokens(30))

        await asyncio.gather(*map(client, range(20)))
        assert len(upstream.requests) == 20
        assert set(server.lifetimes().values()) & {-1} == set()


async def test_a_stream_is_stopped_from_another_replica(server: RedisServer) -> None:
    """Where its upstream's connection is not; whoever listens is told, and then all ends cleanly."""
    upstream = Upstream(_holds)
    async with replicas(upstream, server) as (one, other), chat(one.port, headers=KEPT) as call:
        await call.until(chunk("a"))
        async with chat(other.port, headers={**KEPT, "Last-Event-ID": f"{call.headers['x-stream-id']}.0"}) as reader:
            await reader.until(chunk("a"))
            assert (await ask(other.port, "DELETE", call.headers["location"])).status == 204
            told = await call.rest()
            assert (b'"code":"stopped"' in told, told.endswith(b"data: [DONE]\n\n"), call.complete) == (
                True,
                True,
                True,
            )
            assert (await reader.rest(), reader.complete) == (told, True)
        await event(upstream.left)
        assert await one.outcome() == "stopped"


async def test_a_key_joins_on_another_replica(server: RedisServer) -> None:
    """The second POST reaches no upstream, wherever it comes in."""
    upstream, key = Upstream(_holds), {**KEPT, "Idempotency-Key": "k"}
    async with replicas(upstream, server) as (one, other), chat(one.port, headers=key) as call:
        await call.until(chunk("a"))
        async with chat(other.port, headers=key) as again:
            await again.until(chunk("a"))
            upstream.go.set()
            assert await again.rest() == await call.rest()
        assert call.headers["x-stream-id"] == again.headers["x-stream-id"]
        assert len(upstream.requests) == 1


async def test_a_reader_elsewhere_keeps_a_generation_alive(server: RedisServer) -> None:
    """The replica that generates knows of it; without one it ends after ``detach_seconds``."""
    upstream = Upstream(_holds)
    async with replicas(upstream, server, detach_seconds=3.0) as (one, other):
        async with chat(one.port, headers=KEPT) as call:
            await call.until(chunk("a"))
            call.leave()
        async with calling(other.port, "GET", call.headers["location"]) as reader:
            await reader.until(chunk("a"))
            await asyncio.sleep(4.0)
            assert not upstream.left.is_set()
        await event(upstream.left)
        assert await one.outcome() == "client_disconnected"


async def test_a_store_that_pauses_holds_back_no_token(tmp_path: Path) -> None:
    """The first client gets its answer all the same; who comes meanwhile is told to come again."""
    upstream = Upstream(_holds)
    with redis_server(tmp_path) as paused:
        async with replicas(upstream, paused) as (one, other), chat(one.port, headers=KEPT) as call:
            await call.until(chunk("a"))
            paused.signal(signal.SIGSTOP)
            upstream.go.set()
            assert (await call.rest()).endswith(DONE)
            answer = await ask(other.port, "GET", call.headers["location"])
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            paused.signal(signal.SIGCONT)

            async def replayed() -> bool:
                answer = await ask(other.port, "GET", call.headers["location"])
                return answer.status == 200 and answer.body.endswith(DONE)

            async with asyncio.timeout(20):
                while not await replayed():
                    await asyncio.sleep(0.1)
            assert other.value("store_errors_total") >= 1
