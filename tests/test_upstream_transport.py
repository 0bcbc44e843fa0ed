"""Proves `sse_proxy.upstream.transport` and `create_transport`: connecting, TLS, unix sockets, reuse, a real server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sse_proxy.upstream import HTTPTransport, create_transport
from sse_proxy.upstream import transport as transport_module
from sse_proxy.upstream.connection import Connection
from sse_proxy.upstream.pool import IDLE_SECONDS

from .conftest import LIMIT_SECONDS, free_port
from .upstream_calls import UpstreamSettings, read, request
from .upstream_peers import OK, Talk, both_loops, keep_answering, open_sockets, peer, silent_listener, until

# Reuse.


@both_loops
async def test_a_connection_is_used_again_until_it_has_been_idle_too_long() -> None:
    """By the clock that is given."""
    now = 0.0
    async with peer(keep_answering) as upstream, contextlib.aclosing(HTTPTransport(clock=lambda: now)) as transport:
        for seconds, connections in ((0.0, 1), (IDLE_SECONDS - 0.01, 1), (IDLE_SECONDS, 2)):
            now += seconds
            assert await read(await transport.handle_async_request(request("POST", upstream.url))) == b"ok"
            assert connections == upstream.connections
        await until(lambda: upstream.open == 1)


@both_loops
async def test_connections_are_not_limited() -> None:
    """Admission is decided elsewhere; a pool never makes a request wait."""
    step = asyncio.Event()

    async def handler(talk: Talk) -> None:
        await talk.answer(OK[:-1])
        await step.wait()
        await talk.say(OK[-1:])
        await talk.gone()

    async with peer(handler) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        responses = [await transport.handle_async_request(request("GET", upstream.url)) for _ in range(150)]
        assert upstream.open == 150
        step.set()
        assert [await read(response) for response in responses] == [b"ok"] * 150
        await until(lambda: upstream.open == transport.idle_connections == 64)


@both_loops
async def test_closing_the_transport_closes_idle_connections_now_and_others_at_their_end() -> None:
    """And keeps none from then on."""
    go_on = asyncio.Event()

    async def handler(talk: Talk) -> None:
        await talk.answer(OK)
        await talk.answer(OK[:-1])
        await go_on.wait()
        await talk.say(OK[-1:])
        await talk.gone()

    async with peer(handler) as upstream:
        before = open_sockets()
        transport = HTTPTransport()
        responses = [await transport.handle_async_request(request("GET", upstream.url)) for _ in range(2)]
        del responses[0]
        other = await transport.handle_async_request(request("GET", upstream.url))
        await transport.aclose()
        await transport.aclose()
        await until(lambda: upstream.open == 1)
        go_on.set()
        assert await read(responses[0]) == b"ok"
        assert await read(other) == b"ok"
        await until(lambda: upstream.open == transport.idle_connections == 0)
        await until(lambda: open_sockets() == before)


# Connecting.


@both_loops
async def test_a_refused_connection_is_a_connect_error() -> None:
    """TCP and unix; the cause is kept, the address is not in the message."""
    port = free_port()
    for transport in (HTTPTransport(), HTTPTransport(unix_path="/nonexistent/socket")):
        with pytest.raises(httpx.ConnectError) as caught:
            await transport.handle_async_request(request("GET", f"http://127.0.0.1:{port}"))
        assert isinstance(caught.value.__cause__, OSError)
        assert str(port) not in str(caught.value)
        await transport.aclose()


@both_loops
async def test_a_connection_that_closes_before_its_first_request_is_a_connect_error(
    *, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent, so it is as good as refused; and nobody waits for an answer."""

    class Closed(Connection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.eof_received()

    monkeypatch.setattr(transport_module, "Connection", Closed)
    async with peer(keep_answering) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(request("GET", upstream.url))


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "name.invalid"])
@both_loops
async def test_a_name_without_address_is_a_connect_error(*, host: str) -> None:
    """Whatever the resolver thinks of it."""

    async def nothing(*_args: object, **_keywords: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if host.endswith(".invalid"):
        asyncio.get_running_loop().getaddrinfo = nothing  # type: ignore[assignment]
    async with contextlib.aclosing(HTTPTransport()) as transport:
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(request("GET", f"http://{host}/"))


@pytest.mark.parametrize(
    "default, given", [(0.05, {}), (60.0, {"connect": 0.05}), (None, {"connect": 0.05}), (0.05, {"read": 60.0})]
)
@both_loops
async def test_connecting_takes_no_longer_than_its_timeout(*, default: float | None, given: dict[str, float]) -> None:
    """The request's own goes before the transport's; no socket is left."""
    with silent_listener() as address:
        before = open_sockets()
        async with contextlib.aclosing(HTTPTransport(connect_timeout_seconds=default)) as transport:
            with pytest.raises(httpx.ConnectTimeout):
                await transport.handle_async_request(request("GET", f"http://127.0.0.1:{address[1]}", timeout=given))
        assert before == open_sockets()


@both_loops
async def test_a_name_connects_by_the_first_address_that_answers() -> None:
    """A dead address of a name costs a quarter of a second, not the connect timeout; nothing of it stays."""

    async def addresses(*_args: object, **_keywords: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "127.0.0.2")]

    asyncio.get_running_loop().getaddrinfo = addresses  # type: ignore[assignment,method-assign]
    with silent_listener() as (_, port), socket.create_server(("127.0.0.2", port)) as listener:
        before = open_sockets()
        listener.settimeout(LIMIT_SECONDS)
        async with contextlib.aclosing(HTTPTransport()) as transport:
            call = asyncio.ensure_future(transport.handle_async_request(request("GET", f"http://name.test:{port}")))
            accepted, _ = await asyncio.to_thread(listener.accept)
            accepted.settimeout(LIMIT_SECONDS)
            await asyncio.to_thread(accepted.recv, 65536)
            accepted.sendall(OK)
            assert await read(await call) == b"ok"
            accepted.close()
        await until(lambda: open_sockets() == before)


