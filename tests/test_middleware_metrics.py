"""The app's own ``/metrics``: streams of one process, and of several workers added up; those of sse-starlette too."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from starlette.responses import Response, StreamingResponse

from sse_proxy import SSEMiddleware, metrics_app
from sse_proxy.metrics.prometheus import PrometheusMetrics

from .conftest import free_port
from .middleware_apps import Reading, hosted, reading
from .streaming import DONE, GENEROUS_SECONDS, chunk

_ROOT = Path(__file__).resolve().parent.parent


async def _scrape(client: httpx.AsyncClient) -> list[Sample]:
    """What ``/metrics`` says."""
    answer = await client.get("/metrics", follow_redirects=True)
    return [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]


def _sum(samples: list[Sample], name: str, **labels: str) -> float:
    found = (sample for sample in samples if sample.name == name and labels.items() <= sample.labels.items())
    return sum(sample.value for sample in found)


async def _value(client: httpx.AsyncClient, name: str, **labels: str) -> float:
    return _sum(await _scrape(client), name, **labels)


@pytest.mark.parametrize("own_registry", [False, True], ids=["the process's", "an own one"])
async def test_mounted_metrics_show_the_streams(own_registry: bool) -> None:
    """``app.mount("/metrics", metrics_app())``: open streams, finished ones, their events and tokens."""
    metrics = PrometheusMetrics(CollectorRegistry()) if own_registry else None
    go = asyncio.Event()
    app = FastAPI()
    app.add_middleware(SSEMiddleware, metrics=metrics)
    app.mount("/metrics", metrics_app(metrics))

    @app.post("/v1/chat/completions")
    async def chat() -> Response:
        async def events() -> AsyncIterator[bytes]:
            yield chunk("Hi")
            await asyncio.wait_for(go.wait(), GENEROUS_SECONDS)
            yield chunk("", finish="stop")
            yield b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
            yield DONE

        return StreamingResponse(events(), media_type="text/event-stream")

    completed = {"outcome": "completed"}
    wanted: list[tuple[str, dict[str, str], float]] = [
        ("sse_proxy_requests_total", {"route": "openai_chat", "code": "200"}, 1),
        ("sse_proxy_streams_total", completed, 1),
        ("sse_proxy_stream_duration_seconds_count", completed, 1),
        ("sse_proxy_events_total", {"dialect": "openai_chat"}, 4),
        ("sse_proxy_tokens_total", {}, 4),
        ("sse_proxy_time_to_first_event_seconds_count", {}, 1),
        ("sse_proxy_inter_event_seconds_count", {}, 3),
    ]
    async with (
        hosted(app) as host,
        httpx.AsyncClient(base_url=host.url, trust_env=False, timeout=GENEROUS_SECONDS) as client,
    ):
        before = await _scrape(client)
        async with reading(client, "POST", "/v1/chat/completions", json={"stream": True}) as answer:
            await answer.until("Hi")
            assert await _value(client, "sse_proxy_streams_active") == 1
            go.set()
            await answer.rest()
        async with asyncio.timeout(GENEROUS_SECONDS):
            while host.running:
                await asyncio.sleep(0.005)
        after = await _scrape(client)
        assert _sum(after, "sse_proxy_streams_active") == 0
        grown = {name: _sum(after, name, **labels) - _sum(before, name, **labels) for name, labels, _ in wanted}
        assert grown == {name: growth for name, _, growth in wanted}


@asynccontextmanager
async def _two_workers(multiprocess_dir: Path) -> AsyncIterator[str]:
    """``uvicorn --workers 2`` with the app of tests/middleware_worker.py; its URL."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SSE_PROXY_")}
    environment["PROMETHEUS_MULTIPROC_DIR"] = str(multiprocess_dir)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "tests.middleware_worker:app", "--workers", "2", "--port", str(port)),
        *("--log-level", "warning", "--timeout-graceful-shutdown", "1"),
        cwd=_ROOT,
        env=environment,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        async with asyncio.timeout(GENEROUS_SECONDS):
            await process.wait()


async def _open(stack: AsyncExitStack, url: str, wait_seconds: float) -> tuple[str, Reading]:
    """Open a stream on a connection of its own: the worker that serves it, and the response, open while it is kept."""
    connection = httpx.AsyncClient(base_url=url, trust_env=False, timeout=GENEROUS_SECONDS)
    client = await stack.enter_async_context(connection)
    answer = await stack.enter_async_context(reading(client, "GET", f"/stream?wait_seconds={wait_seconds}"))
    text = await answer.until("\n\n")
    assert text.startswith("event: pid\nretry: 5000\ndata: ")
    return text.partition("data: ")[2].partition("\n")[0], answer


async def test_the_streams_of_two_workers_are_added_up(tmp_path: Path) -> None:
    """Whichever worker is scraped, it tells of both; sse-starlette's streams become canonical, pings and all."""
    # Each request on a connection of its own: any worker may answer, and none closes an idle one under us.
    once = httpx.Limits(max_keepalive_connections=0)
    async with (
        _two_workers(tmp_path) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=GENEROUS_SECONDS, limits=once) as client,
    ):
        async with asyncio.timeout(GENEROUS_SECONDS):
            while not await _answers(client):
                await asyncio.sleep(0.05)
        async with AsyncExitStack() as stack:
            opened: list[tuple[str, Reading]] = []
            while len({worker for worker, _ in opened}) < 2 or len(opened) < 4:
                assert len(opened) < 200
                opened.append(await _open(stack, url, wait_seconds=GENEROUS_SECONDS * 2))
                headers = opened[-1][1].response.headers
                assert headers["cache-control"] == "no-cache, no-transform, no-store"
                assert "connection" not in headers
            assert await _value(client, "sse_proxy_streams_active") == len(opened)
        await _until(client, len(opened), "sse_proxy_streams_total", outcome="client_disconnected")
        await _until(client, len(opened), "app_cleaned_total")
        assert await _value(client, "sse_proxy_streams_active") == 0
        answer = await client.get("/stream?wait_seconds=1.5")
        head, _, rest = answer.text.partition("\n\n")
        assert head.startswith("event: pid\nretry: 5000\ndata: ")
        assert rest in {": ping\n\ndata: one\ndata: two\n\n", ": ping\n\n: ping\n\ndata: one\ndata: two\n\n"}
        assert await _value(client, "sse_proxy_streams_total", outcome="completed") == 1
        assert await _value(client, "sse_proxy_repairs_total", kind="line_endings") > 0


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/metrics/")).status_code == 200
    except httpx.TransportError:
        return False


async def _until(client: httpx.AsyncClient, wanted: float, name: str, **labels: str) -> None:
    async with asyncio.timeout(GENEROUS_SECONDS):
        while await _value(client, name, **labels) != wanted:
            await asyncio.sleep(0.02)
