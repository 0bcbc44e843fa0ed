"""What the app receives: its request body whole and once, and its client's departure, however it asks for them.

`hosted` fails each of these tests in which two coroutines are inside the server's ``receive`` at once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sse_proxy.errors import ClientDisconnected

from .middleware_apps import reading, wrapped
from .streaming import GENEROUS_SECONDS, RawClient, body, chunk, start

CHAT = "/v1/chat/completions"
LEFT = {("openai_chat", "client_disconnected"): 1}


class Seen:
    """What an app noticed, in order, and the moment of each."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self._changed = asyncio.Event()

    def say(self, what: str) -> None:
        self.said.append(what)
        self._changed.set()

    async def wait(self, what: str) -> None:
        async with asyncio.timeout(GENEROUS_SECONDS):
            while what not in self.said:
                self._changed.clear()
                await self._changed.wait()


def _app(endpoint: Any) -> ASGIApp:
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET", "POST"])])


async def _endless(seen: Seen) -> AsyncIterator[bytes]:
    try:
        yield chunk("Hi")
        await asyncio.sleep(GENEROUS_SECONDS * 2)
    except asyncio.CancelledError:
        seen.say("cancelled")
        raise
    finally:
        seen.say("finally")


@pytest.mark.parametrize("http", ["httptools", "h11"])
async def test_a_streaming_response_is_cancelled_when_its_client_leaves(http: Any) -> None:
    """The generator cleans up and the background task runs, both as without us."""
    seen = Seen()

    async def endpoint(request: Request) -> Response:
        background = BackgroundTask(seen.say, "background")
        return StreamingResponse(_endless(seen), media_type="text/event-stream", background=background)

    async with wrapped(_app(endpoint), http=http) as run:
        async with reading(run.client, "POST", CHAT, json={"stream": True}) as answer:
            await answer.until("Hi")
        await seen.wait("background")
        assert seen.said == ["cancelled", "finally", "background"]
        assert await run.outcomes() == LEFT
        assert run.value("sse_proxy_disconnect_silence_seconds_count") == 1
        assert run.host.raised == []


async def test_is_disconnected_tells_of_the_departure() -> None:
    """Polling works inside a generator, beside Starlette's own listener."""
    seen = Seen()

    async def endpoint(request: Request) -> Response:
        async def events() -> AsyncIterator[bytes]:
            yield chunk("Hi")
            async with asyncio.timeout(GENEROUS_SECONDS):
                while not await request.is_disconnected():
                    await asyncio.sleep(0.005)
            seen.say("disconnected")

        class Unwatched(StreamingResponse):
            async def listen_for_disconnect(self, receive: Receive) -> None:
                await asyncio.sleep(GENEROUS_SECONDS * 2)

        return Unwatched(events(), media_type="text/event-stream")

    async with wrapped(_app(endpoint)) as run:
        async with reading(run.client, "POST", CHAT, json={"stream": True}) as answer:
            await answer.until("Hi")
        await seen.wait("disconnected")
        assert await run.outcomes() == LEFT


@pytest.mark.parametrize("path", [CHAT, "/any"])
async def test_is_disconnected_works_before_and_without_a_stream(path: str) -> None:
    """A handler that computes for long sees its client go, whether or not a stream was asked for."""
    seen = Seen()

    async def endpoint(request: Request) -> Response:
        assert await request.json() == {"stream": True}
        seen.say("arrived")
        async with asyncio.timeout(GENEROUS_SECONDS):
            while not await request.is_disconnected():
                await asyncio.sleep(0.005)
        seen.say("disconnected")
        return JSONResponse({})

    async with wrapped(_app(endpoint)) as run:
        client = await RawClient.post(run.host.port, path)
        await seen.wait("arrived")
        client.close()
        await seen.wait("disconnected")
        await run.host.idle()
        assert run.host.raised == []


async def test_an_app_on_bare_asgi_gets_http_disconnect_again_and_again() -> None:
    """``receive()`` waits for it, and keeps on telling; what is sent afterwards goes nowhere."""
    seen = Seen()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        await start(send)
        await body(send, chunk("Hi"))
        for _ in range(3):
            seen.say((await receive())["type"])
        await body(send, chunk("nobody hears"), more=False)
        seen.say("returned")

    async with wrapped(app) as run:
        async with reading(run.client, "POST", CHAT, json={"stream": True}) as answer:
            await answer.until("Hi")
        await seen.wait("returned")
        assert seen.said == ["http.disconnect"] * 3 + ["returned"]
        assert await run.outcomes() == LEFT


