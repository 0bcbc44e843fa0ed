"""Shared parts of the streaming tests: a scripted upstream and our proxy, both on real uvicorns in the test's loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.lifespan.on import LifespanOn
from uvicorn.server import ServerState

from sse_proxy import Settings, create_app
from sse_proxy.client_protocol import ClientProtocol
from sse_proxy.core.ledger import Ledger
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.prometheus import PrometheusMetrics
from sse_proxy.sockets import address_of, listen

#: Nothing in these tests waits for time to pass; everything is given up on after this.
GENEROUS_SECONDS = 20.0

Handler = Callable[["Upstream", Scope, Receive, Send], Awaitable[None]]

#: Shorter than settings may be; tests that wait for a heartbeat would take a second each.
_TOO_SHORT = ("heartbeat_seconds", "client_send_buffer_bytes")


@asynccontextmanager
async def served(
    app: ASGIApp, *, send_buffer_bytes: int | None = None, ledger: Ledger | None = None
) -> AsyncIterator[int]:
    """Serve *app*, lifespan included, on a free port of 127.0.0.1; the port. What waits for clients is in *ledger*.

    uvicorn's connections without its `Server`, which looks ten times a second whether it may stop.
    """
    listener = listen("127.0.0.1", 0, send_buffer_bytes=send_buffer_bytes)
    # A busy client's pool must not find that an idle connection was closed just now: as long as the product's own.
    config = uvicorn.Config(
        app, ws="none", lifespan="on", log_config=None, access_log=False, proxy_headers=False, timeout_keep_alive=620
    )
    config.ledger = ledger  # type: ignore[attr-defined]  # as `Listener` does
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    lifespan = LifespanOn(config)
    await lifespan.startup()
    server = await loop.create_server(
        lambda: ClientProtocol(config=config, server_state=state, app_state={}, _loop=loop), sock=listener
    )
    try:
        yield address_of(listener)[1]
    finally:
        server.close()
        for connection in list(state.connections):
            cast("ClientProtocol", connection).abort()
        if state.tasks:
            _done, hanging = await asyncio.wait(state.tasks, timeout=GENEROUS_SECONDS)
            assert not hanging
        await lifespan.shutdown()
        assert not lifespan.error_occurred


def chunk(text: str, *, finish: str | None = None) -> bytes:
    """One event of an OpenAI chat stream."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    document = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


@dataclass
class Upstream:
    """What a scripted upstream saw, and the moments a test waits for."""

    handler: Handler
    requests: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    #: The request is with the upstream.
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    #: The upstream saw its client go.
    left: asyncio.Event = field(default_factory=asyncio.Event)
    #: The test allows the upstream to go on.
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        self.requests.append(scope)
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        self.arrived.set()
        watcher = asyncio.create_task(self._watch(receive))
        work = asyncio.ensure_future(self.handler(self, scope, receive, send))
        await asyncio.wait({watcher, work}, return_when=asyncio.FIRST_COMPLETED)
        for task in (watcher, work):
            task.cancel()
        results = await asyncio.gather(watcher, work, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left.set()


async def _live(receive: Receive, send: Send) -> None:
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def start(send: Send, content_type: str = "text/event-stream", status: int = 200, **headers: str) -> None:
    """Begin a response."""
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if content_type:
        fields.append((b"content-type", content_type.encode()))
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def body(send: Send, data: bytes, *, more: bool = True) -> None:
    """Send a piece of a body."""
    await send({"type": "http.response.body", "body": data, "more_body": more})


@dataclass
class Proxy:
    """A running proxy."""

    port: int
    metrics: PrometheusMetrics
    lifecycle: Lifecycle

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def value(self, sample: str) -> float:
        """The value of one sample, written as in the exposition format; 0 when it is not there."""
        return self.samples().get(sample, 0.0)

    def samples(self) -> dict[str, float]:
        """All samples of ``/metrics``, without the prefix ``sse_proxy_``."""
        lines = self.metrics.render()[0].decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line.startswith("sse_proxy_"))
        return {name.removeprefix("sse_proxy_"): float(value) for name, _, value in pairs}

    def outcomes(self) -> dict[str, float]:
        """Finished streams by outcome, those that are not 0."""
        found: dict[str, float] = {}
        for name, value in self.samples().items():
            if name.startswith("streams_total{") and value:
                outcome = name.partition('outcome="')[2].partition('"')[0]
                found[outcome] = found.get(outcome, 0) + value
        return found

    async def outcome(self) -> str:
        """The outcome of the one stream that has been, once it is counted."""
        await until(lambda: bool(self.outcomes()))
        found = self.outcomes()
        assert sum(found.values()) == 1
        return next(iter(found))

    async def idle(self) -> None:
        """Return when no request is open."""
        await until(lambda: not len(self.lifecycle) and not self.value("streams_active"))


@dataclass
class Running(Proxy):
    """A proxy in front of a scripted upstream."""

    upstream: Upstream


async def until(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds; for what nothing tells of."""
    async with asyncio.timeout(GENEROUS_SECONDS):
        while not condition():
            await asyncio.sleep(0.002)


async def event(happened: asyncio.Event) -> None:
    """Return when *happened* is set."""
    async with asyncio.timeout(GENEROUS_SECONDS):
        await happened.wait()


@asynccontextmanager
async def proxying(upstream: str, **settings: Any) -> AsyncIterator[Proxy]:
    """The proxy with *settings* in front of the URL *upstream*; at the end nothing of it may be left open."""
    short = {name: settings.pop(name) for name in _TOO_SHORT if name in settings}
    chosen = Settings(upstream=upstream, **settings).model_copy(update=short)
    metrics, lifecycle = PrometheusMetrics(), Lifecycle()
    app = create_app(chosen, metrics=metrics, lifecycle=lifecycle)
    async with served(app, send_buffer_bytes=chosen.client_send_buffer_bytes, ledger=lifecycle.ledger) as port:
        proxy = Proxy(port, metrics, lifecycle)
        yield proxy
        await proxy.idle()
        await until(lambda: not lifecycle.ledger.bytes)


@asynccontextmanager
async def proxied(handler: Handler, **settings: Any) -> AsyncIterator[Running]:
    """The proxy with *settings* in front of an upstream that runs *handler*."""
    upstream = Upstream(handler)
    async with served(upstream) as port, proxying(f"http://127.0.0.1:{port}", **settings) as proxy:
        yield Running(proxy.port, proxy.metrics, proxy.lifecycle, upstream)


class RawClient:
    """A client on a bare socket that reads only when told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def post(cls, port: int, path: str = "/v1/chat/completions", **document: object) -> RawClient:
        """Open a connection and send a JSON POST, ``"stream": true`` unless told otherwise."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        payload = json.dumps({"stream": True, **document}).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}"
        writer.write(head.encode() + b"\r\n\r\n" + payload)
        await writer.drain()
        return cls(reader, writer)

    async def until(self, mark: bytes) -> bytes:
        """Read up to and including *mark*."""
        async with asyncio.timeout(GENEROUS_SECONDS):
            return await self.reader.readuntil(mark)

    async def rest(self) -> bytes:
        """Read to the end of the connection."""
        async with asyncio.timeout(GENEROUS_SECONDS):
            return await self.reader.read()

    def close(self) -> None:
        """Leave at once."""
        self.writer.transport.abort()
