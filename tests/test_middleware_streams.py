"""What an app's own event streams become inside the middleware: headers, heartbeats, held heads, verified endings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .middleware_apps import get, reading, wrapped
from .streaming import DONE, GENEROUS_SECONDS, body, chunk, start

EVENT_STREAM = "text/event-stream"

PING = 'event: ping\ndata: {"type": "ping"}\n\n'


def _starlette(path: str, content: Callable[[], Any], **kwargs: Any) -> ASGIApp:
    async def endpoint(request: Request) -> Response:
        return StreamingResponse(content(), media_type=EVENT_STREAM, **kwargs)

    return Starlette(routes=[Route(path, endpoint, methods=["GET", "POST"])])


async def _two_events() -> AsyncIterator[str]:
    yield "data: one\n\n"
    yield "data: two\n\n"


def _two_events_in_a_thread() -> Iterator[str]:
    yield "data: one\n\n"
    yield "data: two\n\n"


async def _two_events_in_memoryviews() -> AsyncIterator[memoryview]:
    yield memoryview(b"data: one\n\n")
    yield memoryview(b"data: two\n\n")


def _fastapi() -> FastAPI:
    app = FastAPI()

    @app.get("/stream", response_class=EventSourceResponse)
    async def stream() -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent(raw_data="one")
        yield ServerSentEvent(raw_data="two")

    return app


async def _raw(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"data: one\n\nda")
    await body(send, b"ta: two\n\n")
    await body(send, b"", more=False)


async def _bare(scope: Scope, receive: Receive, send: Send) -> None:
    """Leave out every optional key of the messages."""
    await send({"type": "http.response.start", "status": 200, "headers": ((b"Content-Type", b"text/event-stream"),)})
    await send({"type": "http.response.body", "body": b"data: one\n\ndata: two\n\n", "more_body": True})
    await send({"type": "http.response.body"})


async def _whole() -> AsyncIterator[str]:
    yield "data: one\n\ndata: two"


SOURCES = {
    "StreamingResponse": lambda: _starlette("/stream", _two_events),
    "generator in a thread": lambda: _starlette("/stream", _two_events_in_a_thread),
    "memoryviews": lambda: _starlette("/stream", _two_events_in_memoryviews),
    "fastapi.sse": _fastapi,
    "raw ASGI": lambda: _raw,
    "bare messages": lambda: _bare,
    "no final blank line": lambda: _starlette("/stream", _whole),
    "Content-Length": lambda: _starlette("/stream", _two_events, headers={"Content-Length": "22"}),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
@pytest.mark.parametrize("accept", [EVENT_STREAM, "*/*"])
async def test_event_streams_of_any_origin_get_the_headers_against_buffering(
    source: Callable[[], ASGIApp], accept: str
) -> None:
    """INTERFACE "Headers", whatever made the stream, and for a plain curl that sends no such Accept as well."""
    async with wrapped(source()) as run:
        answer = await run.client.get("/stream", headers={"Accept": accept})
        assert answer.text == "data: one\n\ndata: two\n\n"
        assert answer.status_code == 200
        assert answer.headers.get_list("content-type") == ["text/event-stream; charset=utf-8"]
        assert answer.headers.get_list("cache-control") == ["no-cache, no-transform"]
        assert answer.headers.get_list("x-accel-buffering") == ["no"]
        assert "content-length" not in answer.headers
        assert await run.outcomes() == {("generic", "completed"): 1}
        assert run.value("sse_proxy_events_total", dialect="generic") == 2


async def test_fields_of_the_app_stay_and_no_store_is_kept() -> None:
    """Only what would buffer or lie goes; ``Connection: keep-alive``, illegal in HTTP/2, is such a field."""
    headers = {"Cache-Control": "no-store", "Connection": "keep-alive", "X-Own": "kept", "ETag": '"1"'}
    async with wrapped(_starlette("/stream", _two_events, headers=headers)) as run:
        answer = await run.client.get("/stream")
        assert answer.headers["cache-control"] == "no-cache, no-transform, no-store"
        assert answer.headers["x-own"] == "kept"
        assert not {"connection", "etag"} & set(answer.headers)


@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_a_generic_stream_opens_before_its_first_event(http: Any) -> None:
    """``http.response.start`` is not held back where no event can change it: EventSource's ``open`` fires at once."""
    go = asyncio.Event()

    async def later() -> AsyncIterator[str]:
        await asyncio.wait_for(go.wait(), GENEROUS_SECONDS)
        yield "data: one\n\n"

    headers = {"Accept": EVENT_STREAM}
    async with (
        wrapped(_starlette("/stream", later), http=http) as run,
        reading(run.client, "GET", "/stream", headers=headers) as answer,
    ):
        assert answer.response.status_code == 200
        go.set()
        assert await answer.rest() == "data: one\n\n"


