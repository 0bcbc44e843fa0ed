"""`metrics_app` in the applications that mount it, and the default metrics behind it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from sse_proxy.metrics import metrics_app
from sse_proxy.metrics.prometheus import PrometheusMetrics, default_metrics

_ROOT = Path(__file__).resolve().parent.parent


def _client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver", follow_redirects=True)


def _fastapi(app: ASGIApp) -> ASGIApp:
    outer = FastAPI()
    outer.mount("/metrics", app)
    return outer


def _starlette(app: ASGIApp) -> ASGIApp:
    return Starlette(routes=[Mount("/metrics", app)])


@pytest.mark.parametrize("mount", [_fastapi, _starlette])
@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
async def test_mounted_metrics_are_served(mount: Callable[[ASGIApp], ASGIApp], path: str) -> None:
    """Mounted at /metrics, with and without the final slash, the app shows the metrics that it was given."""
    metrics = PrometheusMetrics()
    metrics.request("proxy", 200)
    async with _client(mount(metrics_app(metrics))) as client:
        response = await client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'sse_proxy_requests_total{code="200",route="proxy"} 1.0\n' in response.text


async def test_the_format_is_negotiated() -> None:
    """``Accept`` chooses the format, also when it comes in several fields."""
    headers = [("Accept", "text/html"), ("Accept", "application/openmetrics-text; version=1.0.0")]
    async with _client(metrics_app(PrometheusMetrics())) as client:
        client.headers.clear()
        response = await client.get("/", headers=headers)
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert response.text.endswith("# EOF\n")


@pytest.mark.parametrize("method, status", [("HEAD", 200), ("POST", 405)])
async def test_other_methods_are_told_apart(method: str, status: int) -> None:
    """HEAD is answered as GET is; what would change something is refused."""
    async with _client(metrics_app(PrometheusMetrics())) as client:
        assert (await client.request(method, "/")).status_code == status


async def test_without_metrics_the_default_ones_are_shown() -> None:
    """What the process counted by default shows up, beside what else is in prometheus_client's registry."""
    default_metrics().request("default-route", 200)
    async with _client(metrics_app()) as client:
        text = (await client.get("/")).text
    assert 'sse_proxy_requests_total{code="200",route="default-route"}' in text
    assert "python_info{" in text


_LAZY = """
from prometheus_client import REGISTRY
from sse_proxy.metrics import metrics_app
from sse_proxy.metrics.prometheus import default_metrics
metrics_app()
assert REGISTRY.get_sample_value("sse_proxy_streams_active") is None
assert default_metrics() is default_metrics()
assert REGISTRY.get_sample_value("sse_proxy_streams_active") == 0
"""


def test_nothing_is_registered_before_it_is_asked_for() -> None:
    """Neither the import nor `metrics_app` registers a series; the first use does, once."""
    subprocess.run([sys.executable, "-c", _LAZY], cwd=_ROOT, check=True)
