"""`demo.mock`, `demo.routes` and `demo.stats` over real sockets: the mock as a client meets it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp, Message

from sse_proxy.demo import answer, create_mock
from sse_proxy.demo.apis import PATHS, api_for

from .conftest import LIMIT_SECONDS

CHAT = "/v1/chat/completions"
STREAM = {"stream": True, "messages": []}


@asynccontextmanager
async def serving(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """*app* under a real uvicorn with *options* on a free port of 127.0.0.1; yields its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="on", **options)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            # The socket listens already: who connects early waits in its backlog.
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def mock_client(**options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a fresh mock."""
    async with (
        serving(create_mock(), **options) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=LIMIT_SECONDS, trust_env=False) as client,
    ):
        yield client


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a fresh mock under plain uvicorn."""
    async with mock_client() as client:
        yield client


async def told(client: httpx.AsyncClient, name: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the mock tells of the request *name*, once that is what it should be."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            response = await client.get("/mock/stats", params={"id": name})
            record: dict[str, Any] = response.json()
            if response.status_code == 200 and until(record):
                return record
            await asyncio.sleep(0.01)


async def connect(client: httpx.AsyncClient, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A raw connection on which *request* was sent."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    writer.write(request)
    await writer.drain()
    return reader, writer


def chat_request(query: str, name: str = "x", body: bytes = b'{"stream":true}') -> bytes:
    """The bytes of a chat request."""
    head = (
        f"POST {CHAT}?rate=0&{query} HTTP/1.1\r\nHost: mock\r\nX-Mock-Id: {name}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def test_plain_endpoints_answer_json(client: httpx.AsyncClient) -> None:
    """Health, models and a JSON document, HEAD as well as GET."""
    assert (await client.get("/health")).json() == {"status": "ok"}
    assert [model["id"] for model in (await client.get("/v1/models")).json()["data"]] == ["mock"]
    assert {"text": "".join(answer(3))} == (await client.get("/json?tokens=3")).json()
    head = await client.head("/json")
    assert head.content == b""
    assert head.headers["content-type"] == "application/json"


async def test_echo_tells_what_arrived(client: httpx.AsyncClient) -> None:
    """Method, raw path, query, headers as pairs, and length and digest of the body; ``status`` sets its status."""
    content = b"\0\xff" * 100_000
    headers = [("X-Twice", "1"), ("X-Twice", "2")]
    response = await client.request("REPORT", "/echo/a%2Fb?q=%20&status=418", content=content, headers=headers)
    document = response.json()
    assert response.status_code == 418
    assert (document["method"], document["path"], document["query"]) == ("REPORT", "/echo/a%2Fb", "q=%20&status=418")
    assert [pair for pair in document["headers"] if pair[0] == "x-twice"] == [["x-twice", "1"], ["x-twice", "2"]]
    assert (200_000, hashlib.sha256(content).hexdigest()) == (document["body_bytes"], document["body_sha256"])


async def test_upload_and_download_have_the_asked_length(client: httpx.AsyncClient) -> None:
    """The sink counts, the source sends under a Content-Length."""
    uploaded = await client.put("/upload", content=b"x" * 1000)
    assert {"bytes": 1000, "sha256": hashlib.sha256(b"x" * 1000).hexdigest()} == uploaded.json()
    downloaded = await client.get("/download?bytes=100000&header=ETag:%20%22a%22")
    assert (len(downloaded.content), downloaded.headers["content-length"]) == (100_000, "100000")
    assert downloaded.headers["etag"] == '"a"'


@pytest.mark.parametrize(
    "method,path,content,status,message",
    [
        ("GET", "/nowhere", b"", 404, "no such path"),
        ("GET", CHAT, b"", 405, "use POST"),
        ("POST", CHAT, b"{", 400, "no JSON:"),
        ("POST", CHAT, b"[]", 400, "no JSON object"),
        ("POST", f"{CHAT}?defect=nope", b"{}", 400, "knob defect"),
        ("POST", f"{CHAT}?status=503", b"{}", 503, "told this status"),
        ("GET", "/events?defect=double_data", b"", 400, "only JSON payloads"),
        ("GET", "/mock/stats?id=nobody", b"", 404, "no request had this id"),
        ("GET", "/mock/reset", b"", 404, "POST /mock/reset"),
    ],
)
async def test_refusals_say_why(
    client: httpx.AsyncClient, method: str, path: str, content: bytes, status: int, message: str
) -> None:
    """Every refusal is a JSON error of that status."""
    response = await client.request(method, path, content=content)
    assert status == response.status_code
    assert message in response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"])
async def test_refusal_has_the_shape_of_its_api(client: httpx.AsyncClient, path: str) -> None:
    """Anthropic's errors carry a type at the top, OpenAI's do not."""
    document = (await client.post(path, params={"status": 429}, json={})).json()
    assert document["error"]["type"] == "rate_limit_error"
    assert ("error" if path == "/v1/messages" else None) == document.get("type")


@pytest.mark.parametrize("path", sorted(PATHS - {"/events", "/v1/streams/mock"}))
async def test_every_api_answers_in_json_and_as_a_stream(client: httpx.AsyncClient, path: str) -> None:
    """A status that is asked for comes as JSON; a body that asks for a stream gets one under its Content-Type."""
    refusal = await client.post(path, params={"status": 429}, json={})
    assert (refusal.status_code, refusal.headers["content-type"]) == (429, "application/json")
    assert "told this status" in refusal.text
    api = api_for(path, b"", {"prompt": "Hi"})
    stream = await client.post(path, params={"tokens": 1, "rate": 0}, json=api.example or {"stream": True})
    assert api.media_type == stream.headers.get("content-type", "")
    assert "content-length" not in stream.headers


async def test_gemini_answers_as_its_query_asks(client: httpx.AsyncClient) -> None:
    """An event stream with ``alt=sse``, an array without; whatever the model is called."""
    path = "/v1beta/models/gemini-9-pro:streamGenerateContent"
    array = await client.post(path, params={"rate": 0, "tokens": 2}, json={})
    events = await client.post(path, params={"rate": 0, "tokens": 2, "alt": "sse"}, json={})
    assert len(array.json()) == 3
    assert events.text.count("data: ") == 3
    assert events.text.endswith("\r\n\r\n")


@pytest.mark.parametrize("prefix", ["/openai/v1", "/openai/deployments/gpt-9"])
async def test_openai_chat_is_where_groq_and_azure_have_it_too(client: httpx.AsyncClient, prefix: str) -> None:
    """The same API under their prefixes; and line separators are in the text where they are asked for."""
    stream = await client.post(
        f"{prefix}/chat/completions", params={"rate": 0, "tokens": 1, "separators": 1}, json={"stream": True}
    )
    assert '"content":"stream0 \u2028\u2029\x85"' in stream.text


async def test_ollama_streams_unless_told_not_to(client: httpx.AsyncClient) -> None:
    """As the real one."""
    stream = await client.post("/api/chat", params={"rate": 0, "tokens": 2}, json={"model": "m"})
    whole = await client.post("/api/chat", params={"rate": 0, "tokens": 2}, json={"model": "m", "stream": False})
    assert [line["done"] for line in map(json.loads, stream.text.splitlines())] == [False, False, True]
    assert whole.json()["message"]["content"] == "".join(answer(2))


async def test_each_event_is_a_chunk_of_its_own(client: httpx.AsyncClient) -> None:
    """On the wire every event is one HTTP chunk, and the body ends with the last one."""
    reader, writer = await connect(client, chat_request("tokens=1"))
    head = await reader.readuntil(b"\r\n\r\n")
    raw = await reader.readuntil(b"\r\n0\r\n\r\n")
    writer.close()
    assert b"content-type: text/event-stream; charset=utf-8\r\n" in head
    assert raw.count(b"\r\ndata: ") + raw.startswith(b"67\r\n") == 4
    assert raw.endswith(b"\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")


async def test_counters_add_up_and_can_be_reset(client: httpx.AsyncClient) -> None:
    """Started, active and how they ended, in total and by route; questions to the mock do not count."""
    await client.get("/echo/a")
    await client.get("/nowhere")
    _, writer = await connect(client, chat_request("stall_after=0", "open"))
    await told(client, "open", lambda record: record["bytes_received"] > 0)
    stats = (await client.get("/mock/stats")).json()
    paths = stats.pop("paths")
    assert stats == {"started": 3, "active": 1, "completed": 2, "disconnected": 0, "died": 0}
    assert {path: counts["started"] for path, counts in paths.items()} == {"/echo": 1, "other": 1, CHAT: 1}
    await client.post("/mock/reset")
    assert (await client.get("/mock/stats?id=open")).status_code == 404
    stats = (await client.get("/mock/stats")).json()
    assert stats == {"started": 0, "active": 1, "completed": 0, "disconnected": 0, "died": 0, "paths": {}}
    writer.transport.abort()


async def test_an_event_source_goes_on_where_it_was(client: httpx.AsyncClient) -> None:
    """With ids the events after the last one come; after the end 204 stops the reconnecting."""
    query = "/events?ids=1&tokens=3&rate=0"
    rest = await client.get(query, headers={"Last-Event-ID": "2"})
    assert rest.text == "id: 3\ndata: 日本語2 \n\n"
    done = await client.get(query, headers={"Last-Event-ID": "3"})
    assert (done.status_code, done.content) == (204, b"")
    foreign = await client.get(query, headers={"Last-Event-ID": "not-ours"})
    assert foreign.text.startswith("id: 1\n")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
async def test_coded_streams_are_read_by_ordinary_clients(client: httpx.AsyncClient, encoding: str) -> None:
    """An independent decoder gets the same text."""
    query = {"rate": "0", "encoding": encoding}
    plain = await client.get("/events", params={"rate": "0"})
    coded = await client.get("/events", params=query)
    assert encoding == coded.headers["content-encoding"]
    assert plain.text == coded.text


async def test_body_is_left_in_the_socket_for_the_read_delay(client: httpx.AsyncClient) -> None:
    """An upload meets back-pressure: the request is not over before the delay is."""
    await client.post("/upload", params={"read_delay": 0.2}, content=b"x", headers={"X-Mock-Id": "slow"})
    record = await told(client, "slow", lambda record: record["state"] == "completed")
    assert record["closed_at"] - record["started_at"] >= 0.2


async def test_websockets_are_refused() -> None:
    """A websocket scope is closed before it is accepted (ASGI websocket spec, "Close")."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await create_mock()({"type": "websocket", "path": "/"}, receive, send)
    assert sent == [{"type": "websocket.close"}]


async def test_stats_tell_of_several_requests_at_once(client: httpx.AsyncClient) -> None:
    """Those that there have been, and how often each name came: whoever resumes may not have generated twice."""
    for name in ("one", "one", "other"):
        await client.post(f"{CHAT}?rate=0&tokens=1", json=STREAM, headers={"X-Mock-Id": name})
    told = (await client.get("/mock/stats?ids=one,other,nobody")).json()
    assert {name: (record["requests"], record["state"]) for name, record in told.items()} == {
        "one": (2, "completed"),
        "other": (1, "completed"),
    }
