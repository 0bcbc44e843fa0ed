"""Traces of `SSEMiddleware` in somebody's application, which has a provider of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.trace import SpanKind, StatusCode
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sse_proxy import SSEMiddleware
from sse_proxy.metrics.prometheus import PrometheusMetrics

from .middleware_apps import Host, hosted
from .streaming import GENEROUS_SECONDS, body, chunk, start
from .tracing import PARENT, SAMPLED, TRACE, WHOLE, Recorder, attributes, parent_of

_ROOT = Path(__file__).resolve().parent.parent
_ASK: dict[str, Any] = {"json": {"stream": True, "model": "gpt-x"}, "headers": SAMPLED}


async def _whole(_scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    for piece in WHOLE:
        await body(send, piece)
    await body(send, b"", more=False)


@asynccontextmanager
async def _client(app: ASGIApp) -> AsyncIterator[tuple[Host, httpx.AsyncClient]]:
    async with (
        hosted(app) as host,
        httpx.AsyncClient(base_url=host.url, trust_env=False, timeout=GENEROUS_SECONDS) as client,
    ):
        yield host, client
        await host.idle()


def _around(app: ASGIApp, recorder: Recorder, **settings: Any) -> SSEMiddleware:
    return SSEMiddleware(app, metrics=PrometheusMetrics(), tracer_provider=recorder.provider, **settings)


async def test_the_applications_spans_are_children_of_ours() -> None:
    """Ours is the current one while the application runs, and the caller's child."""
    recorder = Recorder()
    tracer = recorder.provider.get_tracer("the application")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with tracer.start_as_current_span("generate"):
            await _whole(scope, receive, send)

    async with _client(_around(app, recorder)) as (_, client):
        answer = await client.post("/v1/chat/completions", **_ASK)
    assert answer.text == b"".join(WHOLE).decode()
    inner, ours = sorted(recorder.spans, key=lambda span: span.name != "generate")
    assert parent_of(ours) == (TRACE, PARENT)
    assert inner.parent == ours.get_span_context()
    assert (ours.kind, ours.name) == (SpanKind.SERVER, "POST /chat/completions")
    assert attributes(ours)["gen_ai.request.model"] == "gpt-x"
    assert attributes(ours)["sse_proxy.outcome"] == "completed"
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize("is_outer", [True, False])
async def test_beside_opentelemetrys_own_middleware_there_is_one_server_span(is_outer: bool) -> None:
    """Whoever is outside has the caller as its parent, and the other one is a part of it."""
    recorder = Recorder()

    def theirs(app: ASGIApp) -> ASGIApp:
        wrapped: ASGIApp = OpenTelemetryMiddleware(
            app, tracer_provider=recorder.provider, exclude_spans=["receive", "send"]
        )
        return wrapped

    app = _around(theirs(_whole), recorder) if is_outer else theirs(_around(_whole, recorder))
    async with _client(app) as (_, client):
        await client.post("/v1/chat/completions", **_ASK)
    inner, outer = sorted(recorder.spans, key=lambda span: span.kind is SpanKind.SERVER)
    assert (inner.kind, outer.kind) == (SpanKind.INTERNAL, SpanKind.SERVER)
    assert parent_of(outer) == (TRACE, PARENT)
    assert inner.parent == outer.get_span_context()
    assert ["sse_proxy.events" in attributes(span) for span in (outer, inner)] == [is_outer, not is_outer]


async def test_the_frameworks_route_names_the_span() -> None:
    """FastAPI's template, which is one of a closed set; the path itself is never told."""
    recorder, app = Recorder(), FastAPI()

    @app.get("/chats/{chat}/events")
    async def events(chat: str) -> StreamingResponse:
        async def tokens() -> AsyncIterator[bytes]:
            yield b"data: one\n\n"

        return StreamingResponse(tokens(), media_type="text/event-stream")

    async with _client(_around(app, recorder)) as (_, client):
        await client.get("/chats/secret/events")
    span = recorder.only()
    assert (span.name, attributes(span)["http.route"]) == ("GET /chats/{chat}/events", "/chats/{chat}/events")
    assert attributes(span)["sse_proxy.outcome"] == "completed"
    assert "gen_ai.operation.name" not in attributes(span)
    assert "secret" not in span.to_json()


@pytest.mark.parametrize("begun", [True, False])
async def test_an_application_that_raises_makes_a_failed_span(begun: bool) -> None:
    """Whether its stream had begun or not; the message, which may hold anything, is not told."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            await start(send)
            await body(send, chunk("Hi"))
        raise ZeroDivisionError("secret")

    recorder = Recorder()
    async with _client(_around(app, recorder)) as (host, client):
        answer = await client.post("/v1/chat/completions", **_ASK)
        await host.idle()
    assert [type(error) for error in host.raised] == [ZeroDivisionError]
    span = recorder.only()
    assert attributes(span)["http.response.status_code"] == answer.status_code == (200 if begun else 500)
    assert (attributes(span)["error.type"], span.status.status_code) == ("upstream_error", StatusCode.ERROR)
    assert "secret" not in span.to_json()


async def test_a_refusal_of_the_middlewares_is_a_failed_span() -> None:
    """Of a stream over ``max_streams``, which the application never sees; another is as before."""
    recorder = Recorder()
    inner = _around(_whole, recorder, max_streams=1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        place = inner._entrance.admission.place("somebody else")  # noqa: SLF001  # as if a stream were open
        try:
            await inner(scope, receive, send)
        finally:
            inner._entrance.leave(place)  # noqa: SLF001

    async with _client(app) as (_, client):
        assert (await client.post("/v1/chat/completions", **_ASK)).status_code == 503
    span = recorder.only()
    assert attributes(span)["http.response.status_code"] == 503
    assert (attributes(span)["error.type"], span.status.status_code) == ("rejected", StatusCode.ERROR)


async def test_what_the_middleware_does_not_look_at_has_no_span() -> None:
    """Paths that are not its own, and HEAD."""
    recorder = Recorder()
    async with _client(_around(_whole, recorder, paths=["/v1/*"])) as (_, client):
        await client.get("/other")
        await client.head("/v1/x")
    assert recorder.spans == ()


async def test_one_middleware_inside_another_has_a_span_of_its_own() -> None:
    """Each layer tells its own numbers in its own span."""
    recorder = Recorder()
    inner = _around(_whole, recorder)
    async with _client(_around(inner, recorder)) as (_, client):
        await client.post("/v1/chat/completions", **_ASK)
    below, above = sorted(recorder.spans, key=lambda span: span.kind is SpanKind.SERVER)
    assert below.parent == above.get_span_context()
    assert attributes(below)["sse_proxy.events"] == attributes(above)["sse_proxy.events"] == len(WHOLE)
    assert [len(span.events) for span in recorder.spans] == [2, 2]


# The order in which applications come up: the middleware is made first, then their telemetry.
_GLOBAL = """
import asyncio
import httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sse_proxy import SSEMiddleware

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: x" + 2 * bytes([10])})

async def main():
    wrapped = SSEMiddleware(app)
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(wrapped), base_url="http://test") as client:
        await client.get("/")
    print([span.attributes["sse_proxy.outcome"] for span in exporter.get_finished_spans()])

asyncio.run(main())
"""


def test_the_setting_alone_takes_the_applications_global_provider() -> None:
    """``SSE_PROXY_TRACING`` in the environment of an application that says nothing of tracing to us."""
    environment = {**os.environ, "SSE_PROXY_TRACING": "true"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _GLOBAL],
        env=environment,
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("['completed']", "")
