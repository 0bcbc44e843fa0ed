"""`Tracing` by OpenTelemetry's API: one span a request, with an event for the first event and one for the end.

Times are those of one clock: the wall clock at the beginning, and seconds of the monotonic one since. So the events of
a span lie within it though somebody sets the clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider
from starlette.types import Scope

from ..core.headers import RawHeaders
from ..core.requests import RequestFacts
from ..core.target import own_path
from ..errors import ClientLeft, Outcome
from ..metrics.base import StreamReport
from ..version import version
from . import attributes
from .base import NULL_TRACE, Trace

__all__ = ["SpanTrace", "SpanTracing"]

#: Load balancers ask these every few seconds, and nobody looks at the answers in traces.
_PROBES = frozenset({"/-/sse-proxy/healthz", "/-/sse-proxy/readyz"})
#: In place of routes that hold a stream's id.
_STREAMS = "/-/sse-proxy/streams"
#: nginx's code for a client that left before there was a status: nobody was sent it.
_NO_STATUS = 499


class SpanTracing:
    """`Tracing` by *provider*; None: by the global one, also by one that is set later.

    Which headers tell the parent is OpenTelemetry's own setting (``OTEL_PROPAGATORS``, `propagate.set_global_textmap`):
    ``traceparent`` and ``tracestate`` unless it says otherwise.
    """

    def __init__(self, provider: TracerProvider | None) -> None:
        self._tracer = trace.get_tracer("sse_proxy", version(), tracer_provider=provider)

    def begin(self, scope: Scope) -> Trace:
        _, path = own_path(scope)
        if path in _PROBES:
            return NULL_TRACE
        # One SERVER span a request: somebody else's, around us, is it already, and then ours is a part of it.
        inside = trace.get_current_span().get_span_context().is_valid
        span = self._tracer.start_span(
            attributes.span_name(scope, None),
            context=None if inside else propagate.extract(scope["headers"], getter=_HEADERS),
            kind=SpanKind.INTERNAL if inside else SpanKind.SERVER,
            attributes=attributes.at_start(scope),
            start_time=(began := time.time_ns()),
        )
        return SpanTrace(span, scope, path, began)


class SpanTrace:
    """`Trace` as *span* of the request of *scope* for *path*, which *began* then, in nanoseconds of the wall clock."""

    __slots__ = ("_began", "_error", "_facts", "_offset", "_outcome", "_path", "_scope", "_span")

    def __init__(self, span: trace.Span, scope: Scope, path: str, began: int) -> None:
        self._span = span
        #: None when the trace has ended: the scope holds the trace, and no garbage collector shall have to find them.
        self._scope: Scope | None = scope
        self._path = path
        self._began = began
        self._offset = began - time.monotonic_ns()
        self._facts: RequestFacts | None = None
        self._outcome: Outcome | None = None
        self._error: Exception | None = None

    def exemplar(self, headers: RawHeaders) -> Mapping[str, str] | None:  # noqa: ARG002  ours is the better one
        context = self._span.get_span_context()
        if not context.trace_flags.sampled:
            return None
        return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}

    def answered(
        self, facts: RequestFacts, outcome: Outcome | None, *, numbers: StreamReport | None, model: str
    ) -> None:
        self._facts, self._outcome = facts, outcome
        if not self._span.is_recording():
            return
        dialect = facts.dialect.name if numbers is None else numbers.dialect
        found = attributes.of_model(dialect, self._path, facts, model)
        if numbers is not None and outcome is not None:
            self._tell_events(numbers)
            found |= attributes.of_stream(numbers, is_model=bool(found))
        self._span.set_attributes(found)

    def failed(self, error: Exception) -> None:
        if self._scope is not None:
            self._error = error

    def end(self, code: int) -> None:
        if self._scope is None:
            return
        scope, self._scope = self._scope, None
        error, self._error = self._error, None  # its traceback leads back to here
        if self._span.is_recording():
            self._tell_end(scope, error, code)
        self._span.end(self._now())

    @contextmanager
    def current(self) -> Iterator[None]:
        try:
            with trace.use_span(self._span, record_exception=False, set_status_on_exception=False):
                yield
        except Exception as error:
            self.failed(error)
            raise
        finally:
            self.end(_NO_STATUS)

    def _now(self) -> int:
        return self._offset + time.monotonic_ns()

    def _tell_events(self, numbers: StreamReport) -> None:
        now = self._now()
        if numbers.first_event_seconds is not None:
            ago = numbers.duration_seconds - numbers.first_event_seconds
            self._span.add_event("sse_proxy.first_event", timestamp=max(self._began, now - round(ago * 1e9)))
        self._span.add_event("sse_proxy.end", {"sse_proxy.outcome": str(numbers.outcome)}, timestamp=now)

    def _tell_end(self, scope: Scope, error: Exception | None, code: int) -> None:
        if isinstance(error, ClientLeft) and self._outcome is None:
            self._outcome = error.outcome
        reserved = self._path.startswith(_STREAMS)
        facts = self._facts or scope.get("sse_proxy.facts")  # who is refused is not answered
        route = _STREAMS if reserved else attributes.route_of(scope, self._path, facts)
        failure = attributes.error_type(self._outcome, error, code)
        identity = scope.get("sse_proxy.request_id")
        known = {
            "http.route": route,
            "http.response.status_code": None if code == _NO_STATUS else code,
            "http.response.header.x-request-id": None if identity is None else [identity],  # the conventions' form
            "sse_proxy.route": scope.get("sse_proxy.route"),
            "sse_proxy.outcome": None if self._outcome is None else self._outcome.value,
            "error.type": failure,
        }
        self._span.set_attributes({name: value for name, value in known.items() if value is not None})
        self._span.update_name(attributes.span_name(scope, route))
        if failure is not None:
            self._span.set_status(Status(StatusCode.ERROR))


class _Headers(Getter[RawHeaders]):
    """Reads the headers of an ASGI scope, whose names are in lower case."""

    def get(self, carrier: RawHeaders, key: str) -> list[str] | None:
        name = key.lower().encode("latin-1")
        return [value.decode("latin-1") for found, value in carrier if found == name] or None

    def keys(self, carrier: RawHeaders) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


_HEADERS = _Headers()
