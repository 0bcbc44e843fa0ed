"""Where the parts meet: the proxy as an ASGI app, ``Gate(Router(SSEMiddleware(ReverseProxy)))``.

With ``resume`` there is a journal beside them: the middleware fills it, the router and the gate serve from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import httpx
from starlette.types import ASGIApp, Scope

from .core.admission import Admission
from .core.dialects import dialect_for
from .core.probing import PROBE
from .core.requests import RequestFacts
from .core.target import HOME
from .entrance import Entrance
from .errors import SSEProxyError
from .gate import Gate
from .lifecycle import Lifecycle
from .metrics.base import Metrics
from .metrics.prometheus import default_metrics
from .middleware import SSEMiddleware
from .playground import Playground
from .probe import Probe
from .proxy import ReverseProxy
from .replay.stores import open_journal
from .resume.attaching import Attaching
from .resume.endpoints import STREAMS, Endpoints
from .resume.resumption import Resumption
from .resume.seats import Seats
from .routing import Router
from .settings import Settings
from .tracing.opening import open_tracing
from .upstream import create_transport

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

__all__ = ["create_app"]

_CLOCK = time.monotonic


def create_app(
    settings: Settings,
    *,
    metrics: Metrics | None = None,
    lifecycle: Lifecycle | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    upstream_ready: Callable[[], bool] = lambda: True,
    tracer_provider: TracerProvider | None = None,
    menu: Mapping[str, object] | None = None,
) -> ASGIApp:
    """The proxy of *settings* as an ASGI app; its lifespan closes the transport, and the store of streams.

    Args:
        settings: With an ``upstream``.
        metrics: Where numbers go; None means the process's own Prometheus metrics (`metrics_app`).
        lifecycle: Open streams and drain state, shared with whoever drains; None makes one.
        transport: Towards the upstream; None makes one for ``settings.upstream``.
        upstream_ready: What ``/-/sse-proxy/readyz`` asks.
        tracer_provider: Of OpenTelemetry: where spans go; None: to the global one, if ``tracing`` is on.
        menu: What there is to try at the upstream, for the playground's page (`demo.menu`); None: nobody knows.

    Raises:
        ValueError: *settings* name no upstream, a file that cannot be used, or tracing without OpenTelemetry.
    """
    if settings.upstream is None:
        raise ValueError("upstream: not set, expected the LLM server's base URL")
    metrics = default_metrics() if metrics is None else metrics
    lifecycle = Lifecycle() if lifecycle is None else lifecycle
    transport = create_transport(settings, ledger=lifecycle.ledger) if transport is None else transport
    resumption = _resumption(settings, metrics, lifecycle)
    named = _named(settings, lifecycle, resumption)
    proxy, app = _behind_the_gate(settings, transport, resumption, metrics=metrics, lifecycle=lifecycle)
    if settings.playground:
        playground = Playground(settings, upstream=proxy, proxy=app, metrics=metrics, lifecycle=lifecycle, menu=menu)
        app, named[HOME] = playground.app, playground
    return Gate(
        app,
        settings,
        lifecycle=lifecycle,
        metrics=metrics,
        upstream_ready=upstream_ready,
        tracing=open_tracing(enabled=settings.tracing, provider=tracer_provider),
        named=named,
        render=_render,
    )


def _behind_the_gate(
    settings: Settings,
    transport: httpx.AsyncBaseTransport,
    resumption: Resumption | None,
    *,
    metrics: Metrics,
    lifecycle: Lifecycle,
) -> tuple[ReverseProxy, ASGIApp]:
    """The reverse proxy alone, and with all that its streams have around them."""
    metrics.holds(lifecycle.ledger)
    proxy = ReverseProxy(settings, transport, on_shutdown=None if resumption is None else resumption.close)
    middleware = SSEMiddleware(
        proxy, settings=settings, metrics=metrics, lifecycle=lifecycle, resumption=resumption, owns_app=True
    )
    return proxy, Router(middleware, settings, None if resumption is None else resumption.attaching)


def _named(settings: Settings, lifecycle: Lifecycle, resumption: Resumption | None) -> dict[str, ASGIApp]:
    """Who answers for the reserved names that have an application of their own."""
    named: dict[str, ASGIApp] = {}
    if resumption is not None:
        named[STREAMS] = Endpoints(resumption.attaching, settings)
    if settings.probe:
        named[PROBE] = Probe(settings, lifecycle=lifecycle)
    return named


def _resumption(settings: Settings, metrics: Metrics, lifecycle: Lifecycle) -> Resumption | None:
    """What keeps streams, and who comes back to them; None where ``resume`` is off."""
    if settings.resume == "off":
        return None
    journal = open_journal(
        settings.resume,
        ttl_seconds=settings.resume_ttl_seconds,
        stream_bytes=settings.resume_stream_bytes,
        total_bytes=settings.resume_total_bytes,
        clock=_CLOCK,
        ledger=lifecycle.ledger,
    )
    metrics.keeps(lambda: journal.stats)
    entrance = Entrance(Admission.of(settings, lifecycle.ledger, lifecycle.lag), metrics)
    attaching = Attaching(journal, metrics=metrics, lifecycle=lifecycle, seats=Seats(entrance))
    return Resumption(journal, attaching, entrance=entrance, detach_seconds=settings.detach_seconds, clock=_CLOCK)


def _render(scope: Scope, error: SSEProxyError) -> bytes:
    facts: RequestFacts | None = scope.get("sse_proxy.facts")
    if facts is not None and facts.output == "native":  # a route may have told whose API this is
        return facts.voice.error_body(error)
    return dialect_for(scope["method"], scope["path"]).error_body(error)
