"""Our deadlines over an app: what the client is told, that the app is stopped, and that nothing outlives the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sse_proxy.lifecycle import Lifecycle

from .middleware_apps import reading, wrapped
from .streaming import GENEROUS_SECONDS, RawClient, body, chunk, start

CHAT = "/v1/chat/completions"


class AppError(Exception):
    """What the apps of these tests raise."""


def _app(endpoint: Any) -> ASGIApp:
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET", "POST"])])


SILENT: dict[str, Any] = {
    "first_event_timeout": {"first_event_timeout_seconds": 0.1},
    "idle_timeout": {"idle_timeout_seconds": 0.1},
    "total_timeout": {"total_timeout_seconds": 0.1},
}


@pytest.mark.parametrize("outcome", ["idle_timeout", "total_timeout"])
async def test_a_deadline_ends_the_stream_and_stops_the_app(outcome: str) -> None:
    """The client gets the error in its stream; the generator is cancelled and cleans up; nothing reaches the server."""
    seen: list[str] = []

    async def events() -> AsyncIterator[bytes]:
        try:
            yield chunk("Hi")
            await asyncio.sleep(GENEROUS_SECONDS * 2)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            seen.append("finally")

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream")

    async with wrapped(_app(endpoint), **SILENT[outcome]) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert f'"code":"{outcome}"' in answer.text
        assert answer.text.endswith("data: [DONE]\n\n")
        assert await run.outcomes() == {("openai_chat", outcome): 1}
        assert seen == ["cancelled", "finally"]
        assert run.host.raised == []


@pytest.mark.parametrize("outcome", ["first_event_timeout", "total_timeout"])
async def test_a_deadline_before_the_start_is_a_504(outcome: str) -> None:
    """Nothing was sent yet, so that the status can tell; the handler is stopped."""
    stopped = asyncio.Event()

    async def endpoint(request: Request) -> Response:
        try:
            await asyncio.sleep(GENEROUS_SECONDS * 2)
        finally:
            stopped.set()
        raise AssertionError

    async with wrapped(_app(endpoint), **SILENT[outcome]) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, outcome)
        assert answer.headers["x-should-retry"] == "false"
        assert stopped.is_set()
        assert await run.outcomes() == {("openai_chat", outcome): 1}


async def test_deadlines_reach_an_app_with_task_groups_and_children_that_send() -> None:
    """Cancelling the app's task unwinds its task groups; the child that sends is gone before the error is told."""
    stopped: list[str] = []

    async def child(send: Send) -> None:
        try:
            await start(send)
            await body(send, chunk("Hi"))
            await anyio.sleep_forever()
        finally:
            stopped.append("child")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks, asyncio.TaskGroup() as more:
            tasks.start_soon(child, send)
            more.create_task(asyncio.sleep(GENEROUS_SECONDS * 2))

    async with wrapped(app, idle_timeout_seconds=0.1) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert '"code":"idle_timeout"' in answer.text
        assert await run.outcomes() == {("openai_chat", "idle_timeout"): 1}
        assert stopped == ["child"]
        assert run.host.raised == []


@pytest.mark.parametrize("goes_on", [False, True], ids=["returns", "goes on"])
async def test_an_app_that_swallows_its_cancellation_cannot_keep_the_stream(goes_on: bool) -> None:
    """The deadline has passed: the client is told so, whatever the app still sends."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("Hi"))
        try:
            await asyncio.sleep(GENEROUS_SECONDS * 2)
        except asyncio.CancelledError:
            if goes_on:
                await body(send, chunk("too late"))
                await body(send, chunk("", finish="stop"), more=False)

    async with wrapped(app, idle_timeout_seconds=0.1) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert '"code":"idle_timeout"' in answer.text
        assert "too late" not in answer.text
        assert await run.outcomes() == {("openai_chat", "idle_timeout"): 1}


async def test_an_app_that_fails_while_it_is_stopped_is_heard() -> None:
    """The client is told of the deadline, the server of the app's own failure."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("Hi"))
        try:
            await asyncio.sleep(GENEROUS_SECONDS * 2)
        finally:
            raise AppError("in the clean-up")

    async with wrapped(app, idle_timeout_seconds=0.1) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert '"code":"idle_timeout"' in answer.text
        assert await run.outcomes() == {("openai_chat", "idle_timeout"): 1}
        assert [str(error) for error in run.host.raised] == ["in the clean-up"]


async def test_an_event_over_the_limit_ends_the_stream_and_stops_the_app() -> None:
    """``max_event_bytes`` holds for apps too; what came before it has arrived."""
    sent: list[int] = []

    async def events() -> AsyncIterator[bytes]:
        yield chunk("Hi")
        for number in range(100):
            sent.append(number)
            yield b"data: " + b"x" * 2000 + b"\n\n"
            await asyncio.sleep(0)

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream")

    async with wrapped(_app(endpoint), max_event_bytes=1000) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert '"content":"Hi"' in answer.text
        assert '"code":"too_large"' in answer.text
        assert await run.outcomes() == {("openai_chat", "too_large"): 1}
        assert len(sent) < 10
        assert run.host.raised == []