async def test_the_head_of_a_known_api_waits_for_the_first_event() -> None:
    """An error as the first event still becomes a real status, though the app has already said 200."""

    async def failing() -> AsyncIterator[str]:
        yield 'data: {"error": {"message": "no such model", "type": "invalid_request_error", "code": 404}}\n\n'
        yield "data: [DONE]\n\n"

    async with wrapped(_starlette("/v1/chat/completions", failing)) as run:
        answer = await run.client.post("/v1/chat/completions", json={"stream": True})
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == "no such model"
        assert await run.outcomes() == {("openai_chat", "upstream_error"): 1}


async def _chat() -> AsyncIterator[bytes]:
    yield chunk("Hello")
    yield chunk("", finish="stop")
    yield DONE


async def _chat_cut() -> AsyncIterator[bytes]:
    yield chunk("Hello")


async def _chat_unfinished() -> AsyncIterator[bytes]:
    yield chunk("Hello")
    yield chunk("", finish="stop")


def _named(kind: str, **document: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **document}, separators=(',', ':'))}\n\n"


async def _messages() -> AsyncIterator[str]:
    yield _named("message_start", message={"usage": {"input_tokens": 3}})
    yield _named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5})
    yield _named("message_stop")


async def _messages_cut() -> AsyncIterator[str]:
    yield _named("message_start", message={"usage": {"input_tokens": 3}})


@pytest.mark.parametrize(
    "path,content,outcome,ending",
    [
        ("/v1/chat/completions", _chat, "completed", "data: [DONE]\n\n"),
        ("/v1/chat/completions", _chat_unfinished, "completed", "data: [DONE]\n\n"),
        ("/v1/chat/completions", _chat_cut, "upstream_truncated", "data: [DONE]\n\n"),
        ("/api/v1/messages", _messages, "completed", '{"type":"message_stop"}\n\n'),
        ("/api/v1/messages", _messages_cut, "upstream_truncated", "}\n\n"),
    ],
    ids=["chat", "chat without DONE", "chat cut", "messages", "messages cut"],
)
async def test_apps_that_speak_a_known_api_have_their_endings_verified(
    path: str, content: Callable[[], Any], outcome: str, ending: str
) -> None:
    """A stream without its terminal signal is never passed off as complete, and a complete one is not touched."""
    async with wrapped(_starlette(path, content)) as run:
        answer = await run.client.post(path, json={"stream": True})
        dialect = "anthropic" if path.endswith("messages") else "openai_chat"
        assert answer.text.endswith(ending)
        assert ('"error"' in answer.text) is (outcome == "upstream_truncated")
        assert await run.outcomes() == {(dialect, outcome): 1}


async def _with_marker(*, kind: str = "", data: str = "x") -> AsyncIterator[str]:
    yield "data: one\n\n"
    yield f"event: {kind}\ndata: {data}\n\n" if kind else f"data: {data}\n\n"


@pytest.mark.parametrize("last", [{"kind": "end"}, {"data": "end"}, {"data": "end", "kind": "other"}])
async def test_an_own_end_marker_completes_a_stream(last: dict[str, str]) -> None:
    """``terminal=`` is an event's type or its whole data."""
    async with wrapped(_starlette("/stream", lambda: _with_marker(**last)), terminal="end") as run:
        assert (await run.client.get("/stream")).text.startswith("data: one\n\n")
        assert await run.outcomes() == {("generic", "completed"): 1}


@pytest.mark.parametrize("last", [{"kind": "endless"}, {"data": "the end"}])
async def test_without_the_own_end_marker_a_stream_is_broken_off(last: dict[str, str]) -> None:
    """A cut stream of an own format gets an ``error`` event, and the connection breaks: nobody takes it for whole."""
    async with wrapped(_starlette("/stream", lambda: _with_marker(**last)), terminal="end") as run:
        async with reading(run.client, "GET", "/stream") as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                await answer.rest()
        assert answer.text.startswith("data: one\n\n")
        assert "event: error\ndata: " in answer.text
        assert '"code":"upstream_truncated"' in answer.text
        assert await run.outcomes() == {("generic", "upstream_truncated"): 1}


async def test_known_apis_keep_their_own_ending_beside_an_own_marker() -> None:
    """``terminal=`` is for streams that no known API explains."""
    async with wrapped(_starlette("/v1/chat/completions", _chat), terminal="end") as run:
        await run.client.post("/v1/chat/completions", json={"stream": True})
        assert await run.outcomes() == {("openai_chat", "completed"): 1}


