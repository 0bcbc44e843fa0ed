"""`max_buffer_bytes` and a late event loop, on real sockets: who is refused, who goes on, and what is given back."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import pytest
from starlette.types import Receive, Scope, Send

from sse_proxy.core.dialects import DIALECTS, Dialect
from sse_proxy.core.ledger import SMALL_BYTES

from .streaming import DONE, Proxy, RawClient, Running, Upstream, body, chunk, proxied, start, until
from .wire import Answer, ask, chat

LIMIT = 1_000_000
FIRST, LAST = chunk("a"), chunk("", finish="stop") + DONE
#: Larger than what sockets hold, and with room in `LIMIT`.
LARGE = chunk("x" * 700_000)


async def tells(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """A token at once, the rest when the test lets it."""
    await start(send)
    await body(send, FIRST)
    await upstream.go.wait()
    await body(send, LAST, more=False)


async def grows(upstream: Upstream, scope: Scope, _receive: Receive, send: Send) -> None:
    """One event without end; for ``/v1/messages``, behind another one."""
    await start(send)
    if scope["path"] == "/v1/messages":
        await body(send, b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n')
    await body(send, b'data: {"type":"content_block_delta","x":"')
    while True:
        await body(send, b"x" * 16_384)
        await asyncio.sleep(0)  # to a client that has left, nothing waits


@asynccontextmanager
async def held(proxy: Proxy, size: int = LIMIT) -> AsyncIterator[None]:
    """As if other buffers held so much."""
    ledger = proxy.lifecycle.ledger
    ledger.bytes += size
    try:
        yield
    finally:
        ledger.bytes -= size


def refusal(answer: Answer, reason: str, proxy: Proxy) -> None:
    """It is a refusal of ours, counted for *reason*, after which the request may be sent again."""
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["x-should-retry"] == "true"
    assert proxy.value(f'refusals_total{{reason="{reason}"}}') >= 1


async def test_one_event_that_grows_in_a_full_process_is_given_up() -> None:
    """Nothing else frees its memory: before the start a status, after it the API's own error in the stream."""
    async with proxied(grows, max_buffer_bytes=LIMIT) as proxy:
        async with chat(proxy.port) as call:
            answer = await call.answer()
        assert (answer.status, answer.error["code"]) == (503, "too_large")
        assert answer.headers["x-should-retry"] == "false"
        async with chat(proxy.port, target="/v1/messages") as call:
            told = await call.rest()
        assert b"event: error" in told
        assert b"no room" in told
        await proxy.idle()
        assert proxy.outcomes() == {"too_large": 2}


async def test_a_small_event_in_pieces_is_let_through_in_a_full_process() -> None:
    """Any token may be cut in two by the network: its stream is no reason for an overload."""

    async def cut(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        whole = chunk("x" * (SMALL_BYTES - 1000))
        await start(send)
        await body(send, FIRST + whole[:-3])
        await upstream.go.wait()
        await body(send, whole[-3:] + LAST, more=False)

    async with proxied(cut, max_buffer_bytes=LIMIT) as proxy, chat(proxy.port) as call:
        await call.until(FIRST)
        async with held(proxy):
            await until(lambda: proxy.lifecycle.ledger.bytes > LIMIT + SMALL_BYTES - 2000)
            proxy.upstream.go.set()
            assert (await call.rest()).endswith(DONE)
        await proxy.idle()
        assert proxy.outcomes() == {"completed": 1}


async def test_a_slow_clients_event_counts_until_it_is_taken() -> None:
    """Meanwhile a request that has to be looked into is refused, and the upstream never sees it."""

    async def large(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, FIRST)
        await body(send, LARGE)
        await body(send, LAST, more=False)

    settings = {"max_buffer_bytes": LIMIT, "client_send_buffer_bytes": 8192}
    async with proxied(large, **settings) as proxy, chat(proxy.port, receive_buffer_bytes=8192) as client:
        await client.until(FIRST)
        await until(lambda: len(proxy.lifecycle.ledger.measured) == 1)
        assert proxy.lifecycle.ledger.bytes > 400_000
        document = json.dumps({"stream": True, "prompt": "x" * 800_000}).encode()
        asking = ask(proxy.port, "POST", "/v1/completions", headers={"Content-Type": "application/json"}, body=document)
        refusal(await asking, "max_buffer_bytes", proxy)
        assert len(proxy.upstream.requests) == 1
        await client.until(DONE)
        await until(lambda: not proxy.lifecycle.ledger.bytes)
        await proxy.idle()
        assert proxy.value("buffer_bytes") == 0
        assert proxy.outcomes() == {"completed": 1, "rejected": 1}


ROWS = [row for row in DIALECTS if row.paths and row.paths[0].startswith("/") and "{" not in row.paths[0]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.name))
async def test_every_api_is_refused_in_its_own_words(row: Dialect) -> None:
    """503, when to come again, and a document that its clients understand."""
    async with proxied(tells, max_buffer_bytes=LIMIT) as proxy, held(proxy, LIMIT + 1):
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        path = row.paths[0].replace("*", "x")
        answer = await ask(proxy.port, "POST", path, headers=headers, body=b'{"stream": true}')
        refusal(answer, "max_buffer_bytes", proxy)
        assert isinstance(answer.json, dict)
        assert b"no memory left" in answer.body
        assert proxy.upstream.requests == []


