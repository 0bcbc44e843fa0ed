"""Where the parts meet: the proxy as an ASGI app, ``Gate(Router(SSEMiddleware(ReverseProxy)))``."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from starlette.types import ASGIApp, Scope

from .core.dialects import dialect_for
from .errors import SSEProxyError
from .gate import Gate
from .lifecycle import Lifecycle
from .metrics.base import Metrics
from .metrics.prometheus import default_metrics
from .middleware import SSEMiddleware
from .proxy import ReverseProxy
from .routing import Router
from .settings import Settings
from .upstream import create_transport

__all__ = ["create_app"]


def create_app(
    settings: Settings,
    *,
    metrics: Metrics | None = None,
    lifecycle: Lifecycle | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    upstream_ready: Callable[[], bool] = lambda: True,
) -> ASGIApp:
    """The proxy of *settings* as an ASGI app; its lifespan closes the transport.

    Args:
        settings: With an ``upstream``.
        metrics: Where numbers go; None means the process's own Prometheus metrics (`metrics_app`).
        lifecycle: Open streams and drain state, shared with whoever drains; None makes one.
        transport: Towards the upstream; None makes one for ``settings.upstream``.
        upstream_ready: What ``/-/sse-proxy/readyz`` asks.

    Raises:
        ValueError: *settings* name no upstream, or a file they name cannot be used.
    """
    if settings.upstream is None:
        raise ValueError("upstream: not set, expected the LLM server's base URL")
    metrics = default_metrics() if metrics is None else metrics
    lifecycle = Lifecycle() if lifecycle is None else lifecycle
    proxy = ReverseProxy(settings, create_transport(settings) if transport is None else transport)
    middleware = SSEMiddleware(proxy, settings=settings, metrics=metrics, lifecycle=lifecycle, owns_app=True)
    return Gate(
        Router(middleware, settings),
        settings,
        lifecycle=lifecycle,
        metrics=metrics,
        upstream_ready=upstream_ready,
        render=_render,
    )


def _render(scope: Scope, error: SSEProxyError) -> bytes:
    return dialect_for(scope["method"], scope["path"]).error_body(error)