async def test_an_app_that_never_listens_may_finish_its_work() -> None:
    """The departure is delivered, not enforced: an app that stores its answer gets to store it."""
    seen = Seen()
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("Hi"))
        await asyncio.wait_for(go.wait(), GENEROUS_SECONDS)
        await body(send, chunk("", finish="stop"), more=False)
        seen.say("stored")

    async with wrapped(app) as run:
        async with reading(run.client, "POST", CHAT, json={"stream": True}) as answer:
            await answer.until("Hi")
        await asyncio.wait_for(run.host.departed.wait(), GENEROUS_SECONDS)
        go.set()
        await seen.wait("stored")
        assert await run.outcomes() == LEFT
        assert run.host.raised == []


async def test_an_app_that_only_sends_does_not_stop_the_process() -> None:
    """With its client gone no send waits for anything; others must get their turn all the same."""
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        while not go.is_set():
            await body(send, chunk("Hi"))

    async with wrapped(app) as run:
        async with reading(run.client, "POST", CHAT, json={"stream": True}) as answer:
            await answer.until("Hi")
        await asyncio.wait_for(run.host.departed.wait(), GENEROUS_SECONDS)
        go.set()
        assert await run.outcomes() == LEFT


async def test_the_look_ahead_takes_nothing_from_the_app() -> None:
    """``await request.json()`` gives the same document after the middleware has read it."""
    document = {"stream": False, "messages": [{"role": "user", "content": "ä" * 50_000}]}

    async def endpoint(request: Request) -> Response:
        return JSONResponse(await request.json())

    async with wrapped(_app(endpoint)) as run:
        assert (await run.client.post(CHAT, json=document)).json() == document
        assert (await run.client.post("/any", json=document)).json() == document


def _pieces(number: int, size: int) -> AsyncIterator[bytes]:
    async def generate() -> AsyncIterator[bytes]:
        for index in range(number):
            yield bytes([65 + index % 26]) * size

    return generate()


@pytest.mark.parametrize("path", [CHAT, "/upload"])
@pytest.mark.parametrize("inspected", [0, 1000, 8_388_608])
@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream"])
async def test_uploads_of_any_size_reach_the_app_whole(path: str, inspected: int, kind: str) -> None:
    """``Request.stream()`` over bodies larger and smaller than ``inspect_request_bytes``, chunked and not."""
    whole = b"".join([piece async for piece in _pieces(30, 100_000)])

    async def endpoint(request: Request) -> Response:
        received = b"".join([piece async for piece in request.stream()])
        return JSONResponse({"same": received == whole})

    async with wrapped(_app(endpoint), inspect_request_bytes=inspected) as run:
        headers = {"Content-Type": kind}
        chunked = await run.client.post(path, content=_pieces(30, 100_000), headers=headers)
        sized = await run.client.post(path, content=whole, headers=headers)
        assert [chunked.json(), sized.json()] == [{"same": True}] * 2


async def test_a_stream_may_answer_while_its_request_is_still_being_sent() -> None:
    """An app that echoes: each piece goes in and comes out before the next one is sent."""
    wanted = [b"one", b"two", b"three"]
    echoed = asyncio.Queue[bytes]()

    async def upload() -> AsyncIterator[bytes]:
        for piece in wanted:
            yield piece
            await asyncio.wait_for(echoed.get(), GENEROUS_SECONDS)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            if message["body"]:
                await body(send, b"data: " + message["body"] + b"\n\n")
                echoed.put_nowait(message["body"])
        await body(send, b"", more=False)

    async with wrapped(app) as run:
        answer = await run.client.post("/echo", content=upload(), headers={"Content-Type": "text/plain"})
        assert answer.text == "data: one\n\ndata: two\n\ndata: three\n\n"
        assert await run.outcomes() == {("generic", "completed"): 1}


async def test_an_app_that_never_reads_its_body_still_learns_of_the_departure() -> None:
    """A large upload that nobody asks for is not held, and its sender's departure is noticed behind it."""
    seen = Seen()

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(_endless(seen), media_type="text/event-stream")

    async with wrapped(_app(endpoint)) as run:
        client = await _upload(run.host.port, announced=3_000_000, sent=100_000)
        await client.until(b"Hi")
        client.close()
        await seen.wait("finally")
        assert await run.outcomes() == {("generic", "client_disconnected"): 1}


