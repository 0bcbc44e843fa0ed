"""`gate` behind a real uvicorn: what its answers look like on the wire, and what becomes of the connection."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import h11
import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from sse_proxy.gate import Gate
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.base import NullMetrics
from sse_proxy.settings import Settings

from .conftest import LIMIT_SECONDS

Parser = Literal["httptools", "h11"]
PARSERS: tuple[Parser, ...] = ("httptools", "h11")


@dataclass
class Upstream:
    """Stands for everything below the gate: echoes what it got as JSON."""

    paths: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        names = sorted({name.decode() for name, _ in scope["headers"]})
        body = json.dumps({"size": size, "headers": names}).encode()
        headers = [(b"content-length", b"%d" % len(body)), (b"access-control-allow-origin", b"https://upstream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True)
class Answer:
    """One response as h11 reads it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@asynccontextmanager
async def serving(app: ASGIApp, http: Parser = "httptools") -> AsyncIterator[tuple[str, int]]:
    """A uvicorn with *app* on a free port of 127.0.0.1; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=http, ws="none", lifespan="off", log_config=None, proxy_headers=False)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            async with asyncio.timeout(LIMIT_SECONDS):
                await task


def gate(settings: Settings | None = None, *, below: ASGIApp | None = None, refusing: bool = False) -> Gate:
    """A gate in front of *below*, by default an `Upstream`."""
    lifecycle = Lifecycle()
    lifecycle.refusing = refusing
    return Gate(
        below or Upstream(),
        settings or Settings(),
        lifecycle=lifecycle,
        metrics=NullMetrics(),
        upstream_ready=lambda: True,
    )


@asynccontextmanager
async def connected(address: tuple[str, int]) -> AsyncIterator[Connection]:
    """A connection to *address*, closed at the end."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


class Connection:
    """Raw bytes out, parsed responses in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        async with asyncio.timeout(LIMIT_SECONDS):
            await self._writer.drain()

    async def end(self) -> bytes:
        """What still comes until the server closes the connection."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return await self._reader.read()

    async def answer(self, *, to: str = "GET") -> Answer:
        """The next response; *to* is the method, since HEAD has no body."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=to, target="/", headers=[("host", "x")]))
        start, body = None, b""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    parser.receive_data(await self._reader.read(65536))
                elif isinstance(event, h11.Response):
                    start = event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    break
        assert start is not None
        headers = {name.decode(): value.decode() for name, value in start.headers}
        return Answer(start.status_code, headers, body)


async def ask(address: tuple[str, int], request: str, *, to: str = "GET") -> Answer:
    """The answer to one *request*, whose lines may end in a bare newline here."""
    async with connected(address) as connection:
        await connection.write(request.replace("\n", "\r\n").encode("latin-1"))
        return await connection.answer(to=to)


@pytest.mark.parametrize("http", PARSERS)
async def test_a_request_passes_and_gets_an_id(http: Parser) -> None:
    """With both of uvicorn's parsers."""
    async with serving(gate(), http) as address:
        answer = await ask(address, "POST /v1 HTTP/1.1\nHost: x\nContent-Length: 3\nX-Request-Id: mine\n\nabc")
    assert (answer.status, answer.document["size"], answer.headers["x-request-id"]) == (200, 3, "mine")


@pytest.mark.parametrize("http", PARSERS)
async def test_no_spelling_of_the_prefix_reaches_the_upstream(http: Parser) -> None:
    """404 of ours, in JSON."""
    upstream = Upstream()
    targets = [
        "/-/sse-proxy/nothing",
        "/-/sse-proxy/../v1/models",
        "/-/sse-proxy/%2e%2e/v1/models",
        "//-/sse-proxy/healthz",
        "/-//sse-proxy//healthz",
        "/v1/../-/sse-proxy/healthz",
        "/%2D/sse-proxy/nothing",
        "/-%2Fsse-proxy%2Fnothing",
        "/%252D/sse-proxy/healthz",
        "/-/SSE-PROXY/healthz",
        "/-/sse-proxy",
        "/-/sse-proxy?x=1",
        "http://api.example/-/sse-proxy/nothing",
        "http://api.example//-/sse-proxy/healthz",
    ]
    async with serving(gate(below=upstream), http) as address:
        answers = [await ask(address, f"GET {target} HTTP/1.1\nHost: x\n\n") for target in targets]
    assert [(answer.status, answer.headers["content-type"]) for answer in answers] == [
        (404, "application/json") for _ in targets
    ]
    assert upstream.paths == []


@pytest.mark.parametrize("http", PARSERS)
async def test_a_probe_is_answered_in_equivalent_spellings(http: Parser) -> None:
    """RFC 3986 § 6.2.2.2: an encoded unreserved character is the same; RFC 9112 § 3.2.2: so is the absolute form."""
    async with serving(gate(), http) as address:
        for target in ("/-/sse-proxy/healthz", "/%2D/sse-proxy/healthz?x=1", "http://h/-/sse-proxy/healthz"):
            got = await ask(address, f"GET {target} HTTP/1.1\nHost: x\n\n")
            head = await ask(address, f"HEAD {target} HTTP/1.1\nHost: x\n\n", to="HEAD")
            assert (got.status, got.document) == (200, {"status": "ok"})
            assert (head.status, head.body, head.headers["content-length"]) == (200, b"", got.headers["content-length"])


