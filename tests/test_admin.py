"""The admin port: over real sockets where they matter, and without where a moment must be hit exactly."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Message, Scope

from sse_proxy.admin import MAX_DRAIN_WAIT_SECONDS, create_admin
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.prometheus import PrometheusMetrics
from sse_proxy.settings import Settings, SettingsError

from .conftest import LIMIT_SECONDS
from .metrics_threads import ThreadCollector


class _Stream:
    """A stream that must not be cut, unless it can end in a *lifecycle*."""

    def __init__(self, name: str, lifecycle: Lifecycle | None = None) -> None:
        self.name = name
        self.lifecycle = lifecycle

    def describe(self) -> dict[str, object]:
        return {"id": self.name, "events": 3}

    def cut(self) -> None:
        if self.lifecycle is None:
            raise AssertionError("the admin port never cuts a stream by itself")
        # As real ones, it ends soon, not at once.
        asyncio.get_running_loop().call_later(0.01, self.lifecycle.remove, self)


class _WatchedLifecycle(Lifecycle):
    """Tells when it was drained and refused, and for how long somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.drained = asyncio.Event()
        self.refusals: asyncio.Queue[None] = asyncio.Queue()
        self.waited: list[float] = []

    def drain(self) -> None:
        super().drain()
        self.drained.set()

    def refuse(self) -> None:
        super().refuse()
        self.refusals.put_nowait(None)

    async def wait_drained(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return await super().wait_drained(seconds)


@pytest.fixture
async def lifecycle() -> _WatchedLifecycle:
    """The lifecycle that the app under test turns."""
    return _WatchedLifecycle()


def _admin(
    lifecycle: Lifecycle,
    *,
    ready: bool = True,
    delay_seconds: float = 1000,
    token_file: Path | None = None,
    metrics: PrometheusMetrics | None = None,
    clock: Callable[[], float] = lambda: 0.0,
) -> ASGIApp:
    settings = Settings(upstream="http://127.0.0.1:9", drain_delay_seconds=delay_seconds, admin_token_file=token_file)
    return create_admin(
        settings, metrics=metrics or PrometheusMetrics(), lifecycle=lifecycle, upstream_ready=lambda: ready, clock=clock
    )


@asynccontextmanager
async def _serving(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A real uvicorn around *app*, and a client of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_level="warning", ws="none", lifespan="off")
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            async with httpx.AsyncClient(base_url=base_url, timeout=LIMIT_SECONDS, trust_env=False) as client:
                yield client
        finally:
            await server.shutdown(sockets=[listener])


async def _get(app: ASGIApp, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://admin") as client:
        return await client.request(method, path, headers=headers)


# Probes and metrics


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "path, body", [("/healthz", "ok"), ("/readyz", '{"status":"ready"}'), ("/-/streams", "[]"), ("/metrics", None)]
)
async def test_a_healthy_process_says_so(lifecycle: Lifecycle, method: str, path: str, body: str | None) -> None:
    """Everything that is asked for with GET is 200 when all is well; HEAD gets the same without the body."""
    async with _serving(_admin(lifecycle)) as client:
        response = await client.request(method, path)
    assert response.status_code == 200
    if method == "HEAD":
        assert response.text == ""
    elif body is not None:
        assert response.text == body


async def test_readiness_fails_with_its_reason_and_liveness_does_not(lifecycle: Lifecycle) -> None:
    """An upstream that is gone, or a drain, takes the process out of service but never has it restarted."""
    gone = await _get(_admin(lifecycle, ready=False), "/readyz")
    lifecycle.refuse()
    app = _admin(lifecycle)
    draining = await _get(app, "/readyz")
    assert [gone.status_code, gone.json()] == [503, {"status": "unready", "reason": "upstream"}]
    assert [draining.status_code, draining.json()] == [503, {"status": "unready", "reason": "draining"}]
    assert (await _get(app, "/healthz")).status_code == 200


async def test_metrics_are_rendered_off_the_loop(lifecycle: Lifecycle) -> None:
    """A scrape shows the drain state, negotiates its format, and is made in another thread than the streams'."""
    registry, collector = CollectorRegistry(), ThreadCollector()
    registry.register(collector)
    app = _admin(lifecycle, metrics=PrometheusMetrics(registry))
    lifecycle.drain()
    response = await _get(app, "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert "sse_proxy_draining 1.0\n" in response.text
    assert len(collector.threads) == 1
    assert threading.get_ident() not in collector.threads


@pytest.mark.parametrize(
    "method, path, status, allowed",
    [
        ("GET", "/", 404, None),
        ("GET", "/readyz/", 404, None),
        ("GET", "/-/nothing", 404, None),
        ("POST", "/metrics", 405, {"GET", "HEAD"}),
        ("DELETE", "/-/streams", 405, {"GET", "HEAD"}),
        ("DELETE", "/-/undrain", 405, {"GET", "HEAD"}),
        ("POST", "/-/drain", 405, {"GET", "HEAD", "DELETE"}),
    ],
)
async def test_what_is_not_there_is_refused_in_json(
    lifecycle: Lifecycle, method: str, path: str, status: int, allowed: set[str] | None
) -> None:
    """An unknown path is 404, a wrong method 405 with ``Allow``, each with an error document."""
    response = await _get(_admin(lifecycle), path, method)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()["error"]) == {"message", "type", "code"}
    if allowed is not None:
        assert set(response.headers["allow"].split(", ")) == allowed
    assert not lifecycle.draining


async def test_streams_are_listed_as_they_describe_themselves(lifecycle: Lifecycle) -> None:
    """One JSON object an open stream."""
    lifecycle.add(_Stream("a"))
    lifecycle.add(_Stream("b"))
    listed = (await _get(_admin(lifecycle), "/-/streams")).json()
    assert sorted(stream["id"] for stream in listed) == ["a", "b"]
    assert listed[0]["events"] == 3


# Drain


async def test_a_drain_waits_for_the_last_stream(lifecycle: _WatchedLifecycle) -> None:
    """The call returns when the last stream has gone, not before."""
    first, last = _Stream("first"), _Stream("last")
    lifecycle.add(first)
    lifecycle.add(last)
    async with _serving(_admin(lifecycle, delay_seconds=0)) as client:
        call = asyncio.create_task(client.get("/-/drain?wait=1000"))
        async with asyncio.timeout(LIMIT_SECONDS):
            await lifecycle.drained.wait()
            lifecycle.remove(first)
            # Another whole request, during which the first would have been answered if it were to be.
            assert (await client.get("/readyz")).status_code == 503
            assert not call.done()
            lifecycle.remove(last)
            response = await call
    assert [response.status_code, response.json()] == [200, {"draining": True, "streams": 0}]


async def test_a_drain_waits_until_requests_are_refused(lifecycle: _WatchedLifecycle) -> None:
    """Without open streams too: one that begins during the delay would find the LLM server gone."""
    async with _serving(_admin(lifecycle)) as client:
        call = asyncio.create_task(client.get("/-/drain?wait=1000"))
        async with asyncio.timeout(LIMIT_SECONDS):
            await lifecycle.drained.wait()
            assert (await client.get("/readyz")).status_code == 503
            assert not call.done()
            late = _Stream("late")
            lifecycle.add(late)
            lifecycle.refuse()
            assert (await client.get("/readyz")).status_code == 503
            assert not call.done()
            lifecycle.remove(late)
            assert (await call).json() == {"draining": True, "streams": 0}


async def test_a_drain_that_is_called_off_keeps_nobody_waiting(lifecycle: _WatchedLifecycle) -> None:
    """Its caller learns that nothing drains any more."""
    async with _serving(_admin(lifecycle)) as client:
        call = asyncio.create_task(client.get("/-/drain?wait=1000"))
        async with asyncio.timeout(LIMIT_SECONDS):
            await lifecycle.drained.wait()
            await client.delete("/-/drain")
            assert (await call).json() == {"draining": False, "streams": 0}


async def test_streams_are_cut_where_the_caller_asks_for_it(lifecycle: Lifecycle) -> None:
    """When the time is up, and the call returns after they have ended."""
    lifecycle.add(_Stream("endless", lifecycle))
    async with _serving(_admin(lifecycle, delay_seconds=0)) as client:
        response = await client.get("/-/drain?wait=0.05&cut=true")
    assert [response.status_code, response.json()] == [200, {"draining": True, "streams": 0}]


async def test_nothing_is_cut_after_the_drain_was_called_off(lifecycle: _WatchedLifecycle) -> None:
    """A caller that still waits must not end streams of a process that is in service again."""
    stream = _Stream("spared")
    lifecycle.add(stream)
    async with _serving(_admin(lifecycle)) as client:
        call = asyncio.create_task(client.get("/-/drain?wait=0.5&cut=true"))
        async with asyncio.timeout(LIMIT_SECONDS):
            await lifecycle.drained.wait()
            await client.delete("/-/drain")
            assert (await call).json() == {"draining": False, "streams": 1}


@pytest.mark.parametrize("cut", ["", "yes", "1"])
async def test_a_cut_that_is_neither_true_nor_false_begins_no_drain(lifecycle: Lifecycle, cut: str) -> None:
    """400, and the process stays in service."""
    response = await _get(_admin(lifecycle), f"/-/drain?wait=1&cut={cut}")
    assert response.status_code == 400
    assert not lifecycle.draining


async def test_a_drain_returns_when_time_is_up(lifecycle: Lifecycle) -> None:
    """With a stream still open the call ends after its ``wait``, tells how many are left, and cuts none."""
    lifecycle.add(_Stream("endless"))
    async with _serving(_admin(lifecycle)) as client:
        response = await client.get("/-/drain?wait=0.05")
    assert [response.status_code, response.json()] == [200, {"draining": True, "streams": 1}]


@pytest.mark.parametrize("query", ["", "?wait=0"])
async def test_a_drain_without_wait_returns_at_once(lifecycle: _WatchedLifecycle, query: str) -> None:
    """Without a time to wait, the call only begins the drain."""
    lifecycle.add(_Stream("endless"))
    response = await _get(_admin(lifecycle), f"/-/drain{query}")
    assert response.json() == {"draining": True, "streams": 1}
    assert lifecycle.waited == []


async def test_the_wait_is_capped(lifecycle: _WatchedLifecycle) -> None:
    """A longer wait is cut to an hour."""
    await _get(_admin(lifecycle, delay_seconds=0), "/-/drain?wait=1e9")
    assert lifecycle.waited == [MAX_DRAIN_WAIT_SECONDS]


@pytest.mark.parametrize("wait", ["", "soon", "-1", "nan", "inf", "-inf"])
async def test_a_wait_that_is_no_time_begins_no_drain(lifecycle: Lifecycle, wait: str) -> None:
    """400 for anything but a finite number from 0 on, and the process stays in service."""
    response = await _get(_admin(lifecycle), f"/-/drain?wait={wait}")
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert not lifecycle.draining


async def test_the_wait_ends_when_the_caller_leaves(lifecycle: _WatchedLifecycle) -> None:
    """A caller that has gone keeps nothing of ours waiting; the drain it began goes on."""
    lifecycle.add(_Stream("endless"))
    before = asyncio.all_tasks()
    messages: list[Message] = []

    async def receive() -> Message:
        if not messages:
            messages.append({"type": "http.request", "body": b"", "more_body": False})
            return messages[0]
        await lifecycle.drained.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        messages.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": "/-/drain", "query_string": b"wait=1000", "headers": []}
    async with asyncio.timeout(LIMIT_SECONDS):
        await _admin(lifecycle)(scope, receive, send)
    assert json.loads(messages[-1]["body"]) == {"draining": True, "streams": 1}
    assert asyncio.all_tasks() == before


async def test_requests_are_refused_once_the_delay_is_over(lifecycle: _WatchedLifecycle) -> None:
    """After ``drain_delay_seconds`` new requests are refused, once, however often the drain is asked for."""
    app = _admin(lifecycle, delay_seconds=0.05)
    for _ in range(3):
        await _get(app, "/-/drain")
    async with asyncio.timeout(LIMIT_SECONDS):
        await lifecycle.refusals.get()
    assert lifecycle.refusing
    await _get(app, "/-/drain")
    await _timers_due_now()
    assert lifecycle.refusals.empty()


async def test_requests_are_served_during_the_delay(lifecycle: Lifecycle) -> None:
    """Load balancers need a while to notice: until the delay is over nothing is refused."""
    await _get(_admin(lifecycle), "/-/drain")
    await _timers_due_now()
    assert lifecycle.draining
    assert not lifecycle.refusing


async def test_delete_undrains(lifecycle: _WatchedLifecycle) -> None:
    """DELETE puts the process back into service, also before the delay is over, and a new drain can follow."""
    app = _admin(lifecycle, delay_seconds=0)
    async with _serving(app) as client:
        assert (await client.delete("/-/drain")).json() == {"draining": False, "streams": 0}
        await client.get("/-/drain")
        async with asyncio.timeout(LIMIT_SECONDS):
            await lifecycle.refusals.get()
        response = await client.delete("/-/drain")
        assert [response.status_code, response.json()] == [200, {"draining": False, "streams": 0}]
        assert not lifecycle.refusing
        assert (await client.get("/readyz")).status_code == 200
        await client.get("/-/drain")
        async with asyncio.timeout(LIMIT_SECONDS):
            await lifecycle.refusals.get()


async def test_undrain_is_for_those_that_can_only_get(lifecycle: _WatchedLifecycle) -> None:
    """Kubernetes' hooks know no other method."""
    app = _admin(lifecycle, delay_seconds=0)
    await _get(app, "/-/drain")
    async with asyncio.timeout(LIMIT_SECONDS):
        await lifecycle.refusals.get()
    assert (await _get(app, "/-/undrain")).json() == {"draining": False, "streams": 0}
    assert not lifecycle.refusing


async def test_delete_calls_off_a_refusal_that_is_to_come(lifecycle: _WatchedLifecycle) -> None:
    """A drain that was called off refuses nothing when its delay would have been over."""
    app = _admin(lifecycle, delay_seconds=0.05)
    await _get(app, "/-/drain")
    await _get(app, "/-/drain", "DELETE")
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, passed.set)
    async with asyncio.timeout(LIMIT_SECONDS):
        await passed.wait()
    assert not lifecycle.refusing
    assert not lifecycle.draining