async def test_deadlines_end_with_the_response_and_spare_background_tasks() -> None:
    """A background task may take its time: after the last byte no heartbeat, no deadline, no cancellation."""
    done = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        yield b"data: one\n\n"

    async def work() -> None:
        await asyncio.sleep(1.3)
        done.set()

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream", background=BackgroundTask(work))

    async with wrapped(_app(endpoint), total_timeout_seconds=0.2, heartbeat_seconds=1) as run:
        answer = await run.client.get("/any")
        assert answer.text == "data: one\n\n"
        await asyncio.wait_for(done.wait(), GENEROUS_SECONDS)
        assert await run.outcomes() == {("generic", "completed"): 1}
        assert run.value("sse_proxy_heartbeats_total") == 0
        assert run.value("sse_proxy_stream_duration_seconds_sum", outcome="completed") < 1
        assert run.host.raised == []


async def test_a_generator_that_blocks_a_thread_does_not_keep_its_client_waiting() -> None:
    """A thread cannot be cancelled: the client is told at the deadline, the app ends when its thread does."""
    release = threading.Event()

    def events() -> Iterator[bytes]:
        yield chunk("Hi")
        release.wait(GENEROUS_SECONDS)
        yield chunk("too late")

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream")

    async with wrapped(_app(endpoint), idle_timeout_seconds=0.1) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert '"code":"idle_timeout"' in answer.text
        assert answer.text.endswith("data: [DONE]\n\n")
        assert run.host.running == 1
        release.set()
        assert await run.outcomes() == {("openai_chat", "idle_timeout"): 1}
        assert run.host.raised == []


async def test_an_app_that_cleans_up_slowly_does_not_keep_its_client_waiting() -> None:
    """Nor does one whose ``finally`` waits for something."""
    release = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(GENEROUS_SECONDS * 2)
        finally:
            await asyncio.wait_for(release.wait(), GENEROUS_SECONDS)

    async with wrapped(app, first_event_timeout_seconds=0.1) as run:
        answer = await run.client.post(CHAT, json={"stream": True})
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "first_event_timeout")
        assert run.host.running == 1
        release.set()
        assert await run.outcomes() == {("openai_chat", "first_event_timeout"): 1}
        assert run.host.raised == []


async def test_a_background_task_is_no_stream() -> None:
    """With its last byte a stream is counted as finished, and its place is free."""
    go = asyncio.Event()

    async def events() -> AsyncIterator[bytes]:
        yield chunk("", finish="stop") + b"data: [DONE]\n\n"

    async def work() -> None:
        await asyncio.wait_for(go.wait(), GENEROUS_SECONDS)

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream", background=BackgroundTask(work))

    async with wrapped(_app(endpoint), max_streams=1) as run:
        for number in range(2):
            assert (await run.client.post(CHAT, json={"stream": True})).status_code == 200
            assert run.host.running == number + 1
            assert run.value("sse_proxy_streams_active") == 0
            assert run.value("sse_proxy_streams_total", outcome="completed") == number + 1
        go.set()


async def test_a_client_that_stops_reading_is_given_up_and_the_app_is_stopped() -> None:
    """``client_stall_timeout_seconds`` after the server takes no more; back-pressure held the app until then."""
    stopped = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        try:
            while True:
                await body(send, chunk("x" * 100_000))
        finally:
            stopped.set()

    async with wrapped(app, client_stall_timeout_seconds=0.2) as run:
        client = await RawClient.post(run.host.port)
        await asyncio.wait_for(stopped.wait(), GENEROUS_SECONDS)
        assert await run.outcomes() == {("openai_chat", "client_stalled"): 1}
        assert run.host.raised == []
        client.close()


async def test_open_responses_are_listed_and_can_be_drained() -> None:
    """``lifecycle=``: who shuts the process down sees them, and can end each with its error and a clean end."""
    lifecycle = Lifecycle()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"data: one\n\n")
        await asyncio.sleep(GENEROUS_SECONDS * 2)

    async with (
        wrapped(app, lifecycle=lifecycle) as run,
        reading(run.client, "GET", "/any", headers={"Accept": "text/event-stream"}) as answer,
    ):
        await answer.until("one")
        described = lifecycle.streams[0].describe()
        assert (described["dialect"], described["status"], described["events"]) == ("generic", 200, 1)
        lifecycle.cut_all()
        assert '"code":"drained"' in await answer.rest()
        assert await lifecycle.wait_empty(GENEROUS_SECONDS)
        assert await run.outcomes() == {("generic", "drained"): 1}
