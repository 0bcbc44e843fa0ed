"""Proves `sse_proxy.upstream.connection`: exchanges over sockets with a peer that says exactly what a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import weakref
from typing import cast

import httpx
import pytest

from sse_proxy.upstream import HTTPTransport, IncompleteMessage, ResponseBody
from sse_proxy.upstream.body import MAX_BUFFERED_BYTES
from sse_proxy.upstream.connection import Connection

from .conftest import LIMIT_SECONDS
from .upstream_calls import read, request
from .upstream_peers import OK, Talk, both_loops, peer, until

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"
END = b"0\r\n\r\n"

# name, method, what the peer says in its segments, does the peer then close, body, framed, is the connection kept
COMPLETE = [
    ("length", "GET", [OK], False, b"ok", True, True),
    ("length in pieces", "GET", [OK[:20], OK[20:-1], OK[-1:]], False, b"ok", True, True),
    ("length 0", "GET", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], False, b"", True, True),
    ("chunked", "GET", [CHUNKED, b"2\r\nok\r\n", END], False, b"ok", True, True),
    ("chunked at once", "GET", [CHUNKED + b"2\r\nok\r\n" + END], False, b"ok", True, True),
    ("chunked with trailers", "GET", [CHUNKED, b"2\r\nok\r\n0\r\nA: b\r\n\r\n"], False, b"ok", True, False),
    ("until close", "GET", [UNTIL_CLOSE, b"o", b"k"], True, b"ok", False, False),
    ("until close, HTTP/1.0", "GET", [b"HTTP/1.0 200 OK\r\n\r\nok"], True, b"ok", False, False),
    ("until close, empty", "GET", [UNTIL_CLOSE], True, b"", False, False),
    ("HTTP/1.0 with a length", "GET", [OK.replace(b"1.1", b"1.0")], False, b"ok", True, False),
    ("connection: close", "GET", [OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")], False, b"ok", True, False),
    ("HEAD with a length", "HEAD", [OK[:-2]], False, b"", True, True),
    ("HEAD, chunked", "HEAD", [CHUNKED], False, b"", True, True),
    ("HEAD with a body all the same", "HEAD", [OK], False, b"", True, False),
    ("204", "GET", [b"HTTP/1.1 204 No Content\r\n\r\n"], False, b"", True, True),
    ("204 chunked", "GET", [b"HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n"], False, b"", True, False),
    ("304 with a length", "GET", [b"HTTP/1.1 304 N\r\nContent-Length: 7\r\n\r\n"], False, b"", True, True),
    ("100 first", "POST", [b"HTTP/1.1 100 Continue\r\n\r\n", OK], False, b"ok", True, True),
    ("bytes behind a length", "GET", [OK + b"!"], False, b"ok", True, False),
    ("a response behind a length", "GET", [OK + OK], False, b"ok", True, False),
    ("bytes behind chunks", "GET", [CHUNKED + b"2\r\nok\r\n" + END + OK], False, b"ok", True, False),
]  # fmt: skip


@pytest.mark.parametrize("name, method, said, closes, body, framed, kept", COMPLETE, ids=[case[0] for case in COMPLETE])
@both_loops
async def test_a_complete_response_comes_whole(
    *, name: str, method: str, said: list[bytes], closes: bool, body: bytes, framed: bool, kept: bool
) -> None:
    """Its body, whether its end was framed, and whether the connection may serve another."""

    async def handler(talk: Talk) -> None:
        await talk.answer(*said)
        if not closes:
            await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request(method, upstream.url))
        assert body == await read(response)
        assert framed == cast("ResponseBody", response.stream).framed
        assert transport.idle_connections == int(kept)
        await response.aclose()
        if not kept:
            await until(lambda: upstream.open == 0)


# name, what the peer says, the error
CUT = [
    ("nothing", [], IncompleteMessage),
    ("half a head", [b"HTTP/1.1 200 OK\r\nContent-"], IncompleteMessage),
    ("an interim head", [b"HTTP/1.1 100 Continue\r\n\r\n"], IncompleteMessage),
    ("short of its length", [OK[:-1]], IncompleteMessage),
    ("head only", [OK[:-2]], IncompleteMessage),
    ("chunk without its end", [CHUNKED, b"5\r\nhel"], IncompleteMessage),
    ("chunks without the last", [CHUNKED, b"2\r\nok\r\n"], IncompleteMessage),
    ("last chunk without its end", [CHUNKED, b"2\r\nok\r\n0\r\n"], IncompleteMessage),
    ("broken chunk", [CHUNKED, b"2\r\nok\r\nhello"], httpx.RemoteProtocolError),
    ("broken chunk with the head", [CHUNKED + b"zz"], httpx.RemoteProtocolError),
    ("not HTTP", [b"hello"], httpx.RemoteProtocolError),
    ("two lengths", [OK.replace(b"OK\r\n", b"OK\r\nContent-Length: 3\r\n")], httpx.RemoteProtocolError),
    ("101", [b"HTTP/1.1 101 Switching Protocols\r\n\r\n"], httpx.RemoteProtocolError),
]


@pytest.mark.parametrize("name, said, error", CUT, ids=[case[0] for case in CUT])
@both_loops
async def test_an_incomplete_or_broken_response_is_never_taken_for_whole(
    *, name: str, said: list[bytes], error: type[Exception]
) -> None:
    """It raises, in the call or while it is read, behind all that came; and nothing stays open."""

    async def handler(talk: Talk) -> None:
        await talk.answer(*said)

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await read(await transport.handle_async_request(request("GET", upstream.url)))
        assert error is type(caught.value)
        assert (transport.idle_connections, upstream.connections) == (0, 1)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", OK[:-1], CHUNKED + b"2\r\nok\r\n", UNTIL_CLOSE + b"ok"])
@both_loops
async def test_a_reset_is_a_read_error(*, said: bytes) -> None:
    """Also where the end of the connection would have been the end of the body."""
    heard = asyncio.Event()

    async def handler(talk: Talk) -> None:
        await talk.answer(said)
        if b"\r\n\r\n" in said:
            await heard.wait()  # a reset destroys what the other side has not read yet
        talk.reset()

    async def all_of_it(transport: HTTPTransport, url: str) -> None:
        response = await transport.handle_async_request(request("GET", url))
        heard.set()
        await read(response)

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        with pytest.raises(httpx.ReadError):
            await all_of_it(transport, upstream.url)


@both_loops
async def test_what_came_before_a_cut_is_delivered_first() -> None:
    """Events that were whole reach the client before the error does."""

    async def handler(talk: Talk) -> None:
        await talk.answer(CHUNKED + b"5\r\nhello\r\n", b"5\r\nwor")

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request("GET", upstream.url))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        got = b""
        with pytest.raises(IncompleteMessage):  # noqa: PT012 - what it gives until then is the point
            async for data in response.stream:
                got += data
        assert got == b"hellowor"


@both_loops
async def test_each_event_comes_when_it_is_sent() -> None:
    """Nothing is held back for more to come."""
    step = asyncio.Event()

    async def handler(talk: Talk) -> None:
        await talk.answer(CHUNKED)
        for number in range(5):
            await talk.say(b"1\r\n%d\r\n" % number)
            await step.wait()
            step.clear()
        await talk.say(END)
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request("GET", upstream.url))
        got = []
        async for data in cast("ResponseBody", response.stream):
            got.append(data)
            step.set()
        assert got == [b"0", b"1", b"2", b"3", b"4"]


@both_loops
async def test_status_fields_and_extensions_are_the_upstreams() -> None:
    """The raw field list keeps order, case and duplicates."""
    fields = b"x-A: 1\r\nX-a:  2\r\nset-Cookie: a\r\nset-Cookie: b\r\nContent-Length: 0\r\n"
    said = b"HTTP/1.1 418 I am a teapot\r\n" + fields + b"\r\n"

    async def handler(talk: Talk) -> None:
        await talk.answer(said)
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request("GET", upstream.url))
        assert response.status_code == 418
        expected = [
            (b"x-A", b"1"),
            (b"X-a", b"2"),
            (b"set-Cookie", b"a"),
            (b"set-Cookie", b"b"),
            (b"Content-Length", b"0"),
        ]
        assert expected == response.headers.raw
        assert (
            response.extensions["http_version"],
            response.extensions["reason_phrase"],
        ) == (b"HTTP/1.1", b"I am a teapot")


@both_loops
async def test_a_reader_that_does_not_read_stops_the_upstream() -> None:
    """Back-pressure reaches the peer's own writes; nothing is lost when reading goes on."""
    total, blocked = 32 * 1024 * 1024, asyncio.Event()
    sent = 0

    async def handler(talk: Talk) -> None:
        nonlocal sent
        await talk.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            talk.writer.write(b"x" * 65536)
            sent += 65536
            draining = asyncio.ensure_future(talk.writer.drain())
            done, _ = await asyncio.wait({draining}, timeout=0.3)
            if not done:
                blocked.set()
            await draining
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request("GET", upstream.url))
        async with asyncio.timeout(LIMIT_SECONDS):
            await blocked.wait()
        assert sent < total
        stream = cast("ResponseBody", response.stream)
        assert sum(map(len, stream.pieces)) <= 2 * MAX_BUFFERED_BYTES + 65536
        assert total == sum([len(data) async for data in stream])
        assert transport.idle_connections == 1


class Nobody:
    """An `Owner` that keeps nothing."""

    def put(self, connection: Connection) -> None: ...

    def discard(self, connection: Connection) -> None: ...


@both_loops
async def test_a_closed_connection_is_in_no_cycle() -> None:
    """It goes when its last user does, and waits for no garbage collector."""
    ours, theirs = socket.socketpair()
    owner = Nobody()
    connection = Connection(("http", "upstream.test", 80), owner)
    gone = weakref.ref(owner)  # the connection itself cannot be referred to weakly
    connections = [connection]
    gc.disable()
    try:
        with theirs:
            await asyncio.get_running_loop().create_connection(connections.pop, sock=ours)
            connection.abort()
            del connection, owner
            await until(lambda: gone() is None)
    finally:
        gc.enable()
