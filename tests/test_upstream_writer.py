"""Proves `sse_proxy.upstream.writer`: uploads over real sockets, with the response coming at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import cast

import httpx
import pytest

from sse_proxy.upstream import HTTPTransport, ResponseBody
from sse_proxy.upstream.request import RequestBody

from .conftest import LIMIT_SECONDS
from .upstream_calls import Wait, read, request
from .upstream_peers import OK, Talk, both_loops, peer, until

POST_CHUNKED = ((b"Host", b"test"), (b"Transfer-Encoding", b"chunked"))
REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!"


class Endless(httpx.AsyncByteStream):
    """A body of 64 KiB parts without end; counts them."""

    def __init__(self) -> None:
        self.parts = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.parts += 1
            yield b"x" * 65536
            await asyncio.sleep(0)


@pytest.mark.parametrize("size", [1, 65536, 65537, 12_000_000])
@both_loops
async def test_a_body_in_memory_arrives_whole(*, size: int) -> None:
    """Behind the head in one segment, or by itself where it is large; the connection is kept."""
    got = b""

    async def handler(talk: Talk) -> None:
        nonlocal got
        await talk.head()
        got = await talk.reader.readexactly(size)
        await talk.say(OK)
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        headers = ((b"Host", b"test"), (b"Content-Length", b"%d" % size))
        body = bytes(range(256)) * (size // 256 + 1)
        response = await transport.handle_async_request(
            request("POST", upstream.url, headers=headers, body=body[:size])
        )
        assert await read(response) == b"ok"
        assert got == body[:size]
        assert transport.idle_connections == 1


class There(RequestBody):
    """A body that is all there."""

    def __init__(self, whole: bytes) -> None:
        self._whole = whole

    def at_hand(self, limit: int) -> bytes | None:
        return self._whole if len(self._whole) <= limit else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._whole


@pytest.mark.parametrize("size", [5, 65536, 65537])
@both_loops
async def test_a_body_that_is_there_arrives_whole(*, size: int) -> None:
    """Behind the head in one write, or as a stream where it is large; the connection is kept."""
    got = b""

    async def handler(talk: Talk) -> None:
        nonlocal got
        await talk.head()
        got = await talk.reader.readexactly(size)
        await talk.say(OK)
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        headers = ((b"Host", b"test"), (b"Content-Length", b"%d" % size))
        body = (bytes(range(256)) * 257)[:size]
        response = await transport.handle_async_request(
            request("POST", upstream.url, headers=headers, body=There(body))
        )
        assert await read(response) == b"ok"
        assert got == body
        assert transport.idle_connections == 1


@both_loops
async def test_a_body_that_is_there_and_too_short_closes_the_connection() -> None:
    """Nothing of the request was sent."""
    received: list[bytes] = []

    async def handler(talk: Talk) -> None:
        received.append(await talk.reader.read())

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        headers = ((b"Host", b"test"), (b"Content-Length", b"5"))
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(request("POST", upstream.url, headers=headers, body=There(b"four")))
        await until(lambda: received == [b""])


@both_loops
async def test_a_streamed_body_arrives_part_by_part_and_the_connection_is_kept() -> None:
    """Each part when it is there."""
    first_seen = asyncio.Event()

    class Two(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"one"
            await first_seen.wait()
            yield b"two"

    async def handler(talk: Talk) -> None:
        await talk.head()
        assert await talk.reader.readexactly(8) == b"3\r\none\r\n"
        first_seen.set()
        assert await talk.reader.readexactly(13) == b"3\r\ntwo\r\n0\r\n\r\n"
        await talk.say(OK)
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request("POST", upstream.url, body=Two()))
        assert await read(response) == b"ok"
        assert transport.idle_connections == 1


@both_loops
async def test_an_upstream_that_does_not_read_stops_the_upload() -> None:
    """Back-pressure reaches the stream of the request; it goes on when the upstream does."""
    body, read_on = Endless(), asyncio.Event()

    async def handler(talk: Talk) -> None:
        await talk.head()
        await read_on.wait()
        await talk.reader.readexactly(40 * 1024 * 1024)

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        sending = asyncio.ensure_future(transport.handle_async_request(request("POST", upstream.url, body=body)))
        before = -1
        async with asyncio.timeout(LIMIT_SECONDS):
            while before != body.parts:  # until a whole while goes by without a part
                before = body.parts
                await asyncio.sleep(0.2)
        assert 0 < body.parts < 40 * 16
        read_on.set()
        with pytest.raises(httpx.TransportError):  # the peer has read enough and leaves
            await sending
        assert body.parts > before


@pytest.mark.parametrize("more", [b"", b"tail that comes later"])
@both_loops
async def test_an_early_refusal_is_delivered_at_once_and_ends_the_upload(*, more: bytes) -> None:
    """While the request's stream has nothing to send; the connection is not used again."""
    body = Wait(b"begin")
    go_on = asyncio.Event()
    said = REFUSAL.replace(b"3\r\n", b"%d\r\n" % (3 + len(more)))

    async def handler(talk: Talk) -> None:
        await talk.answer(said)
        await go_on.wait()
        await talk.say(more)
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request("POST", upstream.url, body=body))
        assert response.status_code == 413
        assert body.released.is_set()
        go_on.set()
        assert await read(response) == b"no!" + more
        assert transport.idle_connections == 0
        await until(lambda: upstream.open == 0)


