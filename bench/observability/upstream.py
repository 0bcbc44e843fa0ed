"""The demo's mock LLM server with vLLM's own metrics beside it, and a port where nobody ever answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncGenerator, Generator

import uvicorn
from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sse_proxy.demo import create_mock
from sse_proxy.metrics.buckets import FIRST_EVENT_BUCKETS, INTER_EVENT_BUCKETS

from .waiting import until

__all__ = ["VllmMetrics", "full_backlog", "mock_upstream"]


class VllmMetrics:
    """ASGI app around *app* that times what it writes, and shows it at ``/metrics`` under vLLM's names.

    The mock writes a token at a time, so a body message is a token here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._registry = registry = CollectorRegistry()

        def histogram(name: str, documentation: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"vllm:{name}", documentation, registry=registry, buckets=buckets)

        self._first = histogram(
            "time_to_first_token_seconds", "From the request to its first token.", FIRST_EVENT_BUCKETS
        )
        self._between = histogram("inter_token_latency_seconds", "Between two tokens.", INTER_EVENT_BUCKETS)
        self._running = Gauge("vllm:num_requests_running", "Requests that are served.", registry=registry)
        # The mock serves everybody at once.
        Gauge("vllm:num_requests_waiting", "Requests in the queue.", registry=registry).set(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            if scope["type"] == "http" and scope["path"] == "/metrics":
                await Response(generate_latest(self._registry), media_type="text/plain")(scope, receive, send)
                return
            await self._app(scope, receive, send)
            return
        with self._running.track_inprogress():
            await self._app(scope, receive, _Timed(send, self._first, self._between))


class _Timed:
    """The ``send`` of one response: observes the first body message in *first*, each further one in *between*."""

    def __init__(self, send: Send, first: Histogram, between: Histogram) -> None:
        self._send = send
        self._histogram = first
        self._between = between
        self._last = time.monotonic()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            now = time.monotonic()
            self._histogram.observe(now - self._last)
            self._last, self._histogram = now, self._between
        await self._send(message)


@contextlib.asynccontextmanager
async def mock_upstream() -> AsyncGenerator[int]:
    """The port of a mock with `VllmMetrics`, served on this loop."""
    config = uvicorn.Config(
        VllmMetrics(create_mock()), log_level="critical", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)

    async def started() -> bool:
        return server.started

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        serving = asyncio.create_task(server.serve([listening]))
        try:
            await until(started)
            port: int = listening.getsockname()[1]
            yield port
        finally:
            server.should_exit = True
            await serving


@contextlib.contextmanager
def full_backlog() -> Generator[int]:
    """A port of this machine that never accepts: its backlog is full, so that the kernel drops whoever knocks."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            knocking = stack.enter_context(socket.socket())
            knocking.setblocking(False)  # noqa: FBT003  its only argument
            with contextlib.suppress(BlockingIOError):
                knocking.connect(listening.getsockname())
        port: int = listening.getsockname()[1]
        yield port
