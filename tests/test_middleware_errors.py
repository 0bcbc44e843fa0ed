"""How streams of an app end that go wrong by its own exceptions: what the client, the server and the log are told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI, HTTPException
from fastapi.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sse_proxy import Settings, SSEMiddleware
from sse_proxy.metrics.base import NullMetrics

from .middleware_apps import hosted, reading, wrapped
from .streaming import body, chunk, start

CHAT = "/v1/chat/completions"
SPOKEN_ERROR = '"message":"the application failed"'


class AppError(Exception):
    """What the apps of these tests raise."""


def _wrapping(endpoint: Any, path: str = "/{path:path}") -> Starlette:
    """A Starlette app with the middleware where ``add_middleware`` puts it: inside the 500 handler."""
    middleware = [Middleware(SSEMiddleware, settings=Settings(), metrics=NullMetrics())]
    handlers: Any = {500: _own_500, 418: _own_418}
    return Starlette(
        routes=[Route(path, endpoint, methods=["GET", "POST"])], middleware=middleware, exception_handlers=handlers
    )


async def _own_500(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"own handler: {error}", status_code=500)


async def _own_418(request: Request, error: HTTPException) -> Response:
    return PlainTextResponse(error.detail, status_code=418)


@pytest.mark.parametrize("method,path", [("GET", "/any"), ("POST", CHAT)])
async def test_an_exception_before_the_start_is_the_frameworks_own_affair(method: str, path: str) -> None:
    """The app's 500 handler answers, and the exception reaches the server, as without us."""

    async def endpoint(request: Request) -> Response:
        raise AppError("before")

    async with hosted(_wrapping(endpoint)) as host, httpx.AsyncClient(base_url=host.url, trust_env=False) as client:
        answer = await client.request(method, path, json={"stream": True}, headers={"Accept": "text/event-stream"})
        assert (answer.status_code, answer.text) == (500, "own handler: before")
        assert [str(error) for error in host.raised] == ["before"]


async def test_http_exceptions_keep_their_status_and_body() -> None:
    """``HTTPException`` is an answer like any other, for stream requests too."""

    async def endpoint(request: Request) -> Response:
        raise HTTPException(418, "short and stout")

    async with hosted(_wrapping(endpoint)) as host, httpx.AsyncClient(base_url=host.url, trust_env=False) as client:
        answer = await client.post(CHAT, json={"stream": True})
        assert (answer.status_code, answer.text) == (418, "short and stout")
        assert host.raised == []


async def test_an_exception_before_the_first_event_of_a_known_api_still_becomes_a_500() -> None:
    """The head is held back until then, so that the framework's handler can answer for a generator as well."""

    async def events(number: int) -> AsyncIterator[str]:
        if number == 0:
            raise AppError("in the generator")
        yield ""

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(events(0), media_type="text/event-stream")

    async with wrapped(_bare(endpoint)) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")
        assert [str(error) for error in run.host.raised] == ["in the generator"]
        assert await run.outcomes() == {("openai_chat", "upstream_error"): 1}


def _bare(endpoint: Any) -> ASGIApp:
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET", "POST"])])


async def _failing_chat() -> AsyncIterator[bytes]:
    yield chunk("Hi")
    raise AppError("after")


async def _streaming_response(request: Request) -> Response:
    return StreamingResponse(_failing_chat(), media_type="text/event-stream")


async def _with_background(request: Request) -> Response:
    return StreamingResponse(_failing_chat(), media_type="text/event-stream", background=BackgroundTask(_unwanted))


def _unwanted() -> None:
    raise AssertionError("a background task ran after a failed stream")