@both_loops
async def test_a_refusal_followed_by_a_reset_is_still_delivered() -> None:
    """As servers refuse that close with the request unread: the upload fails before the answer is read."""

    async def handler(talk: Talk) -> None:
        await talk.head()
        await talk.say(REFUSAL)

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        for _ in range(20):
            response = await transport.handle_async_request(request("POST", upstream.url, body=Endless()))
            assert (response.status_code, await read(response)) == (413, b"no!")


@pytest.mark.parametrize("answer", [REFUSAL, b""])
@both_loops
async def test_an_answer_that_lies_in_the_socket_survives_a_failed_write(*, answer: bytes) -> None:
    """The event loop learns of the reset by its own write and drops the connection without reading."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LIMIT_SECONDS)

        class Late(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield b"begin"
                accepted, _ = await asyncio.to_thread(listener.accept)
                # From here on the event loop does not run until the reset is there.
                accepted.settimeout(LIMIT_SECONDS)
                accepted.recv(10)  # the rest stays unread, so that closing resets
                accepted.sendall(answer)
                accepted.close()
                while True:
                    yield b"x"

        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with contextlib.aclosing(HTTPTransport()) as transport:
            call = transport.handle_async_request(request("POST", url, body=Late()))
            if answer:
                response = await call
                assert (response.status_code, await read(response)) == (413, b"no!")
            else:
                with pytest.raises(httpx.ReadError):
                    await call


@both_loops
async def test_an_early_success_lets_the_upload_go_on() -> None:
    """An upstream may answer while it reads: an echo, a transcription."""

    async def handler(talk: Talk) -> None:
        await talk.head()
        await talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while (line := await talk.reader.readuntil(b"\r\n")) != b"0\r\n":
            data = await talk.reader.readexactly(int(line, 16) + 2)
            await talk.say(line + data)
        await talk.reader.readexactly(2)
        await talk.say(b"0\r\n\r\n")
        await talk.gone()

    turn = asyncio.Event()

    class Turns(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for number in range(5):
                yield b"%d" % number
                await turn.wait()
                turn.clear()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(
            request("POST", upstream.url, headers=POST_CHUNKED, body=Turns())
        )
        got = []
        async for data in cast("ResponseBody", response.stream):
            got.append(data)
            turn.set()
        assert got == [b"0", b"1", b"2", b"3", b"4"]
        assert transport.idle_connections == 1


@both_loops
async def test_a_response_complete_before_its_request_ends_the_upload() -> None:
    """A success too: the exchange is over, the connection is not in step."""
    body = Wait(b"begin")

    async def handler(talk: Talk) -> None:
        await talk.answer(OK)
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request("POST", upstream.url, body=body))
        assert await read(response) == b"ok"
        async with asyncio.timeout(LIMIT_SECONDS):
            await body.released.wait()
        assert transport.idle_connections == 0
        await until(lambda: upstream.open == 0)


@both_loops
async def test_closing_a_response_ends_an_upload_that_still_runs() -> None:
    """Nobody reads the request's stream any more when `aclose` returns."""
    body = Wait(b"begin")

    async def handler(talk: Talk) -> None:
        await talk.answer(b"HTTP/1.1 200 OK\r\n\r\n")
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request("POST", upstream.url, body=body))
        await response.aclose()
        assert body.released.is_set()
        await until(lambda: upstream.open == 0)


class Failing(httpx.AsyncByteStream):
    """A client that leaves in the middle of its upload, once *go* is set."""

    def __init__(self, go: asyncio.Event) -> None:
        self._go = go

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"begin"
        await self._go.wait()
        raise RuntimeError("the client left")


@pytest.mark.parametrize("answered", [False, True])
@both_loops
async def test_an_error_of_the_requests_stream_reaches_whoever_waits(*, answered: bool) -> None:
    """The caller, or the reader of the response; the upstream sees the connection close."""
    go = asyncio.Event()

    async def handler(talk: Talk) -> None:
        await talk.answer(b"HTTP/1.1 200 OK\r\n\r\n" if answered else b"")
        if not answered:
            go.set()
        await talk.gone()

    async def all_of_it(transport: HTTPTransport, url: str) -> None:
        response = await transport.handle_async_request(request("POST", url, body=Failing(go)))
        go.set()
        await read(response)

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        with pytest.raises(RuntimeError, match="the client left"):
            await all_of_it(transport, upstream.url)
        await until(lambda: upstream.open == 0)


@both_loops
async def test_a_body_shorter_than_announced_closes_the_connection() -> None:
    """The upstream would wait for the rest for ever."""

    class Short(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"four"

    async def handler(talk: Talk) -> None:
        await talk.head()
        await talk.gone()

    headers = ((b"Host", b"test"), (b"Content-Length", b"5"))
    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(request("POST", upstream.url, headers=headers, body=Short()))
        await until(lambda: upstream.open == 0)
