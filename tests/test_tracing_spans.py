"""`tracing.spans`: whose child a span is, when it begins and ends, and what it says, by the real SDK."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode
from starlette.types import Receive, Scope, Send

from sse_proxy.core.dialects import DIALECTS
from sse_proxy.tracing import attributes as attributes_of_spans

from .streaming import DONE, Upstream, body, chunk, event, start, until
from .tracing import PARENT, SAMPLED, TRACE, WHOLE, Recorder, Traced, attributes, parent_of, says, traced
from .wire import ask, calling, chat


async def _asked(proxy: Traced, target: str = "/v1/chat/completions", **document: Any) -> bytes:
    """One stream, read to its end, and its span ended."""
    async with chat(proxy.port, target, **document) as call:
        received = await call.rest()
    await until(lambda: bool(proxy.recorder.spans))
    return received


async def test_a_stream_is_one_span_below_the_callers() -> None:
    """SERVER, in the caller's trace, its state kept; the upstream gets both headers as they came."""
    async with traced(says(*WHOLE)) as proxy:
        await _asked(proxy, headers={**SAMPLED, "tracestate": "vendor=value"})
        [asked] = proxy.upstream.requests
    span = proxy.recorder.only()
    assert parent_of(span) == (TRACE, PARENT)
    assert span.kind is SpanKind.SERVER
    context = span.get_span_context()
    assert context is not None
    assert context.trace_state.get("vendor") == "value"
    headers = dict(asked["headers"])
    assert (headers[b"traceparent"], headers[b"tracestate"]) == (SAMPLED["traceparent"].encode(), b"vendor=value")


async def test_no_header_is_made_for_the_upstream() -> None:
    """What the caller did not send, the upstream does not get."""
    async with traced(says(*WHOLE)) as proxy:
        await _asked(proxy)
        [asked] = proxy.upstream.requests
    assert b"traceparent" not in dict(asked["headers"])
    assert parent_of(proxy.recorder.only()) is None