async def _timers_due_now() -> None:
    """Return after every timer that was due at the call has run: a loop runs them in the order of their times."""
    due = asyncio.Event()
    asyncio.get_running_loop().call_later(0, due.set)
    await due.wait()


# Token


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A file with one token."""
    file = tmp_path / "token"
    file.write_text("open-sesame\n")
    return file


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": "Basic open-sesame"}, 401),
        ({"authorization": "open-sesame"}, 401),
        ({"authorization": "Bearer open-sesame"}, 200),
        ({"authorization": "bearer  open-sesame"}, 200),
    ],
)
@pytest.mark.parametrize(
    "method, path", [("GET", "/-/streams"), ("GET", "/-/drain"), ("DELETE", "/-/drain"), ("GET", "/-/undrain")]
)
async def test_drain_and_streams_ask_for_the_token(
    lifecycle: Lifecycle, token_file: Path, headers: dict[str, str], status: int, method: str, path: str
) -> None:
    """Without the file's token: 401 with a challenge and an error document, and nothing happens."""
    response = await _get(_admin(lifecycle, token_file=token_file), path, method, **headers)
    assert response.status_code == status
    if status == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["error"]["type"] == "authentication_error"
        assert not lifecycle.draining


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
async def test_metrics_and_probes_ask_for_no_token(lifecycle: Lifecycle, token_file: Path, path: str) -> None:
    """Prometheus and the kubelet come without credentials."""
    assert (await _get(_admin(lifecycle, token_file=token_file), path)).status_code == 200


async def test_a_changed_token_file_is_read_again(lifecycle: Lifecycle, token_file: Path) -> None:
    """A rotated token works without a restart, and the old one does no longer."""
    now = [0.0]
    app = _admin(lifecycle, token_file=token_file, clock=lambda: now[0])
    assert (await _get(app, "/-/streams", authorization="Bearer open-sesame")).status_code == 200
    token_file.write_text("another-one\n")
    now[0] += 10
    assert (await _get(app, "/-/streams", authorization="Bearer open-sesame")).status_code == 401
    assert (await _get(app, "/-/streams", authorization="Bearer another-one")).status_code == 200


async def test_a_token_file_without_a_token_is_refused_at_the_start(lifecycle: Lifecycle, token_file: Path) -> None:
    """An empty file must not mean an open port."""
    token_file.write_text("\n")
    with pytest.raises(SettingsError, match="admin_token_file"):
        _admin(lifecycle, token_file=token_file)
