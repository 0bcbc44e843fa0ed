"""Shared parts of the tracing tests: the real SDK with its spans in memory, and the proxy with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler

from sse_proxy import Settings, create_app
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.prometheus import PrometheusMetrics

from .streaming import DONE, Handler, Proxy, Running, Upstream, body, chunk, served, start

__all__ = ["PARENT", "SAMPLED", "TRACE", "WHOLE", "Recorder", "Traced", "attributes", "parent_of", "says", "traced"]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
#: Headers of a caller whose span is recorded.
SAMPLED: Mapping[str, str] = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
#: A chat stream that is whole.
WHOLE = (chunk("Hi"), chunk("", finish="stop"), DONE)


class _Beginnings(SpanProcessor):
    """Adds the names of spans that begin to *begun*."""

    def __init__(self, begun: list[str]) -> None:
        self._begun = begun

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self._begun.append(span.name)


@dataclass
class Recorder:
    """A provider whose finished spans are kept; *sampler*: None is the SDK's own default."""

    sampler: Sampler | None = None
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    provider: TracerProvider = field(init=False)
    #: The names that spans had when they began.
    begun: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.provider = TracerProvider(sampler=self.sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(_Beginnings(self.begun))
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """In the order in which they ended."""
        return self.exporter.get_finished_spans()

    def only(self) -> ReadableSpan:
        """The one that there is."""
        [span] = self.spans
        return span


@dataclass
class Traced(Running):
    """A proxy with traces in front of a scripted upstream."""

    recorder: Recorder


@asynccontextmanager
async def traced(handler: Handler, recorder: Recorder | None = None, **settings: Any) -> AsyncIterator[Traced]:
    """The proxy with *settings* in front of an upstream that runs *handler*."""
    upstream, recorder = Upstream(handler), recorder or Recorder()
    metrics, lifecycle = PrometheusMetrics(), Lifecycle()
    async with served(upstream) as upstream_port:
        chosen = Settings(upstream=f"http://127.0.0.1:{upstream_port}", **settings)
        app = create_app(chosen, metrics=metrics, lifecycle=lifecycle, tracer_provider=recorder.provider)
        async with served(app, send_buffer_bytes=chosen.client_send_buffer_bytes) as port:
            proxy = Traced(port, metrics, lifecycle, upstream, recorder)
            yield proxy
            await Proxy.idle(proxy)


def says(*pieces: bytes, content_type: str = "text/event-stream", status: int = 200) -> Handler:
    """A handler that answers with *pieces*."""

    async def handler(_upstream: Upstream, _scope: Any, _receive: Any, send: Any) -> None:
        await start(send, content_type, status)
        for piece in pieces:
            await body(send, piece)
        await body(send, b"", more=False)

    return handler


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Its attributes, as a plain dict."""
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> tuple[str, str] | None:
    """Trace id and span id of its parent; None of a root."""
    if span.parent is None:
        return None
    return f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}"
