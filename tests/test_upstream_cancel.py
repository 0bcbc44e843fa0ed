"""Proves that a cancelled request leaves nothing behind, in whatever phase it is cancelled, and closes at once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from sse_proxy.upstream import HTTPTransport
from sse_proxy.upstream import transport as transport_module
from sse_proxy.upstream.connection import Connection

from .upstream_calls import Wait, all_of_it, other_tasks, request
from .upstream_peers import OK, Talk, both_loops, open_sockets, peer, silent_listener, until


async def _cancelled(running: asyncio.Task[Any]) -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# In each phase, by name.


@both_loops
async def test_cancelled_while_resolving() -> None:
    """The resolver's thread may run on; nothing else does."""
    resolving = asyncio.Event()

    async def never(*_args: object, **_keywords: object) -> None:
        resolving.set()
        await asyncio.Event().wait()

    asyncio.get_running_loop().getaddrinfo = never  # type: ignore[assignment]
    before = open_sockets()
    async with contextlib.aclosing(HTTPTransport()) as transport:
        running = asyncio.ensure_future(all_of_it(transport, request("GET", "http://name.test/")))
        await resolving.wait()
        await _cancelled(running)
        assert (before, set()) == (open_sockets(), other_tasks())


@both_loops
async def test_cancelled_while_connecting() -> None:
    """No half-open socket stays."""
    with silent_listener() as address:
        before = open_sockets()
        async with contextlib.aclosing(HTTPTransport()) as transport:
            url = f"http://127.0.0.1:{address[1]}"
            running = asyncio.ensure_future(all_of_it(transport, request("POST", url, body=Wait(b"x"))))
            await until(lambda: open_sockets() == before + 1)
            await _cancelled(running)
            assert (before, set()) == (open_sockets(), other_tasks())


@both_loops
async def test_cancelled_in_the_tls_handshake() -> None:
    """The upstream sees the close, although it has said nothing yet."""
    hello = asyncio.Event()

    async def handler(talk: Talk) -> None:
        await talk.reader.readexactly(5)
        hello.set()
        await talk.gone()

    async with peer(handler) as upstream:
        before = open_sockets()
        context = ssl.create_default_context()
        async with contextlib.aclosing(HTTPTransport(ssl_context=context)) as transport:
            url = upstream.url.replace("http:", "https:")
            running = asyncio.ensure_future(all_of_it(transport, request("GET", url)))
            await hello.wait()
            await _cancelled(running)
            await until(lambda: (open_sockets(), upstream.open) == (before, 0))


@both_loops
async def test_cancelled_between_being_connected_and_being_told(*, monkeypatch: pytest.MonkeyPatch) -> None:
    """The very moment in which a connection has no owner yet."""
    made = asyncio.Event()

    class Telling(Connection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            running.cancel()
            made.set()

    monkeypatch.setattr(transport_module, "Connection", Telling)

    async def handler(talk: Talk) -> None:
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        running = asyncio.ensure_future(all_of_it(transport, request("GET", upstream.url)))
        await made.wait()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: upstream.open == 0)


# name, what the peer answers with, the request's body, has that phase been reached (by the bodies that wait)
PHASES: list[tuple[str, bytes, Callable[[], Wait | bytes]]] = [
    ("waiting for the head", b"", lambda: b""),
    ("in the middle of the head", b"HTTP/1.1 200 OK\r\nA: ", lambda: b""),
    ("after an interim head", b"HTTP/1.1 100 Continue\r\n\r\n", lambda: b""),
    ("sending the body", b"", lambda: Wait(b"x" * 100)),
    ("reading the body", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", lambda: b""),
    ("reading the body of an HTTP/1.0 response", b"HTTP/1.0 200 OK\r\n\r\nx", lambda: b""),
    ("sending and reading", b"HTTP/1.1 200 OK\r\n\r\nx", lambda: Wait(b"x" * 100)),
]


@pytest.mark.parametrize("name, said, body", PHASES, ids=[case[0] for case in PHASES])
@both_loops
async def test_cancelled_in_the_exchange(*, name: str, said: bytes, body: Callable[[], Wait | bytes]) -> None:
    """The upstream sees the close; the request's stream is no longer read; no task, no descriptor stays."""
    answered = asyncio.Event()

    async def handler(talk: Talk) -> None:
        await talk.answer(said)
        answered.set()
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        before = open_sockets()
        stream = body()
        running = asyncio.ensure_future(all_of_it(transport, request("POST", upstream.url, body=stream)))
        await answered.wait()
        if isinstance(stream, Wait):
            await stream.waiting.wait()
        await _cancelled(running)
        assert not isinstance(stream, Wait) or stream.released.is_set()
        await until(lambda: (upstream.open, open_sockets(), transport.idle_connections) == (0, before, 0))
        assert not other_tasks()


@both_loops
async def test_cancelled_while_the_upstream_takes_no_more_of_the_body() -> None:
    """The upload waits for the transport, not for the request's stream."""

    class Endless(httpx.AsyncByteStream):
        released = False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 1_000_000
            finally:
                self.released = True

    close = asyncio.Event()

    async def handler(talk: Talk) -> None:
        await talk.head()
        await close.wait()

    body = Endless()
    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        running = asyncio.ensure_future(all_of_it(transport, request("POST", upstream.url, body=body)))
        done, _ = await asyncio.wait({running}, timeout=0.2)
        assert not done
        await _cancelled(running)
        assert body.released
        close.set()


@both_loops
async def test_cancelled_while_the_end_of_a_refused_upload_is_awaited() -> None:
    """The response is there, but nobody has it yet."""
    ending = asyncio.Event()

    class Slow(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"x"
            try:
                await asyncio.Event().wait()
            finally:
                ending.set()
                await asyncio.sleep(0.05)

    async def handler(talk: Talk) -> None:
        await talk.answer(b"HTTP/1.1 413 Too Large\r\n\r\n")
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        running = asyncio.ensure_future(all_of_it(transport, request("POST", upstream.url, body=Slow())))
        await ending.wait()
        await _cancelled(running)
        await until(lambda: upstream.open == 0)
        assert not other_tasks()


@pytest.mark.parametrize("first", ["response", "cancel"])
@pytest.mark.parametrize("said", [OK, b"junk"])
@both_loops
async def test_cancelled_in_the_moment_in_which_the_response_ends(
    *, said: bytes, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that got back to the pool may serve another already, and stays; no error is logged as lost."""
    logged: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    receive = Connection._receive_head  # noqa: SLF001 - the named point at which the cancellation comes
    running: asyncio.Task[None]

    def receive_head(self: Connection, data: bytes) -> None:
        if first == "cancel":
            running.cancel()
        receive(self, data)
        running.cancel()

    monkeypatch.setattr(Connection, "_receive_head", receive_head)

    async def handler(talk: Talk) -> None:
        await talk.answer(said)
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        running = asyncio.ensure_future(all_of_it(transport, request("GET", upstream.url)))
        with pytest.raises(asyncio.CancelledError):
            await running
        running = asyncio.ensure_future(asyncio.sleep(0))  # lets go of the task and what it holds
        gc.collect()
        assert (int(said == OK and first == "response"), []) == (transport.idle_connections, logged)
