"""How the middleware is put around an app: keywords, environment, ``paths``, several of them, and mistakes."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import prometheus_client
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

import sse_proxy
from sse_proxy import Settings, SSEMiddleware
from sse_proxy.metrics.base import NullMetrics
from sse_proxy.metrics.prometheus import default_metrics
from sse_proxy.settings import SettingsError

from .middleware_apps import hosted

MARK = "x-accel-buffering"


async def _events() -> AsyncIterator[str]:
    yield "data: one\n\n"


async def _stream(request: Request) -> Response:
    return StreamingResponse(_events(), media_type="text/event-stream")


def _app() -> Starlette:
    return Starlette(routes=[Route("/{path:path}", _stream)])


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment without variables of ours."""
    for name in os.environ:
        if name.startswith("SSE_PROXY_"):
            monkeypatch.delenv(name)
    return monkeypatch


def _settings(middleware: SSEMiddleware) -> Settings:
    return middleware._policy.settings  # noqa: SLF001  # what it has read


async def _touched(app: ASGIApp, *paths: str) -> list[bool]:
    """Whether the stream at each path got the headers of ours."""
    async with hosted(app) as host, httpx.AsyncClient(base_url=host.url, trust_env=False) as client:
        return [MARK in (await client.get(path)).headers for path in paths]


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
async def test_add_middleware_with_keywords(framework: Any, clean_environment: pytest.MonkeyPatch) -> None:
    """The line of INTERFACE "Python", in both frameworks."""
    app = framework()
    app.add_middleware(SSEMiddleware, heartbeat_seconds=15, metrics=NullMetrics())
    app.add_route("/stream", _stream)
    assert await _touched(app, "/stream") == [True]


async def test_vllm_adds_it_by_its_name(clean_environment: pytest.MonkeyPatch) -> None:
    """``vllm serve --middleware sse_proxy.SSEMiddleware`` imports the class and adds it without arguments."""
    clean_environment.setenv("SSE_PROXY_HEARTBEAT_SECONDS", "20")
    module, _, name = "sse_proxy.SSEMiddleware".rpartition(".")
    imported = getattr(importlib.import_module(module), name)
    assert inspect.isclass(imported)
    app = FastAPI()
    app.add_middleware(imported)  # type: ignore[arg-type]  # all that is known is that it is a class
    app.add_route("/stream", _stream)
    assert await _touched(app, "/stream") == [True]


def test_without_arguments_the_environment_is_read_when_it_is_made(clean_environment: pytest.MonkeyPatch) -> None:
    """No upstream is needed; a keyword outranks a variable."""
    clean_environment.setenv("SSE_PROXY_HEARTBEAT_SECONDS", "7.5")
    clean_environment.setenv("SSE_PROXY_IDLE_TIMEOUT_SECONDS", "33")
    read = _settings(SSEMiddleware(_app(), metrics=NullMetrics()))
    assert (read.heartbeat_seconds, read.idle_timeout_seconds) == (7.5, 33)
    mixed = _settings(SSEMiddleware(_app(), metrics=NullMetrics(), heartbeat_seconds=9))
    assert (mixed.heartbeat_seconds, mixed.idle_timeout_seconds) == (9, 33)


def test_given_settings_are_all_there_is(clean_environment: pytest.MonkeyPatch) -> None:
    """``settings=`` reads no environment; single keywords beside it would be lost, so they are refused."""
    clean_environment.setenv("SSE_PROXY_HEARTBEAT_SECONDS", "7.5")
    assert _settings(SSEMiddleware(_app(), settings=Settings(), metrics=NullMetrics())).heartbeat_seconds == 15
    with pytest.raises(SettingsError) as caught:
        SSEMiddleware(_app(), settings=Settings(), heartbeat_seconds=9)
    assert str(caught.value) == "heartbeat_seconds: given beside settings=, expected one or the other"


