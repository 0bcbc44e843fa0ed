"""Shared parts of the middleware tests: any app under a stock uvicorn, as its users run it, and a client for streams.

`hosted` differs from `tests.streaming.served` in that nothing of ours is in the server: what the middleware can do
there, it can do anywhere. A guard between server and app fails every test in which two coroutines are inside the
server's ``receive`` at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sse_proxy import SSEMiddleware
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.prometheus import PrometheusMetrics
from sse_proxy.settings import Settings

from .streaming import GENEROUS_SECONDS, RawClient

__all__ = ["Host", "Reading", "Wrapped", "get", "hosted", "reading", "wrapped"]


@dataclass
class Host:
    """An app on a port, and what came out of it."""

    port: int
    app: ASGIApp
    #: What the app raised to the server.
    raised: list[BaseException] = field(default_factory=list)
    #: Requests that are with the app.
    running: int = 0
    #: How often a second coroutine entered the server's ``receive``.
    collisions: int = 0
    #: Set once the server has told of a client's departure.
    departed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.running += 1
        try:
            await self.app(scope, self._guarded(receive), send)
        except BaseException as error:
            self.raised.append(error)
            raise
        finally:
            self.running -= 1

    async def idle(self) -> None:
        """Wait until no request is with the app."""
        async with asyncio.timeout(GENEROUS_SECONDS):
            while self.running:
                await asyncio.sleep(0.005)

    def _guarded(self, receive: Receive) -> Receive:
        inside = 0

        async def guarded() -> Message:
            nonlocal inside
            self.collisions += inside
            inside += 1
            try:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.departed.set()
                return message
            finally:
                inside -= 1

        return guarded


@asynccontextmanager
async def hosted(
    app: ASGIApp,
    *,
    http: Literal["httptools", "h11"] = "httptools",
    ws: Literal["none", "websockets-sansio"] = "none",
    lifespan: bool = False,
) -> AsyncIterator[Host]:
    """Serve *app* with a stock uvicorn on a free port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = Host(listener.getsockname()[1], app)
        config = uvicorn.Config(
            host,
            http=http,
            ws=ws,
            lifespan="on" if lifespan else "off",
            log_config=None,
            access_log=False,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        # What `Server.serve` does, without signals, which are the test runner's, and without its ticks of 0.1 s.
        await server.startup(sockets=[listener])
        try:
            yield host
        finally:
            await _shut_down(server)
    assert host.collisions == 0


async def _shut_down(server: uvicorn.Server) -> None:
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    async with asyncio.timeout(GENEROUS_SECONDS):
        while server.server_state.connections or server.server_state.tasks:
            await asyncio.sleep(0.002)
    await server.lifespan.shutdown()


@dataclass
class Wrapped:
    """An app inside `SSEMiddleware`, under a server."""

    host: Host
    metrics: PrometheusMetrics
    client: httpx.AsyncClient

    async def outcomes(self) -> dict[tuple[str, str], float]:
        """Finished streams by dialect and outcome, once no request is open."""
        await self.host.idle()
        samples = self.samples("sse_proxy_streams_total")
        return {(labels["dialect"], labels["outcome"]): value for labels, value in samples if value}

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples *name* that have these *labels*."""
        return sum(value for found, value in self.samples(name) if labels.items() <= found.items())

    def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of every sample *name*."""
        families = self.metrics._registry.collect()  # noqa: SLF001  # cheaper than parsing the text, and typed
        return [(s.labels, s.value) for family in families for s in family.samples if s.name == name]


@asynccontextmanager
async def wrapped(
    app: ASGIApp,
    *,
    terminal: str | None = None,
    lifecycle: Lifecycle | None = None,
    owns_app: bool = False,
    http: Literal["httptools", "h11"] = "httptools",
    around: Callable[[ASGIApp], ASGIApp] | None = None,
    **settings: Any,
) -> AsyncIterator[Wrapped]:
    """Serve *app* inside the middleware with *settings*, which may be inside another one (*around*)."""
    metrics = PrometheusMetrics()
    inner = SSEMiddleware(
        app,
        settings=Settings(**settings),
        terminal=terminal,
        metrics=metrics,
        lifecycle=lifecycle,
        owns_app=owns_app,
    )
    async with (
        hosted(inner if around is None else around(inner), http=http) as host,
        httpx.AsyncClient(base_url=host.url, trust_env=False, timeout=GENEROUS_SECONDS) as client,
    ):
        run = Wrapped(host, metrics, client)
        yield run
        await host.idle()
        assert run.value("sse_proxy_streams_active") == 0


class Reading:
    """A response whose body is read piece by piece."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.text = ""
        self._pieces = response.aiter_text()

    async def until(self, mark: str) -> str:
        """Read until *mark* has come; all text so far."""
        async with asyncio.timeout(GENEROUS_SECONDS):
            while mark not in self.text:
                self.text += await anext(self._pieces)
        return self.text

    async def rest(self) -> str:
        """Read to a clean end; all text. Raises `httpx.RemoteProtocolError` at a broken one."""
        async with asyncio.timeout(GENEROUS_SECONDS):
            async for piece in self._pieces:
                self.text += piece
        return self.text


@asynccontextmanager
async def reading(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> AsyncIterator[Reading]:
    """Send a request and hand over its response as soon as the head is there; leaving leaves the connection."""
    async with client.stream(method, path, **request) as response:
        yield Reading(response)


async def get(port: int, path: str, *headers: str) -> RawClient:
    """Send a GET as ``curl`` does on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"GET {path} HTTP/1.1", "Host: test", "Accept: */*", *headers]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await writer.drain()
    return RawClient(reader, writer)
