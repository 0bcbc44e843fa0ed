"""Metrics over HTTP: the app that users mount, and the answer to one scrape."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from .prometheus import PrometheusMetrics, default_metrics

__all__ = ["metrics_app", "scrape"]


def metrics_app(metrics: PrometheusMetrics | None = None) -> ASGIApp:
    """An ASGI app that answers GET and HEAD with *metrics* (None: `default_metrics`) at every path below its mount.

    ``app.mount("/metrics", metrics_app())``
    """

    async def endpoint(request: Request) -> Response:
        return await scrape(request, default_metrics() if metrics is None else metrics)

    return Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET"])])


async def scrape(request: Request, metrics: PrometheusMetrics) -> Response:
    """The answer to one scrape, in the format that its ``Accept`` asks for (RFC 9110 § 12.5.1)."""
    body, content_type = await metrics.render_off_loop(",".join(request.headers.getlist("accept")))
    # A header, not `media_type`: Starlette would add a charset of its own to "text/…".
    return Response(body, headers={"Content-Type": content_type})
