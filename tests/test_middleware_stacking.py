"""The middleware under and over the usual others; what does not work is told in docs/middleware.md, and held here."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .middleware_apps import Reading, Wrapped, reading, wrapped
from .streaming import DONE, GENEROUS_SECONDS, body, chunk, start

CHAT = "/v1/chat/completions"
ASK: dict[str, Any] = {"json": {"stream": True}, "headers": {"Accept-Encoding": "gzip", "Origin": "https://a.example"}}


async def _pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


def _base(app: ASGIApp) -> ASGIApp:
    return BaseHTTPMiddleware(app, dispatch=_pass_on)


def _gzip(app: ASGIApp) -> ASGIApp:
    return GZipMiddleware(app, minimum_size=1)


def _gzip_of_streams(app: ASGIApp) -> ASGIApp:
    """As Starlette's was until event streams were excluded."""
    return GZipMiddleware(app, minimum_size=1, exclude_content_types=())


def _cors(app: ASGIApp) -> ASGIApp:
    return CORSMiddleware(app, allow_origins=["*"])


OTHERS = {"base": _base, "gzip": _gzip, "gzip of streams": _gzip_of_streams, "cors": _cors}
OVER_AND_UNDER = [
    pytest.param(other, over, id=f"{name} {'over' if over else 'under'} ours")
    for name, other in OTHERS.items()
    for over in (False, True)
]


def stacked(app: ASGIApp, other: Any, *, over: bool, **options: Any) -> AbstractAsyncContextManager[Wrapped]:
    """An app, ours and another middleware, on a server."""
    return wrapped(app, around=other, **options) if over else wrapped(other(app), **options)


async def _whole(scope: Scope, receive: Receive, send: Send) -> None:
    assert b"stream" in await Request(scope, receive).body()

    async def events() -> AsyncIterator[bytes]:
        yield chunk("Hi")
        yield chunk("", finish="stop") + DONE

    await StreamingResponse(events(), media_type="text/event-stream")(scope, receive, send)


@pytest.mark.parametrize("other,over", OVER_AND_UNDER)
async def test_streams_are_whole_in_any_order(other: Any, over: bool) -> None:
    """Headers, events and outcome; a compressed stream from below is uncompressed."""
    async with stacked(_whole, other, over=over) as run:
        answer = await run.client.post(CHAT, **ASK)
        assert answer.text == (chunk("Hi") + chunk("", finish="stop") + DONE).decode()
        assert answer.headers["x-accel-buffering"] == "no"
        assert ("content-encoding" in answer.headers) is (over and other is _gzip_of_streams)
        assert ("access-control-allow-origin" in answer.headers) is (other is _cors)
        assert await run.outcomes() == {("openai_chat", "completed"): 1}
        assert run.value("sse_proxy_disconnect_silence_seconds_count") == 0
        assert run.host.raised == []


@pytest.mark.parametrize("other,over", OVER_AND_UNDER)
async def test_events_leave_one_by_one_and_departures_arrive(other: Any, over: bool) -> None:
    """No layer collects, and each passes on that the client is gone."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def events() -> AsyncIterator[bytes]:
            try:
                yield chunk("Hi")
                await asyncio.sleep(GENEROUS_SECONDS * 2)
            finally:
                seen.append("finally")

        await StreamingResponse(events(), media_type="text/event-stream")(scope, receive, send)

    async with stacked(app, other, over=over) as run:
        async with reading(run.client, "POST", CHAT, **ASK) as answer:
            await answer.until("Hi")
        assert await run.outcomes() == {("openai_chat", "client_disconnected"): 1}
        assert seen == ["finally"]


@pytest.mark.parametrize("other,over", OVER_AND_UNDER)
async def test_deadlines_and_heartbeats_work_in_any_order(other: Any, over: bool) -> None:
    """``commit_after_seconds`` before the app says anything, then the timeout, told in the stream."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(GENEROUS_SECONDS * 2)

    settings = {"commit_after_seconds": 0.05, "first_event_timeout_seconds": 0.2}
    async with stacked(app, other, over=over, **settings) as run:
        answer = await run.client.post(CHAT, **ASK)
        assert answer.text.startswith(": ping\n")
        assert '"code":"first_event_timeout"' in answer.text
        assert answer.text.endswith(DONE.decode())
        assert await run.outcomes() == {("openai_chat", "first_event_timeout"): 1}
        assert run.host.raised == []


@pytest.mark.parametrize("other,over", OVER_AND_UNDER)
async def test_exceptions_are_told_and_raised_in_any_order(other: Any, over: bool) -> None:
    """The client gets the dialect's error, the server the exception.

    `BaseHTTPMiddleware` under ours ends the response in good order before it raises: what we see is a cut stream.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("Hi"))
        raise ZeroDivisionError("after")

    async with stacked(app, other, over=over) as run:
        async with reading(run.client, "POST", CHAT, **ASK) as answer:
            text = await _up_to_any_end(answer)
        code = "upstream_truncated" if other is _base and not over else "upstream_error"
        assert f'"code":"{code}"' in text
        assert await run.outcomes() == {("openai_chat", code): 1}
        assert "ZeroDivisionError('after')" in repr(run.host.raised)


async def _up_to_any_end(answer: Reading) -> str:
    try:
        return await answer.rest()
    except httpx.RemoteProtocolError:
        return answer.text


async def _cut(scope: Scope, receive: Receive, send: Send) -> None:
    """A generic stream that returns without its end."""
    await start(send)
    await body(send, b"data: one\n\n")


@pytest.mark.parametrize("other,over", [row for row in OVER_AND_UNDER if row.values[0] is not _base])
async def test_a_broken_end_of_an_own_format_stays_one(other: Any, over: bool) -> None:
    """The ``error`` event tells, and the connection breaks."""
    async with stacked(_cut, other, over=over) as run:
        async with reading(run.client, "GET", "/any", headers={"Accept-Encoding": "gzip"}) as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                await answer.rest()
        assert "event: error\ndata: " in answer.text
        assert await run.outcomes() == {("generic", "upstream_error"): 1}


async def test_basehttpmiddleware_over_ours_makes_a_broken_end_a_clean_one() -> None:
    """The ``error`` event still tells."""
    async with stacked(_cut, _base, over=True) as run:
        answer = await run.client.get("/any")
        assert answer.text.startswith("data: one\n\nevent: error\ndata: ")
        assert await run.outcomes() == {("generic", "upstream_error"): 1}


@pytest.mark.parametrize("terminal,outcome", [(None, "completed"), ("end", "upstream_truncated")])
async def test_basehttpmiddleware_under_ours_hides_a_broken_end(terminal: str | None, outcome: str) -> None:
    """It completes whatever its app left open; only an own end marker finds that out."""
    async with stacked(_cut, _base, over=False, terminal=terminal) as run:
        async with reading(run.client, "GET", "/any") as answer:
            text = await _up_to_any_end(answer)
        assert ("event: error\n" in text) is (terminal is not None)
        assert await run.outcomes() == {("generic", outcome): 1}


async def test_gzip_over_ours_still_compresses_ordinary_answers() -> None:
    """Only streams are ours."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"x" * 10_000)(scope, receive, send)

    async with (
        stacked(app, _gzip, over=True) as run,
        run.client.stream("GET", "/any", headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        assert gzip.decompress(b"".join([piece async for piece in answer.aiter_raw()])) == b"x" * 10_000