@pytest.mark.parametrize("value", ["", "garbage", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01"])
async def test_a_malformed_parent_begins_a_new_trace(value: str) -> None:
    """W3C Trace Context § 3.2: it is as if there were none."""
    async with traced(says(*WHOLE)) as proxy:
        await _asked(proxy, headers={"traceparent": value})
    assert parent_of(proxy.recorder.only()) is None


@pytest.mark.parametrize("sampler", [None, ParentBased(ALWAYS_OFF), ParentBased(TraceIdRatioBased(0.5))])
@pytest.mark.parametrize("sampled", [True, False])
async def test_the_callers_decision_is_kept(sampler: Any, sampled: bool) -> None:
    """A sampler that asks the parent, as the SDK's own does, records what the caller records, and nothing else."""
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-0{int(sampled)}"}
    async with traced(says(*WHOLE), Recorder(sampler)) as proxy:
        async with chat(proxy.port, headers=headers) as call:
            await call.rest()
        await proxy.idle()
        await until(lambda: proxy.value('requests_total{code="200",route="openai_chat"}') == 1)
    assert len(proxy.recorder.spans) == int(sampled)


async def test_a_stream_tells_the_model_and_its_tokens() -> None:
    """What was asked, what answered, and the usage that the upstream reported; nothing that was said."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"prompt_tokens_details":'
    usage += b'{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":1}}}\n\n'
    pieces = (chunk("secret answer"), chunk("", finish="stop"), usage, DONE)
    async with traced(says(*pieces)) as proxy:
        headers = {"X-Request-Id": "of-the-client", "Authorization": "Bearer secret"}
        await _asked(
            proxy,
            "/v1/chat/completions?key=secret",
            headers=headers,
            model="gpt-x",
            n=1,
            user="secret",
            messages=[{"role": "user", "content": "secret prompt"}],
        )
        bytes_in = sum(map(len, pieces))
    span = proxy.recorder.only()
    found = attributes(span)
    waited = found.pop("sse_proxy.time_to_first_event_seconds")
    assert waited > 0
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-x",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "m",
        "gen_ai.response.time_to_first_chunk": waited,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "http.request.method": "POST",
        "http.response.header.x-request-id": ("of-the-client",),
        "http.response.status_code": 200,
        "http.route": "/chat/completions",
        "network.protocol.version": "1.1",
        "sse_proxy.bytes_in": bytes_in,
        "sse_proxy.bytes_out": bytes_in,
        "sse_proxy.dialect": "openai_chat",
        "sse_proxy.events": 4,
        "sse_proxy.heartbeats": 0,
        "sse_proxy.outcome": "completed",
        "sse_proxy.repairs": 0,
        "sse_proxy.route": "openai_chat",
        "url.scheme": "http",
    }
    assert "secret" not in span.to_json()
    assert (span.name, span.status.status_code) == ("POST /chat/completions", StatusCode.UNSET)


async def test_the_events_of_a_span_are_the_first_event_and_the_end() -> None:
    """In this order, as far apart as they were, and within the span; heartbeats before and between are none."""
    silence_seconds = 0.05
    seen = asyncio.Event()

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await event(upstream.go)
        await body(send, WHOLE[0])
        await event(seen)
        await asyncio.sleep(silence_seconds)
        await body(send, b"".join(WHOLE[1:]), more=False)

    before = time.time_ns()
    async with traced(handler, commit_after_seconds=0.01) as proxy:
        async with chat(proxy.port) as call:
            await call.until(b": ping\n")
            proxy.upstream.go.set()
            await call.until(WHOLE[0])
            seen.set()
            await call.rest()
        await until(lambda: bool(proxy.recorder.spans))
    span = proxy.recorder.only()
    first, end = span.events
    assert (first.name, end.name) == ("sse_proxy.first_event", "sse_proxy.end")
    assert dict(end.attributes or {}) == {"sse_proxy.outcome": "completed"}
    assert span.start_time is not None
    assert span.end_time is not None
    assert before <= span.start_time < first.timestamp <= end.timestamp <= span.end_time <= time.time_ns()
    found = attributes(span)
    assert found["sse_proxy.heartbeats"] >= 1
    assert end.timestamp - first.timestamp >= silence_seconds * 0.9e9  # whatever the machine does besides
    # The span begins with the head of the request, the measured time when the request has been read.
    assert (first.timestamp - span.start_time) / 1e9 >= found["gen_ai.response.time_to_first_chunk"] - 0.001


async def test_an_ordinary_request_is_a_span_too() -> None:
    """Without numbers of a stream; the model's name is told only where the body was looked into."""
    async with traced(says(b"{}", content_type="application/json")) as proxy:
        async with chat(proxy.port, stream=False, model="gpt-x") as call:
            await call.rest()
        await ask(proxy.port, "GET", "/v1/models/secret-name")
        await until(lambda: len(proxy.recorder.spans) == 2)
    answer, models = proxy.recorder.spans
    assert (answer.name, models.name) == ("POST /chat/completions", "GET")
    assert not [name for name in attributes(answer) if name.startswith(("gen_ai.usage", "sse_proxy.events"))]
    assert attributes(answer)["gen_ai.operation.name"] == "chat"
    assert attributes(models)["sse_proxy.route"] == "other"
    assert not answer.events
    assert "secret" not in models.to_json()


async def test_a_stream_request_with_an_ordinary_answer_has_no_numbers() -> None:
    """A 429 in JSON is the caller's to handle: no failed span."""
    async with traced(says(b'{"error":{}}', content_type="application/json", status=429)) as proxy:
        await _asked(proxy)
    span = proxy.recorder.only()
    assert (attributes(span)["http.response.status_code"], span.status.status_code) == (429, StatusCode.UNSET)
    assert not {"error.type", "sse_proxy.events", "gen_ai.request.stream"} & attributes(span).keys()


async def test_probes_are_not_traced() -> None:
    """Load balancers ask them all the time; a name that is no probe is an ordinary 404."""
    async with traced(says(*WHOLE)) as proxy:
        for name in ("healthz", "readyz", "nothing"):
            await ask(proxy.port, "GET", f"/-/sse-proxy/{name}")
        await until(lambda: bool(proxy.recorder.spans))
    found = attributes(proxy.recorder.only())
    assert (found["http.response.status_code"], found["sse_proxy.route"]) == (404, "gate")
    assert "error.type" not in found


async def test_a_bridge_is_traced_under_its_own_route() -> None:
    """The client's method and path, and the model that the bridge asked for."""
    pair = "/chat/stream=/v1/chat/completions"
    async with traced(says(*WHOLE), bridge=pair, bridge_model="of-the-bridge") as proxy:
        async with calling(proxy.port, "GET", "/chat/stream?prompt=secret") as call:
            await call.rest()
        await until(lambda: bool(proxy.recorder.spans))
    span = proxy.recorder.only()
    assert span.name == "GET /chat/stream"
    assert attributes(span)["gen_ai.request.model"] == "of-the-bridge"
    assert "secret" not in span.to_json()


async def test_readers_of_a_kept_stream_have_spans_of_their_own() -> None:
    """One a request, of which only the first is the generation's; no id of a stream is told."""
    async with traced(says(*WHOLE), resume="memory") as proxy:
        async with chat(proxy.port, headers={"X-SSE-Resume": "on", **SAMPLED}) as call:
            await call.rest()
        location = call.headers["location"]
        answer = await ask(proxy.port, "GET", location)
        assert answer.status == 200
        await until(lambda: len(proxy.recorder.spans) == 2)
    generation, reader = proxy.recorder.spans
    assert (parent_of(generation), parent_of(reader)) == ((TRACE, PARENT), None)
    assert reader.name == "GET /-/sse-proxy/streams"
    assert attributes(reader)["sse_proxy.route"] == "resume"
    assert "gen_ai.operation.name" not in attributes(reader)
    assert location.rpartition("/")[2] not in reader.to_json() + generation.to_json()


@pytest.mark.parametrize(
    "target, operation",
    [("/api/chat", "chat"), ("/api/generate", "text_completion"), ("/bridge", None)],
)
async def test_the_operation_is_told_only_where_it_is_known(target: str, operation: str | None) -> None:
    """One dialect may have several; a bridge's own path does not say which."""
    pieces = (b'{"model":"of-the-server","done":false}\n', b'{"done":true,"prompt_eval_count":3,"eval_count":4}\n')
    upstream = says(*pieces, content_type="application/x-ndjson")
    async with traced(upstream, bridge="/bridge=/api/generate", bridge_model="m") as proxy:
        await _asked(proxy, target, prompt="x")
    found = attributes(proxy.recorder.only())
    assert found.get("gen_ai.operation.name") == operation
    assert (found["gen_ai.provider.name"], found["gen_ai.response.model"]) == ("ollama", "of-the-server")
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (3, 4)


def test_operations_are_those_of_known_dialects() -> None:
    """A name that no dialect has would be a row that nothing finds."""
    assert {row[0] for row in attributes_of_spans._OPERATIONS} <= {dialect.name for dialect in DIALECTS}  # noqa: SLF001


async def test_models_of_any_length_are_cut() -> None:
    """The name is the caller's own text. The answers that it asked for are counted, if there are several."""
    async with traced(says(*WHOLE)) as proxy:
        await _asked(proxy, model="x" * 10_000, n=3)
    found = attributes(proxy.recorder.only())
    assert (found["gen_ai.request.model"], found["gen_ai.request.choice.count"]) == ("x" * 256, 3)


async def test_an_unknown_method_has_the_conventions_word() -> None:
    """`_OTHER`, since a method is the caller's own text too."""
    async with traced(says(b"", content_type="text/plain")) as proxy:
        await ask(proxy.port, "PROPFIND", "/x")
        await until(lambda: bool(proxy.recorder.spans))
    span = proxy.recorder.only()
    assert (span.name, attributes(span)["http.request.method"]) == ("HTTP", "_OTHER")
