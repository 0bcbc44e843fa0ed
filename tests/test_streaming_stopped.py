"""What remains of a stream whose application is taken away by the server."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from sse_proxy import Settings, SSEMiddleware
from sse_proxy.metrics.prometheus import PrometheusMetrics

from .streaming import body, chunk, start


async def test_a_stream_that_the_server_cancels_counts_as_stopped() -> None:
    """The cancellation goes on to the server, and the stream is told from those that clients left."""
    sent = asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("one"))
        sent.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(_message: Message) -> None: ...

    metrics = PrometheusMetrics()
    middleware = SSEMiddleware(app, settings=Settings(), metrics=metrics)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "headers": [(b"accept", b"text/event-stream")],
    }
    task = asyncio.create_task(middleware(scope, receive, send))
    await sent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stopped = 'sse_proxy_streams_total{dialect="openai_chat",outcome="stopped"} 1.0'
    assert stopped in metrics.render()[0].decode()
