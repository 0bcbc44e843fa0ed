"""What the middleware leaves as it is: all responses that are no stream, other scopes, messages of ASGI extensions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from sse_proxy import Settings, SSEMiddleware
from sse_proxy.metrics.base import NullMetrics

from .middleware_apps import hosted, wrapped
from .streaming import DONE, GENEROUS_SECONDS, chunk

CHAT = "/v1/chat/completions"


def _inside(app: ASGIApp) -> SSEMiddleware:
    return SSEMiddleware(app, settings=Settings(), metrics=NullMetrics())


def _app(file: Path) -> Starlette:
    def json_body(request: Request) -> Response:
        headers = {"ETag": '"1"', "X-Accel-Buffering": "yes"}
        return JSONResponse({"choices": [], "data: ": "data: x\n\n"}, headers=headers)

    def not_a_stream(request: Request) -> Response:
        return StreamingResponse(_lines(), media_type="application/x-ndjson", headers={"Cache-Control": "max-age=5"})

    responses: dict[str, Any] = {
        "/json": json_body,
        CHAT: json_body,
        "/file": lambda request: FileResponse(file),
        "/lines": not_a_stream,
        "/empty": lambda request: Response(),
        "/204": lambda request: Response(status_code=204),
        "/304": lambda request: Response(status_code=304, headers={"ETag": '"1"'}),
        "/redirect": lambda request: RedirectResponse("/json"),
        "/404": lambda request: JSONResponse({"error": "data: no\n\n"}, status_code=404),
        "/stream": lambda request: StreamingResponse(_events(), media_type="text/event-stream"),
    }
    return Starlette(
        routes=[Route(path, endpoint, methods=["GET", "POST", "HEAD"]) for path, endpoint in responses.items()]
    )


async def _lines() -> AsyncIterator[bytes]:
    yield b'{"a": 1}\n'
    yield b'{"b": 2}\n'


async def _events() -> AsyncIterator[bytes]:
    yield chunk("", finish="stop") + DONE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of every byte, 200 kB of it, with a name that says nothing."""
    path = tmp_path / "download"
    path.write_bytes(bytes(range(256)) * 800)
    return path


