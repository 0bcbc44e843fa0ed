"""How a span tells that a request failed: each outcome, and each answer of the proxy's own."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from starlette.types import Receive, Scope, Send

from sse_proxy import Settings, create_app
from sse_proxy.errors import BadRequest, ClientDisconnected, ConnectTimeout, Outcome, Refused
from sse_proxy.logs import log_stream
from sse_proxy.metrics.base import StreamReport
from sse_proxy.tracing.attributes import error_type
from sse_proxy.tracing.spans import SpanTrace

from .conftest import free_port
from .streaming import Handler, Upstream, body, chunk, served, start, until
from .tracing import WHOLE, Recorder, Traced, attributes, says, traced
from .wire import ask, calling, chat

_FAILED, _FINE = StatusCode.ERROR, StatusCode.UNSET


@pytest.mark.parametrize("outcome", Outcome)
def test_what_is_a_warning_in_the_log_is_a_failed_span(outcome: Outcome, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever goes from one to the other finds the same streams; a 4xx of ours is the caller's mistake in neither."""
    caplog.set_level(logging.INFO)
    log_stream(
        StreamReport(dialect="generic", outcome=outcome),
        request_id=None,
        route="other",
        status=503,
        last_event_age=0,
        last_write_age=0,
    )
    [record] = caplog.records
    assert error_type(outcome, None, 503) == (outcome.value if record.levelno == logging.WARNING else None)


@pytest.mark.parametrize(
    "outcome, error, code, expected",
    [
        (None, None, 200, None),
        (None, None, 404, None),
        (None, None, 500, "500"),
        (None, BadRequest(), 400, None),
        (None, Refused(), 503, "rejected"),
        (None, ConnectTimeout(), 504, "connect_timeout"),
        (None, ClientDisconnected(), 499, None),
        (None, KeyError("secret"), 500, "KeyError"),
        (Outcome.REJECTED, None, 413, None),
        (Outcome.IDLE_TIMEOUT, None, 200, "idle_timeout"),
    ],
)
def test_the_type_of_an_error(outcome: Outcome | None, error: Exception | None, code: int, expected: str) -> None:
    """The outcome where there is one, else what ended the request; what a caller did wrong is no error here."""
    assert error_type(outcome, error, code) == expected


