"""Proves that requests cancelled at random leave nothing behind: no connection, no descriptor, no task."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import trustme

from sse_proxy.upstream import HTTPTransport

from .upstream_calls import Wait, all_of_it, other_tasks, request
from .upstream_peers import Talk, both_loops, open_sockets, peer, until

REQUESTS = 300


@both_loops
async def test_many_requests_cancelled_at_random_leave_nothing() -> None:
    """300 requests over plain sockets, streaming and uploading, each cancelled in some phase or done before."""
    dice = random.Random(2)

    async def handler(talk: Talk) -> None:
        await talk.head()
        await asyncio.sleep(dice.random() * 0.01)
        await talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(dice.randrange(10)):
            await talk.say(b"1\r\nx\r\n")
            await asyncio.sleep(dice.random() * 0.005)
        await talk.say(b"0\r\n\r\n")
        await talk.gone()

    async with peer(handler) as upstream:
        await _cancel_at_random(dice, upstream.url, HTTPTransport())
        await until(lambda: upstream.open == 0)
        assert upstream.connections > REQUESTS / 4


@both_loops
async def test_many_tls_requests_cancelled_at_random_leave_nothing() -> None:
    """As above; the handshake is the longest phase of these."""
    dice = random.Random(3)
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)

    async def handler(talk: Talk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")
        await talk.gone()

    async with peer(handler, context=server) as upstream:
        await _cancel_at_random(dice, upstream.url, HTTPTransport(ssl_context=client), count=REQUESTS // 6)
        await until(lambda: upstream.open == 0)


async def _cancel_at_random(dice: random.Random, url: str, transport: HTTPTransport, count: int = REQUESTS) -> None:
    descriptors, tasks = open_sockets(), other_tasks()

    async def one() -> None:
        bodies: list[bytes | httpx.AsyncByteStream] = [b"", b"x" * 100, Wait(b"x"), Wait(b"x" * 500_000)]
        body = dice.choice(bodies)
        running = asyncio.ensure_future(all_of_it(transport, request("POST", url, body=body)))
        await asyncio.wait({running}, timeout=dice.random() * 0.03)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    for _ in range(count // 10):
        await asyncio.gather(*_coroutines(one, 10))
    await transport.aclose()
    await until(lambda: open_sockets() <= descriptors and other_tasks() <= tasks)


def _coroutines(one: Callable[[], Coroutine[Any, Any, None]], count: int) -> list[Coroutine[Any, Any, None]]:
    return [one() for _ in range(count)]