@both_loops
async def test_no_timeout_means_that_connecting_may_take_for_ever() -> None:
    """None, as in httpx."""
    with silent_listener() as address:
        async with contextlib.aclosing(HTTPTransport(connect_timeout_seconds=0.01)) as transport:
            call = request("GET", f"http://127.0.0.1:{address[1]}", timeout={"connect": None})
            connecting = asyncio.ensure_future(transport.handle_async_request(call))
            done, _ = await asyncio.wait({connecting}, timeout=0.1)
            assert not done
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "/path", "https://127.0.0.1/", "http://127.0.0.1:99999/"])
async def test_what_it_cannot_speak_is_refused(url: str) -> None:
    """TLS needs settings; a port above 65535 would become another one."""
    async with contextlib.aclosing(HTTPTransport()) as transport:
        with pytest.raises(httpx.UnsupportedProtocol):
            await transport.handle_async_request(request("GET", url))


@both_loops
async def test_a_request_that_cannot_be_sent_opens_no_connection() -> None:
    """It is refused before."""
    async with peer(keep_answering) as upstream, contextlib.aclosing(HTTPTransport()) as transport:
        with pytest.raises(httpx.LocalProtocolError):
            await transport.handle_async_request(request("GET", upstream.url, target=b"/\r\n"))
        assert upstream.connections == 0


@both_loops
async def test_the_streams_of_requests_that_find_no_connection_are_released() -> None:
    """Without a task of the event loop's that would close a forgotten generator some time."""
    released = asyncio.Event()

    class Stream(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                yield b"x"
            finally:
                released.set()

    async with contextlib.aclosing(HTTPTransport()) as transport:
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(request("POST", f"http://127.0.0.1:{free_port()}", body=Stream()))
        assert released.is_set()


@both_loops
async def test_a_unix_socket_is_the_upstream_whatever_the_url_says(*, tmp_path: Path) -> None:
    """``unix:/path.sock`` in the settings."""
    path = tmp_path / "upstream.sock"
    async with peer(keep_answering, path=path):
        transport = create_transport(UpstreamSettings(f"unix:{path}"))
        for _ in range(2):
            response = await transport.handle_async_request(request("GET", "http://localhost/"))
            assert await read(response) == b"ok"
        assert transport.idle_connections == 1
        await transport.aclose()


@both_loops
async def test_an_http_upstream_reads_no_tls_file() -> None:
    """Its settings are for https."""
    async with peer(keep_answering) as upstream:
        transport = create_transport(UpstreamSettings(upstream.url, upstream_ca_file=Path("/nonexistent")))
        assert await read(await transport.handle_async_request(request("GET", upstream.url))) == b"ok"
        await transport.aclose()


@pytest.mark.parametrize(
    "settings, words",
    [
        (UpstreamSettings(None), "upstream: not set"),
        (UpstreamSettings("https://here", upstream_ca_file=Path("/nonexistent")), "upstream_ca_file"),
    ],
)
def test_settings_that_cannot_work_fail_at_the_start(settings: UpstreamSettings, words: str) -> None:
    """The message names the setting."""
    with pytest.raises(ValueError, match=words):
        create_transport(settings)


# A real server.


async def _stream(_: Request) -> StreamingResponse:
    async def events() -> AsyncIterator[bytes]:
        for number in range(20):
            yield b"data: %d\n\n" % number
            await asyncio.sleep(0)

    return StreamingResponse(events(), media_type="text/event-stream")


async def _echo(incoming: Request) -> Response:
    return Response(await incoming.body(), headers={"x-target": cast("bytes", incoming.scope["raw_path"]).decode()})


@both_loops
async def test_uvicorn_streams_echoes_and_keeps_the_connection() -> None:
    """The server that vLLM and SGLang are."""
    app = Starlette(routes=[Route("/stream", _stream), Route("/{path:path}", _echo, methods=["POST"])])
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    serving = asyncio.ensure_future(server.serve())
    await until(lambda: server.started)
    url = f"http://127.0.0.1:{port}"
    async with contextlib.aclosing(HTTPTransport()) as transport:
        response = await transport.handle_async_request(request("GET", url, target=b"/stream"))
        assert await read(response) == b"".join(b"data: %d\n\n" % number for number in range(20))
        assert transport.idle_connections == 1
        response = await transport.handle_async_request(request("POST", url, body=b"hello", target=b"/a%2Fb/%20"))
        assert (await read(response), response.headers["x-target"]) == (b"hello", "/a%2Fb/%20")
        response = await transport.handle_async_request(request("HEAD", url, target=b"/stream"))
        assert (await read(response), transport.idle_connections) == (b"", 1)
    server.should_exit = True
    async with asyncio.timeout(LIMIT_SECONDS):
        await serving