async def _raw(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    async for event in _failing_chat():
        await body(send, event)


async def _task_group(scope: Scope, receive: Receive, send: Send) -> None:
    """The events are sent by a child task, which fails."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_raw, scope, receive, send)
        await anyio.sleep_forever()


@pytest.mark.parametrize(
    "app",
    [_bare(_streaming_response), _bare(_with_background), _raw, _task_group],
    ids=["StreamingResponse", "BackgroundTask", "raw", "task group"],
)
async def test_an_exception_after_the_start_is_told_in_the_stream_and_raised_again(app: ASGIApp) -> None:
    """The client gets the dialect's error, the server's log the exception itself; a clean end, since it was told."""
    async with wrapped(app) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert answer.status_code == 200
        assert SPOKEN_ERROR in answer.text
        assert answer.text.endswith("data: [DONE]\n\n")
        assert "after" not in answer.text
        assert await run.outcomes() == {("openai_chat", "upstream_error"): 1}
        assert "AppError('after')" in repr(run.host.raised)


@pytest.mark.parametrize("path,terminal", [(CHAT, None), ("/any", "end")])
async def test_fastapis_clean_end_after_an_exception_is_found_out(path: str, terminal: str | None) -> None:
    """``fastapi.sse`` ends its response in good order and raises only then: the missing terminal signal tells."""
    app = FastAPI()

    @app.post(path, response_class=EventSourceResponse)
    async def stream() -> AsyncIterator[dict[str, Any]]:
        yield {"choices": []}
        await asyncio.sleep(0.1)  # FastAPI loses what was yielded just before an exception
        raise AppError("after")

    async with wrapped(app, terminal=terminal) as run:
        async with reading(run.client, "POST", path, json={"stream": True}) as answer:
            with contextlib.suppress(httpx.RemoteProtocolError):
                await answer.rest()
        assert answer.text.startswith('data: {"choices":[]}\n\n')
        assert '"code":"upstream_truncated"' in answer.text
        assert [outcome for _, outcome in await run.outcomes()] == ["upstream_truncated"]
        assert "AppError('after')" in repr(run.host.raised)


async def test_an_exception_in_a_generic_stream_is_told_and_breaks_the_connection() -> None:
    """An own format has no error that clients must understand, so that its end is broken besides."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"data: one\n\n")
        raise AppError("after")

    async with wrapped(app) as run:
        async with reading(run.client, "GET", "/any") as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                await answer.rest()
        assert answer.text.startswith("data: one\n\nevent: error\ndata: ")
        assert SPOKEN_ERROR in answer.text
        assert await run.outcomes() == {("generic", "upstream_error"): 1}
        assert [str(error) for error in run.host.raised] == ["after"]


async def test_an_exception_in_an_ordinary_body_breaks_the_connection_and_is_raised_again() -> None:
    """As without us: nothing can be told in a download."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, "application/octet-stream")
        await body(send, b"half")
        raise AppError("after")

    async with wrapped(app) as run:
        async with reading(run.client, "GET", "/any") as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                await answer.rest()
        assert answer.text == "half"
        await run.host.idle()
        assert [str(error) for error in run.host.raised] == ["after"]
        assert await run.outcomes() == {}


async def test_an_app_that_returns_in_the_middle_of_its_stream_is_found_out() -> None:
    """No last message: the stream is not complete, whatever it has said."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("Hi"))

    async with wrapped(app) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert '"code":"upstream_error"' in answer.text
        assert await run.outcomes() == {("openai_chat", "upstream_error"): 1}


async def test_an_exception_after_the_last_event_does_not_spoil_the_answer() -> None:
    """A background task that fails: the client has it all, the server still gets the exception."""

    async def events() -> AsyncIterator[bytes]:
        yield chunk("Hi")
        yield chunk("", finish="stop")
        yield b"data: [DONE]\n\n"

    async def fail() -> None:
        raise AppError("in the background")

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream", background=BackgroundTask(fail))

    async with wrapped(_bare(endpoint)) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert answer.text.endswith("data: [DONE]\n\n")
        assert "error" not in answer.text
        assert await run.outcomes() == {("openai_chat", "completed"): 1}
        assert [str(error) for error in run.host.raised] == ["in the background"]


async def test_a_finished_stream_is_one_log_record(caplog: pytest.LogCaptureFixture) -> None:
    """Through the app's own logging, with its facts as attributes; no body, no query."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("secret"))
        await body(send, chunk("", finish="stop") + b"data: [DONE]\n\n", more=False)

    caplog.set_level(logging.INFO, "sse_proxy")
    async with wrapped(app) as run:
        await run.client.post(CHAT + "?q=secret", json={"stream": True}, headers={"X-Request-Id": "mine"})
        await run.host.idle()
    record = next(r for r in caplog.records if r.name == "sse_proxy.streams")
    facts = vars(record)
    assert record.levelname == "INFO"
    assert [facts[name] for name in ("request_id", "route", "dialect", "status", "outcome", "events")] == [
        "mine", "openai_chat", "openai_chat", 200, "completed", 3,
    ]  # fmt: skip
    assert "secret" not in str(facts)