async def _silence(_upstream: Upstream, _scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def _one_event(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, chunk("Hi"))
    await asyncio.Event().wait()


_REPORTED = b'data: {"error":{"message":"no","code":429}}\n\n'


@pytest.mark.parametrize(
    "handler, settings, status, outcome",
    [
        (says(*WHOLE), {}, 200, "completed"),
        (says(chunk("Hi")), {}, 200, "upstream_truncated"),
        (says(chunk("Hi"), _REPORTED), {}, 200, "upstream_error"),
        (says(_REPORTED), {}, 429, "upstream_error"),
        (says(chunk("Hi"), chunk("x" * 4096)), {"max_event_bytes": 1024}, 200, "too_large"),
        (_silence, {"first_event_timeout_seconds": 0.05}, 504, "first_event_timeout"),
        (_one_event, {"idle_timeout_seconds": 0.05}, 200, "idle_timeout"),
        (_one_event, {"total_timeout_seconds": 0.05}, 200, "total_timeout"),
    ],
)
async def test_an_outcome_is_told_beside_the_status(
    handler: Handler, settings: dict[str, Any], status: int, outcome: str
) -> None:
    """A stream that fails behind its 200 is a failed span all the same."""
    async with traced(handler, **settings) as proxy:
        async with chat(proxy.port) as call:
            await call.rest()
        span = await _span(proxy)
        assert await proxy.outcome() == outcome
    _tells(span, status, outcome)


async def test_a_client_that_leaves_makes_no_failed_span() -> None:
    """It is told as the outcome; what was never sent has no status."""
    async with traced(_one_event) as proxy:
        async with chat(proxy.port) as call:
            await call.until(b"Hi")
        span = await _span(proxy)
    assert span.status.status_code is _FINE
    assert attributes(span)["sse_proxy.outcome"] == "client_disconnected"
    assert attributes(span)["http.response.status_code"] == 200


async def test_a_client_that_leaves_before_the_answer_has_no_status() -> None:
    """499 is a word for logs and metrics; nobody was sent it."""
    async with traced(_silence) as proxy:
        async with chat(proxy.port):
            await proxy.upstream.arrived.wait()
        span = await _span(proxy)
    assert span.status.status_code is _FINE
    assert attributes(span)["sse_proxy.outcome"] == "client_disconnected"
    assert "http.response.status_code" not in attributes(span)


async def test_a_client_that_leaves_in_its_upload_has_an_outcome() -> None:
    """Nothing of the answer had begun, not even to be decided."""
    fields = {"Content-Type": "application/json", "Content-Length": "100"}
    async with traced(_silence) as proxy:
        async with calling(proxy.port, "POST", "/v1/chat/completions", headers=fields, body=None) as call:
            await call.write(b'{"stream"')
            await until(lambda: bool(proxy.recorder.begun))
        span = await _span(proxy)
    assert span.status.status_code is _FINE
    assert attributes(span)["sse_proxy.outcome"] == "client_disconnected"
    assert "http.response.status_code" not in attributes(span)


async def test_a_drained_stream_is_a_failed_span() -> None:
    """Its span is there when the stream has ended, so before the process does."""
    async with traced(_one_event) as proxy:
        async with chat(proxy.port) as call:
            await call.until(b"Hi")
            proxy.lifecycle.cut_all()
            await call.rest()
        span = await _span(proxy)
    _tells(span, 200, "drained")


async def test_a_refused_stream_is_a_failed_span() -> None:
    """Of a proxy that is full; the caller did nothing wrong."""
    async with traced(_one_event, max_streams=1) as proxy, chat(proxy.port) as first:
        await first.until(b"Hi")
        async with chat(proxy.port) as second:
            assert (await second.answer()).status == 503
        span = await _span(proxy)
    _tells(span, 503, "rejected", known=False)
    assert span.name == "POST /chat/completions"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_upstream_that_is_not_there(stream: bool) -> None:
    """502, whether a stream was asked for or not."""
    recorder = Recorder()
    app = create_app(Settings(upstream=f"http://127.0.0.1:{free_port()}"), tracer_provider=recorder.provider)
    async with served(app) as port:
        async with chat(port, stream=stream) as call:
            assert (await call.answer()).status == 502
        await until(lambda: bool(recorder.spans))
    _tells(recorder.only(), 502, "upstream_error")


async def test_an_ordinary_answer_that_is_late() -> None:
    """A 504 says the same of a request that wanted no stream."""
    async with traced(_silence, first_event_timeout_seconds=0.05) as proxy:
        async with chat(proxy.port, stream=False) as call:
            assert (await call.answer()).status == 504
        span = await _span(proxy)
    _tells(span, 504, "first_event_timeout")


@pytest.mark.parametrize("status, failure", [(404, None), (500, "upstream_error"), (503, "upstream_error")])
async def test_the_upstreams_own_status(status: int, failure: str | None) -> None:
    """5xx is a failed span, as OpenTelemetry has it for servers; 4xx is not."""
    async with traced(says(b"no", content_type="text/plain", status=status)) as proxy:
        await ask(proxy.port, "GET", "/x")
        span = await _span(proxy)
    assert attributes(span).get("error.type") == failure
    assert (span.status.status_code is _FAILED) is (failure is not None)


async def test_an_answer_of_the_gates_is_a_span() -> None:
    """401: nothing below the gate saw it."""
    async with traced(says(*WHOLE), max_request_bytes=10) as proxy:
        async with chat(proxy.port) as call:
            assert (await call.answer()).status == 413
        span = await _span(proxy)
    assert (attributes(span)["sse_proxy.route"], span.status.status_code) == ("gate", _FINE)
    assert "error.type" not in attributes(span)


async def test_a_trace_is_gone_without_the_garbage_collector() -> None:
    """Whole or left, cut or refused: it is in no cycle with its scope, nor with the error that it was told."""
    gc.collect()
    gc.disable()
    try:
        async with traced(_by_path, max_request_bytes=500) as proxy:
            for target in ("/whole", "/silent", "/broken"):
                async with chat(proxy.port, f"{target}/chat/completions") as call:
                    await (call.until(b"Hi") if target == "/silent" else call.rest())
            async with chat(proxy.port, text="x" * 500) as call:
                assert (await call.answer()).status == 413
            await until(lambda: len(proxy.recorder.spans) == 4)
            await until(lambda: not any(isinstance(one, SpanTrace) for one in gc.get_objects()))
    finally:
        gc.enable()


async def _by_path(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"].startswith("/silent"):
        await _one_event(upstream, scope, receive, send)
    await says(*(WHOLE if scope["path"].startswith("/whole") else WHOLE[:1]))(upstream, scope, receive, send)


async def _span(proxy: Traced) -> ReadableSpan:
    await until(lambda: bool(proxy.recorder.spans))
    return proxy.recorder.only()


def _tells(span: ReadableSpan, status: int, outcome: str, *, known: bool = True) -> None:
    """It has *status* and *outcome* (*known* where a response had it), and failed unless that is ``completed``."""
    found = attributes(span)
    assert found["http.response.status_code"] == status
    assert found.get("sse_proxy.outcome") == (outcome if known else None)
    fine = outcome == "completed"
    assert span.status.status_code is (_FINE if fine else _FAILED)
    assert found.get("error.type") == (None if fine else outcome)
    assert span.status.description is None
