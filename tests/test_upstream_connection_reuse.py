"""Proves when `sse_proxy.upstream.connection` serves another exchange, and when it is closed instead."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import cast

import httpx
import pytest

from sse_proxy.upstream import HTTPTransport, IncompleteMessage, ResponseBody
from sse_proxy.upstream.body import MAX_BUFFERED_BYTES
from sse_proxy.upstream.connection import Connection
from sse_proxy.upstream.request import prepare

from .conftest import LIMIT_SECONDS
from .upstream_calls import read, request
from .upstream_peers import OK, Talk, both_loops, peer, until

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class FakeTransport(asyncio.Transport):
    """Notes what a connection asks of it."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})
        self.calls: list[str] = []

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        self.calls.append("write")

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")


class FakeOwner:
    """Notes what becomes of a connection."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def put(self, connection: Connection) -> None:
        self.calls.append("put")

    def discard(self, connection: Connection) -> None:
        self.calls.append("discard")


async def test_a_connection_paused_by_the_end_of_a_response_is_read_again_when_idle() -> None:
    """Or it would not see its own end."""
    size = MAX_BUFFERED_BYTES + 1
    with socket.socket() as sock:
        owner, transport = FakeOwner(), FakeTransport(sock)
        connection = Connection(("http", "here", 80), owner)
        connection.connection_made(transport)
        exchange = asyncio.ensure_future(connection.exchange(await prepare(request("GET", "http://here"))))
        await asyncio.sleep(0)
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        _, body = await exchange
    assert (transport.calls, owner.calls) == (["write", "pause", "resume"], ["put"])
    assert len(await anext(body)) == size


@both_loops
async def test_a_dead_peer_is_noticed_and_no_write_waits_for_another() -> None:
    """SO_KEEPALIVE and TCP_NODELAY are set."""
    options: list[int] = []

    class Noting(Connection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            sock = transport.get_extra_info("socket")
            options.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
            options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def handler(talk: Talk) -> None:
        await talk.gone()

    async with peer(handler) as upstream:
        port = httpx.URL(upstream.url).port or 0
        made = Noting(("http", "127.0.0.1", port), FakeOwner())
        await asyncio.get_running_loop().create_connection(lambda: made, "127.0.0.1", port)
        made.abort()
    assert len(options) == 2
    assert all(options)


@both_loops
async def test_an_idle_connection_that_gets_bytes_or_an_end_is_dropped() -> None:
    """Whatever comes unasked answers nothing."""
    for unasked in (b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"\r\n", b""):
        tell = asyncio.Event()

        async def handler(talk: Talk, unasked: bytes = unasked, tell: asyncio.Event = tell) -> None:
            await talk.answer(OK)
            await tell.wait()
            if unasked:
                await talk.say(unasked)
                await talk.gone()

        async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
            await read(await transport.handle_async_request(request("GET", upstream.url)))
            assert transport.idle_connections == 1
            tell.set()
            await until(lambda: transport.idle_connections == 0)
            await until(lambda: upstream.open == 0)


@pytest.mark.parametrize("unasked", [b"x", b""])
@both_loops
async def test_an_end_that_the_event_loop_has_not_seen_yet_is_found_when_taking_out(*, unasked: bytes) -> None:
    """The socket itself is asked, in the moment of use, and the request goes over a new connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(LIMIT_SECONDS)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    loop = asyncio.get_running_loop()

    def serve() -> socket.socket:
        accepted, _ = listener.accept()
        accepted.settimeout(LIMIT_SECONDS)
        accepted.recv(65536)
        accepted.sendall(OK)
        return accepted

    async with contextlib.aclosing(HTTPTransport()) as transport:
        serving = loop.run_in_executor(None, serve)
        await read(await transport.handle_async_request(request("GET", url)))
        first = await serving
        serving = loop.run_in_executor(None, serve)
        # From here to the request the event loop does not run.
        first.sendall(unasked) if unasked else first.close()
        response = await transport.handle_async_request(request("POST", url))
        assert await read(response) == b"ok"
        (await serving).close()
        first.close()
    listener.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@both_loops
async def test_a_request_is_never_sent_twice(*, method: str) -> None:
    """A kept connection that dies under a request is an error, whatever the method."""
    seen: list[bytes] = []

    async def handler(talk: Talk) -> None:
        seen.append(await talk.answer(OK))
        seen.append(await talk.head())  # and closes without an answer

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        await read(await transport.handle_async_request(request("GET", upstream.url)))
        with pytest.raises(IncompleteMessage):
            await transport.handle_async_request(request(method, upstream.url))
        assert (len(seen), upstream.connections) == (2, 1)


@both_loops
async def test_closing_a_stream_before_its_end_closes_the_connection_at_once() -> None:
    """Also with data that is neither read from the stream nor from the socket."""
    noticed = asyncio.Event()

    async def handler(talk: Talk) -> None:
        await talk.answer(CHUNKED)
        try:
            while True:
                await talk.say(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
        finally:
            noticed.set()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request("GET", upstream.url))
        await anext(aiter(cast("ResponseBody", response.stream)))
        await response.aclose()
        async with asyncio.timeout(LIMIT_SECONDS):
            await noticed.wait()
        assert transport.idle_connections == 0
        with pytest.raises(httpx.StreamClosed):
            await read(response)


@both_loops
async def test_a_response_is_safe_from_the_next_exchange_on_its_connection() -> None:
    """The connection is free when the response is complete, even if nobody has read that; a late close is harmless."""
    number = 0

    async def handler(talk: Talk) -> None:
        nonlocal number
        while True:
            number += 1
            await talk.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number)

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        responses = [await transport.handle_async_request(request("GET", upstream.url)) for _ in range(3)]
        await responses[1].aclose()
        assert (await read(responses[0]), await read(responses[2])) == (b"1", b"3")
        assert (upstream.connections, transport.idle_connections) == (1, 1)