@pytest.mark.parametrize(
    "keywords,told",
    [
        ({"heartbeet_seconds": 5}, ["heartbeet_seconds", "unknown setting", "did you mean heartbeat_seconds?"]),
        ({"heartbeat_seconds": "often"}, ["heartbeat_seconds", '"often"', "expected"]),
        ({"heartbeat_seconds": 0.5}, ["heartbeat_seconds", "0.5", "at least 1"]),
    ],
    ids=["unknown", "wrong type", "out of bounds"],
)
def test_a_wrong_keyword_is_one_line(keywords: dict[str, Any], told: list[str]) -> None:
    """A `SettingsError` that names the setting, what was given and what is accepted."""
    with pytest.raises(SettingsError) as caught:
        SSEMiddleware(_app(), metrics=NullMetrics(), **keywords)
    assert [part for part in told if part not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


def test_a_wrong_variable_is_one_line(clean_environment: pytest.MonkeyPatch) -> None:
    """Likewise."""
    clean_environment.setenv("SSE_PROXY_MAX_STREAMS", "many")
    with pytest.raises(SettingsError, match=r"^max_streams: got \"many\" \(environment SSE_PROXY_MAX_STREAMS\), expec"):
        SSEMiddleware(_app(), metrics=NullMetrics())


def test_warnings_go_to_the_apps_log(clean_environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Unknown variables, and heartbeats that are too many for some clients."""
    clean_environment.setenv("SSE_PROXY_HEARTBEET_SECONDS", "5")
    SSEMiddleware(_app(), metrics=NullMetrics(), heartbeat_seconds=1)
    records = [record for record in caplog.records if record.name == "sse_proxy"]
    assert [record.levelno for record in records] == [logging.WARNING] * 2
    assert "SSE_PROXY_HEARTBEET_SECONDS" in records[0].getMessage()
    assert "heartbeat_seconds: 1 is low" in records[1].getMessage()


def test_settings_without_effect_here_are_warned_of(
    clean_environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    """Who sets tokens for the middleware must not believe that they are asked for: only the proxy does that."""
    tokens = tmp_path / "tokens"
    tokens.write_text("secret")
    clean_environment.setenv("SSE_PROXY_AUTH_TOKENS_FILE", str(tokens))
    clean_environment.setenv("SSE_PROXY_IDLE_TIMEOUT_SECONDS", "33")
    SSEMiddleware(_app(), metrics=NullMetrics(), cors_origins=["https://a.example"])
    assert sorted(record.getMessage() for record in caplog.records) == [
        "auth_tokens_file: has no effect in SSEMiddleware, only in the proxy",
        "cors_origins: has no effect in SSEMiddleware, only in the proxy",
    ]


async def test_paths_limit_it_exactly_or_by_prefix() -> None:
    """An entry is a whole path, or a prefix that ends in ``*``; None means all, and an empty list none."""

    def app(*paths: str) -> SSEMiddleware:
        return SSEMiddleware(_app(), settings=Settings(), metrics=NullMetrics(), paths=paths)

    asked = ("/chat", "/chat/", "/chats", "/v1/messages", "/v1", "/")
    assert await _touched(app("/chat", "/v1/*"), *asked) == [True, False, False, True, False, False]
    assert await _touched(app("/chat*"), *asked) == [True, True, True, False, False, False]
    assert await _touched(app("*"), *asked) == [True] * 6
    assert await _touched(app(), *asked) == [False] * 6


async def test_paths_are_those_of_the_apps_own_routes() -> None:
    """Where the app is mounted, or its server has a root path, makes no difference to what it calls its paths."""
    inner = _app()
    inner.add_middleware(SSEMiddleware, settings=Settings(), metrics=NullMetrics(), paths=["/chat"])
    outer = Starlette(routes=[Mount("/api", inner)])
    assert await _touched(outer, "/api/chat", "/api/other", "/api/api/chat") == [True, False, False]


def test_one_path_as_a_string_is_refused() -> None:
    """A string is a sequence of letters, none of which is a path."""
    with pytest.raises(SettingsError, match=r"^paths: got \"/chat\", expected a list of paths$"):
        SSEMiddleware(_app(), settings=Settings(), metrics=NullMetrics(), paths="/chat")


async def test_several_instances_live_in_one_process(clean_environment: pytest.MonkeyPatch) -> None:
    """Each with its own settings and paths, all of them on the process's one set of metrics."""
    before = _completed()
    first, second = _app(), _app()
    first.add_middleware(SSEMiddleware, paths=["/a"], heartbeat_seconds=20)
    second.add_middleware(SSEMiddleware, heartbeat_seconds=30)
    both = Starlette(routes=[Mount("/one", first), Mount("/two", second)])
    assert await _touched(both, "/one/a", "/one/b", "/two/b") == [True, False, True]
    assert _completed() - before == 2


def _completed() -> float:
    default_metrics()
    labels = {"dialect": "generic", "outcome": "completed"}
    return prometheus_client.REGISTRY.get_sample_value("sse_proxy_streams_total", labels) or 0.0


async def test_one_inside_another_changes_nothing() -> None:
    """The outer one swallows the inner one's heartbeats and finds a canonical stream."""
    app = _app()
    for _ in range(2):
        app.add_middleware(SSEMiddleware, settings=Settings(), metrics=NullMetrics())
    async with hosted(app) as host, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(host.url)
        assert answer.text == "data: one\n\n"
        assert answer.headers.get_list(MARK) == ["no"]


def test_the_public_names() -> None:
    """What users import."""
    assert sse_proxy.__all__ == ["SSEMiddleware", "Settings", "create_app", "metrics_app"]