async def _silent(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that says one event, with an id where the path ends so, and is silent until its client goes."""
    await receive()
    first = {"/v1/chat/completions": chunk("Hi"), "/v1/messages": _named("content_block_delta").encode()}
    event = first.get(scope["path"], b"data: one\n\n")
    await start(send)
    await body(send, b"id: 1\n" + event if scope["path"] == "/ids" else event)
    while (await receive())["type"] != "http.disconnect":
        pass


async def test_heartbeats_fill_the_silence_of_an_app_in_the_form_that_its_clients_bear() -> None:
    """INTERFACE "Heartbeats (`auto`)": by path, by ids, and by a browser's own header."""
    noop = '"delta":{},"finish_reason":null}]}\n\n'
    expected = {
        ("POST", "/v1/chat/completions", ""): ": ping\n",
        ("POST", "/v1/chat/completions", "cors"): noop,
        ("POST", "/v1/messages", ""): PING,
        ("GET", "/any", ""): ": ping\n\n",
        ("GET", "/ids", ""): ": ping\n",
    }

    async def beats(client: httpx.AsyncClient, method: str, path: str, mode: str) -> str:
        headers = {"Sec-Fetch-Mode": mode} if mode else {}
        json_body = {"json": {"stream": True}} if method == "POST" else {}
        async with reading(client, method, path, headers=headers, **json_body) as answer:
            await answer.until("\n\n")
            first = answer.text
            await answer.until(first + expected[method, path, mode] if mode != "cors" else noop)
            return answer.text.removeprefix(first)

    async with wrapped(_silent, heartbeat_seconds=1) as run:
        found = await asyncio.gather(*(beats(run.client, *key) for key in expected))
        assert [text.endswith(beat) for text, beat in zip(found, expected.values(), strict=True)] == [True] * 5
        assert await run.outcomes() == {
            ("openai_chat", "client_disconnected"): 2,
            ("anthropic", "client_disconnected"): 1,
            ("generic", "client_disconnected"): 2,
        }
        assert run.value("sse_proxy_heartbeats_total") == 5


async def test_a_known_api_gets_its_200_and_heartbeats_before_the_app_says_anything() -> None:
    """``commit_after_seconds``: long prefill does not leave the client without a byte, and the answer follows."""
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.wait_for(go.wait(), GENEROUS_SECONDS)
        await start(send, x_late="never seen")
        await body(send, chunk("Hi") + chunk("", finish="stop") + DONE, more=False)

    async with wrapped(app, commit_after_seconds=0.05, heartbeat_seconds=1) as run:
        async with reading(run.client, "POST", "/v1/chat/completions", json={"stream": True}) as answer:
            assert answer.response.status_code == 200
            assert answer.response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert await answer.until(": ping\n: ping\n") == ": ping\n: ping\n"
            go.set()
            assert (await answer.rest()).endswith("data: [DONE]\n\n")
        assert await run.outcomes() == {("openai_chat", "completed"): 1}


async def test_after_the_promise_a_late_refusal_is_told_in_the_stream() -> None:
    """A status that comes after ``commit_after_seconds`` cannot be sent any more: the client gets it as an error."""
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.wait_for(go.wait(), GENEROUS_SECONDS)
        await start(send, "application/json", 429)
        await body(send, b'{"error":{"message":"slow down"}}', more=False)

    async with wrapped(app, commit_after_seconds=0.05) as run:
        async with reading(run.client, "POST", "/v1/chat/completions", json={"stream": True}) as answer:
            await answer.until(": ping\n")
            go.set()
            assert "slow down" in await answer.rest()
            assert answer.text.endswith("data: [DONE]\n\n")
        assert await run.outcomes() == {("openai_chat", "upstream_error"): 1}


async def test_plain_curl_sees_the_stream_before_it_ends() -> None:
    """Nothing is collected on the way: each event leaves as the app sends it."""
    go = asyncio.Event()

    async def events() -> AsyncIterator[str]:
        yield "data: one\n\n"
        await asyncio.wait_for(go.wait(), GENEROUS_SECONDS)
        yield "data: two\n\n"

    async with wrapped(_starlette("/stream", events)) as run:
        client = await get(run.host.port, "/stream", "Connection: close")
        head = await client.until(b"data: one\n\n")
        assert b"x-accel-buffering: no" in head
        go.set()
        assert b"data: two\n\n" in await client.rest()
        client.close()


async def test_an_app_that_is_silent_after_its_last_event_is_not_waited_for() -> None:
    """``completion_grace_seconds`` after the terminal signal the response ends, and counts as completed."""

    async def lingering() -> AsyncIterator[bytes]:
        yield chunk("", finish="stop")
        yield DONE
        await asyncio.sleep(GENEROUS_SECONDS * 2)

    async with wrapped(_starlette("/v1/chat/completions", lingering), completion_grace_seconds=0.05) as run:
        answer = await run.client.post("/v1/chat/completions", json={"stream": True})
        assert answer.text.endswith("data: [DONE]\n\n")
        assert await run.outcomes() == {("openai_chat", "completed"): 1}
        assert run.host.raised == []