@pytest.mark.parametrize("http", PARSERS)
async def test_a_401_leaves_the_connection_in_order(http: Parser, tmp_path: Path) -> None:
    """The unread body is not taken for the next request, which may bring a token."""
    (tmp_path / "tokens").write_text("good")
    below = gate(Settings(auth_tokens_file=tmp_path / "tokens"))
    async with serving(below, http) as address, connected(address) as connection:
        await connection.write(b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000)
        first = await connection.answer()
        assert (first.status, first.headers["www-authenticate"]) == (401, 'Bearer realm="sse-proxy"')
        if http == "h11":  # closes in this case, which is as well
            return
        await connection.write(b"GET /v1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n")
        second = await connection.answer()
    assert (second.status, second.document["headers"]) == (200, ["host"])


async def test_a_preflight_and_a_refusal_carry_cors(tmp_path: Path) -> None:
    """The page may read both, and the upstream's own CORS is gone."""
    (tmp_path / "tokens").write_text("good")
    settings = Settings(auth_tokens_file=tmp_path / "tokens", cors_origins=("https://app.example",))
    origin = "Host: x\nOrigin: https://app.example\n"
    async with serving(gate(settings)) as address:
        asked = "Access-Control-Request-Method: POST\nAccess-Control-Request-Headers: authorization,x-stainless-os\n"
        preflight = await ask(address, f"OPTIONS /v1 HTTP/1.1\n{origin}{asked}\n")
        refusal = await ask(address, f"GET /v1 HTTP/1.1\n{origin}\n")
        answer = await ask(address, f"GET /v1 HTTP/1.1\n{origin}X-Api-Key: good\n\n")
    assert (preflight.status, refusal.status, answer.status) == (204, 401, 200)
    assert preflight.headers["access-control-allow-headers"] == "authorization,x-stainless-os"
    assert {reply.headers["access-control-allow-origin"] for reply in (preflight, refusal, answer)} == {
        "https://app.example"
    }
    assert answer.document["headers"] == ["host"]


@pytest.mark.parametrize("http", PARSERS)
async def test_a_refusing_process_lets_its_answer_be_read(http: Parser) -> None:
    """503 in the middle of an upload; the connection ends only when the client had time to read it."""
    async with serving(gate(refusing=True), http) as address, connected(address) as connection:
        await connection.write(b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 1_000_000)
        await connection.write(b"x" * 2_000_000)
        answer = await connection.answer()
        assert await connection.end() == b""
    assert (answer.status, answer.headers["retry-after"], answer.headers["connection"]) == (503, "1", "close")


@pytest.mark.parametrize("http", PARSERS)
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_over_the_limit_is_answered_with_413(http: Parser, chunked: bool) -> None:
    """Announced or not; in the middle of the upload, and the connection ends."""
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 100020"
    body = b"186A0\r\n" + b"x" * 100_000 + b"\r\n" if chunked else b"x" * 100_000
    async with serving(gate(Settings(max_request_bytes=65536)), http) as address, connected(address) as connection:
        await connection.write(b"POST /v1 HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n" + body)
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert answer.document["error"]["type"] == "request_too_large"
        # Still open: the rest of the upload is taken, so that no reset destroys the answer.
        await connection.write(b"14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n" if chunked else b"x" * 20)
        assert await connection.end() == b""


@pytest.mark.parametrize("http", PARSERS)
async def test_who_waits_for_100_continue_gets_the_final_answer(http: Parser) -> None:
    """No 100, and no second request on that connection, since nobody knows if the body still comes."""
    async with serving(gate(Settings(max_request_bytes=5)), http) as address, connected(address) as connection:
        await connection.write(b"POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n")
        answer = await connection.answer()
        assert await connection.end() == b""
    assert (answer.status, answer.headers["connection"]) == (413, "close")


@pytest.mark.parametrize("http", PARSERS)
async def test_a_websocket_handshake_is_refused_in_json(http: Parser, caplog: pytest.LogCaptureFixture) -> None:
    """Where the server knows no websockets, it comes as an ordinary request."""
    caplog.set_level(logging.CRITICAL, logger="uvicorn.error")
    handshake = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: eA==\nSec-WebSocket-Version: 13"
    async with serving(gate(), http) as address:
        answer = await ask(address, f"GET /v1/realtime HTTP/1.1\nHost: x\n{handshake}\n\n")
    assert (answer.status, answer.document["error"]["message"]) == (400, "Upgrade is not supported")


async def test_an_offer_of_h2c_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """As Java's and curl's clients make it with their first request; uvicorn's httptools would lose the body."""
    caplog.set_level(logging.CRITICAL, logger="uvicorn.error")
    offer = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\nContent-Length: 3"
    async with serving(gate(), "h11") as address:
        answer = await ask(address, f"POST /v1 HTTP/1.1\nHost: x\n{offer}\n\nabc")
    assert (answer.status, answer.document["size"]) == (200, 3)


@pytest.mark.parametrize("request_line", ["TRACE / HTTP/1.1", "CONNECT api.example:443 HTTP/1.1"])
async def test_trace_and_connect_get_400(request_line: str) -> None:
    """From whoever sees them first."""
    async with serving(gate()) as address:
        answer = await ask(address, f"{request_line}\nHost: x\n\n")
    assert answer.status == 400


async def test_an_options_that_may_go_no_further_is_answered_here() -> None:
    """Max-Forwards: 0, with no content (RFC 9110 § 9.3.7)."""
    upstream = Upstream()
    async with serving(gate(below=upstream)) as address:
        answer = await ask(address, "OPTIONS /v1 HTTP/1.1\nHost: x\nMax-Forwards: 0\n\n")
    assert (answer.status, answer.headers["content-length"], upstream.paths) == (200, "0", [])