async def test_the_words_of_the_great_apis() -> None:
    """What their SDKs take for a reason to come again; and a route that names an API is refused in that one's."""
    routes = [{"path": "/mine", "dialect": "anthropic"}]
    async with proxied(tells, max_buffer_bytes=LIMIT, routes=routes) as proxy:
        proxy.lifecycle.lag.refuses = True

        async def said(path: str) -> Answer:
            headers = {"Content-Type": "application/json"}
            return await ask(proxy.port, "POST", path, headers=headers, body=b'{"stream": true}')

        for path in ("/v1/messages", "/mine"):
            answer = await said(path)
            refusal(answer, "event_loop_lag", proxy)
            assert answer.json["type"] == "error"
            assert answer.error["type"] == "overloaded_error"
        gemini = (await said("/v1beta/models/m:streamGenerateContent?alt=sse")).error
        assert (gemini["code"], gemini["status"]) == (503, "UNAVAILABLE")
        assert "too busy" in (await said("/api/chat")).body.decode()
        assert (await said("/v1/chat/completions")).error["code"] == "rejected"


async def test_a_late_loop_refuses_new_streams_and_nobody_else() -> None:
    """Streams that run go on, models can be listed, and the probes of both kinds say that this replica is there."""

    async def handler(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await tells(upstream, scope, receive, send)
        else:
            await start(send, "application/json")
            await body(send, b"[]", more=False)

    async with proxied(handler, max_buffer_bytes=LIMIT) as proxy, chat(proxy.port) as running:
        await running.until(FIRST)
        proxy.lifecycle.lag.refuses = True
        async with held(proxy, LIMIT + 1):
            async with chat(proxy.port) as call:
                assert await call.head() == 503
            assert (await ask(proxy.port, target="/v1/models")).body == b"[]"
            for probe in ("healthz", "readyz"):
                assert (await ask(proxy.port, target=f"/-/sse-proxy/{probe}")).status == 200
            proxy.upstream.go.set()
            assert (await running.rest()).endswith(DONE)
        proxy.lifecycle.lag.refuses = False
        async with chat(proxy.port) as call:
            assert await call.head() == 200
            await call.rest()


async def _random_life(rng: random.Random, proxy: Running) -> None:
    """A client that asks for something, reads as it likes, and leaves when it likes."""
    path = rng.choice(["/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/models"])
    client = await RawClient.post(
        proxy.port, path, stream=rng.random() < 0.8, prompt="x" * rng.choice([1, 1, 1, 300_000])
    )
    others = held(proxy) if rng.random() < 0.1 else nullcontext()
    try:
        async with others, asyncio.timeout(rng.random() / 2):
            for _ in range(1 + rng.randrange(5)):
                await client.reader.read(rng.choice([10, 100_000]))
            if rng.random() < 0.5:
                await client.reader.read()
    except (TimeoutError, ConnectionError):
        pass
    finally:
        client.close()


@pytest.mark.parametrize("seed", range(2))
async def test_no_life_leaves_anything_held(seed: int) -> None:
    """However streams end, in a process that is full now and then: at the end nothing is on the books."""
    rng = random.Random(seed)

    async def whatever(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        kind = rng.choice(["text/event-stream", "application/x-ndjson", "application/json"])
        coding = {"content_encoding": "gzip"} if rng.random() < 0.1 else {}
        await start(send, kind, rng.choice([200, 200, 200, 429, 500]), **coding)
        for _ in range(rng.randrange(8)):
            data = rng.choice([FIRST, LARGE, LARGE[:200_000], b'{"a":1}\n', DONE, b": x\n", b"\xff" * 1000])
            await body(send, data)
        if rng.random() < 0.2:
            raise ConnectionAbortedError
        await body(send, b"", more=False)

    settings = {"max_buffer_bytes": LIMIT, "client_send_buffer_bytes": 8192, "resume": rng.choice(["off", "memory"])}
    async with proxied(whatever, **settings) as proxy:
        async with asyncio.TaskGroup() as lives:
            for number in range(40):
                life = lives.create_task(_random_life(rng, proxy))
                if number % 8 == 7:
                    await life
        await proxy.idle()
        await until(lambda: not proxy.lifecycle.ledger.bytes)
        assert proxy.upstream.requests
        assert sum(proxy.outcomes().values()) > 10
        assert not proxy.lifecycle.ledger.measured