async def _head_and_body(port: int, request: str) -> bytes:
    """The raw response, ``date`` aside."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode())
    async with asyncio.timeout(GENEROUS_SECONDS):
        answer = await reader.read()
    writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"date:")) + b"\r\n\r\n" + rest


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
@pytest.mark.parametrize("path", ["/json", "/file", "/empty", "/204", "/304", "/redirect", "/404", "/nowhere"])
async def test_ordinary_responses_pass_byte_for_byte(file: Path, path: str, accept: str) -> None:
    """Head and body are the same with and without us, for clients that would take a stream too."""
    app = _app(file)
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    async with hosted(app) as without, hosted(_inside(app)) as inside:
        assert await _head_and_body(inside.port, request) == await _head_and_body(without.port, request)


@pytest.mark.parametrize(
    "request_lines",
    [
        ["GET /file HTTP/1.1", "Range: bytes=10-19"],
        ["POST /v1/chat/completions HTTP/1.1", "Content-Type: application/json", "Content-Length: 2"],
        ["DELETE /json HTTP/1.1"],
        ["HEAD /file HTTP/1.1"],
        ["HEAD /stream HTTP/1.1"],
    ],
    ids=["range", "no stream asked for", "wrong method", "HEAD of a file", "HEAD of a stream"],
)
async def test_other_requests_pass_byte_for_byte(file: Path, request_lines: list[str]) -> None:
    """Ranges, answers to requests that ask for no stream, methods that have no body."""
    app = _app(file)
    lines = [*request_lines, "Host: x", "Connection: close", "", ""]
    request = "\r\n".join(lines) + ("{}" if lines[0].startswith("POST") else "")
    async with hosted(app) as without, hosted(_inside(app)) as inside:
        assert await _head_and_body(inside.port, request) == await _head_and_body(without.port, request)


async def test_a_stream_of_records_is_marked_unbuffered_and_else_untouched(file: Path) -> None:
    """INTERFACE "Headers": ``X-Accel-Buffering: no`` is for NDJSON too."""
    request = "GET /lines HTTP/1.0\r\nHost: x\r\nConnection: close\r\n\r\n"
    app = _app(file)
    async with hosted(app) as without, hosted(_inside(app)) as inside:
        plain = await _head_and_body(without.port, request)
        marked = await _head_and_body(inside.port, request)
    assert b"x-accel-buffering" not in plain
    assert marked.replace(b"x-accel-buffering: no\r\n", b"", 1) == plain


async def test_websockets_pass() -> None:
    """Both ways, over a real connection, to the close code."""

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text.upper())

    app = _inside(Starlette(routes=[WebSocketRoute("/v1/chat/completions", echo)]))
    async with hosted(app, ws="websockets-sansio") as host:
        async with connect(f"ws://127.0.0.1:{host.port}{CHAT}", proxy=None) as socket:
            await socket.send("data: hello\n\n")
            async with asyncio.timeout(GENEROUS_SECONDS):
                assert await socket.recv() == "DATA: HELLO\n\n"
        await host.idle()
        assert host.raised == []


async def test_lifespan_passes() -> None:
    """The app starts up and shuts down, and its lifespan state is with its requests."""
    said: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        said.append("startup")
        yield {"greeting": "hello"}
        said.append("shutdown")

    async def endpoint(request: Request) -> Response:
        return Response(request.state.greeting)

    app = Starlette(routes=[Route("/", endpoint)], lifespan=lifespan)
    app.add_middleware(SSEMiddleware, settings=Settings(), metrics=NullMetrics())
    async with hosted(app, lifespan=True) as host, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(host.url)).text == "hello"
        assert said == ["startup"]
    assert said == ["startup", "shutdown"]


async def _messages(app: ASGIApp, *, accept: bytes = b"*/*", path: str = "/file") -> list[Message]:
    """What a server that has every extension is sent; a fake one, since uvicorn has none of them."""
    sent: list[Message] = []
    asked = asyncio.Event()

    async def receive() -> Message:
        if not asked.is_set():
            asked.set()
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.sleep(GENEROUS_SECONDS * 2)
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    names = ("pathsend", "trailers", "early_hint", "push", "zerocopysend", "debug")
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET",
        "path": path, "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": b"",
        "headers": [(b"accept", accept)], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        "extensions": {f"http.response.{name}": {} for name in names},
    }  # fmt: skip
    await _inside(app)(scope, receive, send)
    return [message for message in sent if message != {"type": "http.response.body", "body": b"", "more_body": True}]


async def test_a_path_sent_by_the_server_passes(file: Path) -> None:
    """``http.response.pathsend`` comes right behind its start, and nothing comes after it."""
    sent = await _messages(_app(file))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.pathsend"]
    assert sent[1]["path"] == str(file)


async def test_a_file_sent_by_the_server_passes() -> None:
    """``http.response.zerocopysend`` stands for body messages: its ``more_body`` counts."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.zerocopysend", "file": 3, "count": 10, "more_body": True})
        await send({"type": "http.response.zerocopysend", "file": 3})

    sent = await _messages(app)
    assert [(message["type"], message.get("more_body")) for message in sent] == [
        ("http.response.start", None),
        ("http.response.zerocopysend", True),
        ("http.response.zerocopysend", None),
    ]


async def test_a_file_that_may_be_a_stream_comes_through_us(file: Path) -> None:
    """What would lead a stream past us is not offered to the app; other extensions are."""
    offered: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        offered.extend(scope["extensions"])
        await _app(file)(scope, receive, send)

    sent = await _messages(app, accept=b"text/event-stream")
    assert b"".join(message.get("body", b"") for message in sent) == file.read_bytes()
    assert offered == ["http.response.early_hint", "http.response.push", "http.response.debug"]


@pytest.mark.parametrize("accept", [b"*/*", b"text/event-stream"])
async def test_early_hints_and_debug_messages_come_before_the_start(accept: bytes) -> None:
    """Also where the start itself is held back."""
    early: list[Message] = [
        {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]},
        {"type": "http.response.push", "path": "/style.css", "headers": []},
        {"type": "http.response.debug", "info": {"template": None, "context": None}},
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in early:
            await send(message)
        await JSONResponse({})(scope, receive, send)

    sent = await _messages(app, accept=accept)
    assert sent[:3] == early
    assert sent[3]["type"] == "http.response.start"


@pytest.mark.parametrize("kind", [b"text/plain", b"text/event-stream"])
async def test_trailers_pass(kind: bytes) -> None:
    """The start says that they come, and they come behind the body."""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)], "trailers": True}
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start)
        await send({"type": "http.response.body", "body": b"data: one\n\n"})
        await send(trailers)

    sent = await _messages(app)
    assert sent[0]["trailers"] is True
    assert sent[-1] == trailers
    assert b"".join(message.get("body", b"") for message in sent) == b"data: one\n\n"


async def test_head_of_a_stream_opens_none(file: Path) -> None:
    """A HEAD request is not counted among the streams."""
    async with wrapped(_app(file)) as run:
        answer = await run.client.head("/stream", headers={"Accept": "text/event-stream"})
        assert answer.status_code == 200
        assert await run.outcomes() == {}