async def _upload(port: int, *, announced: int, sent: int, path: str = "/upload") -> RawClient:
    """Open a connection and send a part of an upload."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: text/plain\r\nContent-Length: {announced}\r\n\r\n"
    writer.write(head.encode() + b"x" * sent)
    await writer.drain()
    return RawClient(reader, writer)


async def test_an_app_that_reads_late_gets_its_body_while_we_listen() -> None:
    """The stream has begun and we watch for the departure; then the app asks for the body, which comes only now."""
    received = bytearray()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"data: one\n\n")
        more = True
        while more:
            message = await receive()
            received.extend(message["body"])
            more = message.get("more_body", False)
        await body(send, b"data: two\n\n", more=False)

    async with wrapped(app) as run:
        client = await _upload(run.host.port, announced=3_000_000, sent=1000)
        await client.until(b"data: one\n\n")
        client.writer.write(b"x" * 2_999_000)
        await client.writer.drain()
        await client.until(b"data: two\n\n")
        client.close()
        assert len(received) == 3_000_000
        assert await run.outcomes() == {("generic", "completed"): 1}


async def test_the_departure_in_the_middle_of_an_upload_is_the_apps_own_error() -> None:
    """``Request.stream()`` raises `ClientDisconnect`, as without us."""
    seen = Seen()

    async def endpoint(request: Request) -> Response:
        try:
            async for _ in request.stream():
                seen.say("piece")
        except ClientDisconnect:
            seen.say("left")
            raise
        return Response()

    async with wrapped(_app(endpoint)) as run:
        client = await _upload(run.host.port, announced=1000, sent=10)
        await seen.wait("piece")
        client.close()
        await seen.wait("left")
        await run.host.idle()
        assert [type(error) for error in run.host.raised] == [ClientDisconnect]


async def test_the_departure_during_the_look_ahead_is_the_apps_own_error() -> None:
    """We were reading the JSON body; the app is called all the same and told."""
    seen = Seen()

    async def endpoint(request: Request) -> Response:
        try:
            await request.body()
        except ClientDisconnect:
            seen.say("left")
        return Response()

    async with wrapped(_app(endpoint)) as run:
        client = await _upload(run.host.port, announced=1000, sent=10, path=CHAT)
        client.close()
        await seen.wait("left")
        await run.host.idle()


async def test_a_body_that_does_not_come_is_a_400() -> None:
    """The look-ahead gives up after ``idle_timeout_seconds``; the app never had the request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    async with wrapped(app, idle_timeout_seconds=0.1) as run:
        client = await _upload(run.host.port, announced=1000, sent=10, path=CHAT)
        assert b"HTTP/1.1 400 " in await client.until(b"\r\n\r\n")
        assert json.loads(await client.until(b"}}"))["error"]["type"] == "invalid_request_error"
        client.close()


async def test_http_2_requests_need_no_framing_fields_to_have_a_body() -> None:
    """RFC 9113 § 8.1: a body without Content-Length or Transfer-Encoding; a fake server, uvicorn has no HTTP/2."""
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"stream"', "more_body": True},
        {"type": "http.request", "body": b": true}", "more_body": False},
    ]
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await JSONResponse(await request.json())(scope, receive, send)

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(GENEROUS_SECONDS * 2)
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async with wrapped(app) as run:
        scope: Scope = {
            "type": "http", "http_version": "2", "method": "POST", "path": "/any", "headers": [], "client": None,
            "query_string": b"",
        }  # fmt: skip
        await run.host.app(scope, receive, send)
        assert json.loads(b"".join(message.get("body", b"") for message in sent)) == {"stream": True}


async def test_a_full_house_is_told_before_the_app_is_called() -> None:
    """``max_streams`` holds in front of an app as well: 503 with ``Retry-After``, ordinary requests not counted."""
    seen = Seen()

    async def endpoint(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({})
        return StreamingResponse(_endless(seen), media_type="text/event-stream")

    async with wrapped(_app(endpoint), max_streams=1) as run:
        async with reading(run.client, "POST", CHAT, json={"stream": True}) as first:
            await first.until("Hi")
            second = await run.client.post(CHAT, json={"stream": True})
            assert (second.status_code, second.headers["retry-after"]) == (503, "1")
            assert second.json()["error"]["code"] == "rejected"
            assert (await run.client.get("/any")).status_code == 200
        await seen.wait("finally")
        await run.host.idle()
        async with reading(run.client, "POST", CHAT, json={"stream": True}) as third:
            await third.until("Hi")
        await run.host.idle()
        assert await run.outcomes() == {("openai_chat", "client_disconnected"): 2, ("openai_chat", "rejected"): 1}


async def test_an_app_of_ours_is_not_called_in_vain() -> None:
    """``owns_app``: who left before its request was complete is an error for whoever is around us."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    async with wrapped(app, owns_app=True) as run:
        client = await _upload(run.host.port, announced=1000, sent=10, path=CHAT)
        async with asyncio.timeout(GENEROUS_SECONDS):
            while not run.host.running:
                await asyncio.sleep(0.002)
        client.close()
        await asyncio.wait_for(run.host.departed.wait(), GENEROUS_SECONDS)
        await run.host.idle()
        assert [type(error) for error in run.host.raised] == [ClientDisconnected]
