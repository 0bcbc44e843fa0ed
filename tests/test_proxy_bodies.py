"""Bodies of requests and answers: streamed both ways, byte for byte, in bounded memory, and framed anew."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from collections.abc import Iterator
from typing import Self

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from sse_proxy import Settings
from sse_proxy.errors import ClientDisconnected
from sse_proxy.proxy import ReverseProxy

from .streaming import Upstream, body, event, proxied, proxying, start
from .upstream_peers import OK, Talk, both_loops, peer
from .wire import ask, calling, chat

_BINARY = {"Content-Type": "application/octet-stream"}
_MIB = 1024 * 1024


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize("chunked", [True, False])
@both_loops
async def test_an_upload_is_passed_on_while_it_comes(chunked: bool) -> None:
    """The upstream has the first part before the client sends the second, and answers in between."""
    first, second = b"a" * 1000, b"b" * 1000
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": "2000"}
    arrived = asyncio.Event()

    async def talk(client: Talk) -> None:
        head = (await client.head()).lower()
        assert (b"transfer-encoding: chunked" in head, b"content-length: 2000" in head) == (chunked, not chunked)
        assert await client.reader.readexactly(len(_chunk(first) if chunked else first)) == (
            _chunk(first) if chunked else first
        )
        await client.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _chunk(b"go on"))
        expected = _chunk(second) + b"0\r\n\r\n" if chunked else second
        assert await client.reader.readexactly(len(expected)) == expected
        arrived.set()
        await client.say(_chunk(b"thanks") + b"0\r\n\r\n")

    async with (
        peer(talk) as upstream,
        proxying(upstream.url) as proxy,
        calling(proxy.port, "POST", headers={**_BINARY, **framing}, body=None) as call,
    ):
        await call.write(_chunk(first) if chunked else first)
        assert await call.until(b"go on") == b"go on"
        await call.write(_chunk(second) + b"0\r\n\r\n" if chunked else second)
        await event(arrived)
        assert await call.rest() == b"thanks"
        assert call.complete


async def test_a_download_is_passed_on_while_it_comes() -> None:
    """The client has the first part before the upstream sends the second."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "application/octet-stream")
        await body(send, b"first")
        await upstream.go.wait()
        await body(send, b"second", more=False)

    async with proxied(handler) as proxy, calling(proxy.port) as call:
        assert await call.until(b"first") == b"first"
        proxy.upstream.go.set()
        assert await call.rest() == b"second"


async def test_a_big_download_is_not_collected() -> None:
    """64 MiB through the proxy to a client that is slower, in a small part of that memory."""
    size = 64 * _MIB

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "application/octet-stream", content_length=str(size))
        piece = bytes(_MIB)
        for _ in range(size // len(piece)):
            await body(send, piece)
        await body(send, b"", more=False)

    async with proxied(handler) as proxy, calling(proxy.port) as call:
        await call.head()
        with _Peak() as peak:
            received = 0
            while call.complete is None:
                received += len(await call.some())
        assert received == size
        assert peak.bytes < size / 8


async def test_a_big_upload_is_not_collected() -> None:
    """64 MiB to an upstream that is slower."""
    size, received = 64 * _MIB, 0

    async def talk(client: Talk) -> None:
        nonlocal received
        await client.head()
        while received < size:
            received += len(await client.reader.read(65536))
            await asyncio.sleep(0)
        await client.say(OK)

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        headers = {**_BINARY, "Content-Length": str(size)}
        async with calling(proxy.port, "PUT", headers=headers, body=None) as call:
            with _Peak() as peak:
                piece = bytes(_MIB)
                for _ in range(size // len(piece)):
                    await call.write(piece)
                assert (await call.answer()).body == b"ok"
            assert peak.bytes < size / 8
    assert received == size


class _Peak:
    """Memory that was allocated at the most within the block, above what there was before it."""

    bytes = 0

    def __enter__(self) -> Self:
        tracemalloc.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


async def test_an_upload_waits_for_an_upstream_that_does_not_read() -> None:
    """Back-pressure: the client can send no more than the buffers in between hold."""
    sent, stalled = 0, asyncio.Event()

    async def talk(client: Talk) -> None:
        await client.head()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # the reader would take 128 KiB unasked
        await stalled.wait()

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        headers = {**_BINARY, "Content-Length": str(1024 * _MIB)}
        async with calling(proxy.port, "PUT", headers=headers, body=None) as call:

            async def upload() -> None:
                nonlocal sent
                while True:
                    await call.write(bytes(_MIB))
                    sent += _MIB

            uploading = asyncio.create_task(upload())
            before = -1
            while sent != before:
                before = sent
                await asyncio.sleep(0.3)
            uploading.cancel()
            await asyncio.wait({uploading})
            stalled.set()
    assert 0 < sent < 64 * _MIB


@pytest.mark.parametrize(
    "document", [b'{"model": "m",  "stream":true , "x": "\\u00e9"}', b'{"stream": fal', b"[1, 2]", b""]
)
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_json_body_that_was_looked_into_goes_on_byte_for_byte(document: bytes, framing: str) -> None:
    """And framed as it came."""
    headers = {"Content-Type": "application/json"}
    payload = document
    if framing == "chunked":
        headers["Transfer-Encoding"] = "chunked"
        payload = b"".join(_chunk(document[at : at + 7]) for at in range(0, len(document), 7)) + b"0\r\n\r\n"
    elif not document:
        headers["Content-Length"] = "0"
    else:
        headers["Content-Length"] = str(len(document))

    async with proxied(_echo) as proxy:
        async with calling(proxy.port, "POST", "/v1/x", headers=headers, body=None) as call:
            await call.write(payload)
            assert (await call.answer()).body == document
        sent = dict(proxy.upstream.requests[0]["headers"])
        assert (b"transfer-encoding" in sent) == (framing == "chunked")
        assert sent.get(b"content-length") == (None if framing == "chunked" else str(len(document)).encode())


async def _echo(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send, "application/octet-stream")
    await body(send, upstream.bodies[-1], more=False)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_json_body_over_the_bound_is_passed_on_without_being_held(announced: bool) -> None:
    """``inspect_request_bytes``: a larger one is judged by its path, and streamed through."""
    document = b'{"stream": true, "prompt": "' + b"x" * 100_000 + b'"}'
    framing = {"Content-Length": str(len(document))} if announced else {"Transfer-Encoding": "chunked"}
    async with proxied(_echo, inspect_request_bytes=1000) as proxy:
        headers = {"Content-Type": "application/json", **framing}
        async with calling(proxy.port, "POST", "/v1/x", headers=headers, body=None) as call:
            await call.write(document if announced else _chunk(document) + b"0\r\n\r\n")
            assert (await call.answer()).body == document


@pytest.mark.parametrize("accept_encoding", ["gzip", "identity"])
async def test_a_compressed_answer_is_not_touched(accept_encoding: str) -> None:
    """Not even one that asks for a stream and gets something else with an error status."""
    content = gzip.compress(b'{"error": "no"}' * 100)

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        status = 200 if _scope["method"] == "GET" else 400
        await start(send, "application/json", status, content_encoding="gzip", content_length=str(len(content)))
        await body(send, content, more=False)

    async with proxied(handler) as proxy:
        answer = await ask(proxy.port, headers={"Accept-Encoding": accept_encoding})
        assert (answer.body, answer.headers["content-encoding"]) == (content, "gzip")
        assert answer.headers["content-length"] == str(len(content))
        async with chat(proxy.port) as call:
            answer = await call.answer()
        assert (answer.status, answer.body, answer.headers["content-encoding"]) == (400, content, "gzip")


async def test_who_expects_100_continue_gets_it_from_us() -> None:
    """RFC 9110 § 10.1.1: once the body is asked for; the upstream is sent a plain request."""
    async with proxied(_echo) as proxy:
        headers = {**_BINARY, "Content-Length": "5", "Expect": "100-continue"}
        async with calling(proxy.port, "POST", headers=headers, body=None) as call:
            while not call.interim:
                await call.step()
            assert call.interim == [100]
            await call.write(b"hello")
            assert (await call.answer()).body == b"hello"
        assert not [name for name, _ in proxy.upstream.requests[0]["headers"] if name == b"expect"]


@pytest.mark.parametrize("path", ["/upload", "/v1/chat/completions"])
async def test_an_upload_over_the_limit_gets_a_413_while_it_comes(path: str) -> None:
    """``max_request_bytes``, of a body whose length nobody told before."""
    async with peer(Talk.gone) as upstream, proxying(upstream.url, max_request_bytes=50_000) as proxy:
        content_type = "application/json" if path.startswith("/v1") else "application/octet-stream"
        headers = {"Content-Type": content_type, "Transfer-Encoding": "chunked"}
        async with calling(proxy.port, "POST", path, headers=headers, body=None) as call:
            await call.write(_chunk(b" " * 30_000))
            await call.write(_chunk(b" " * 30_000))
            assert await call.head() == 413
            await call.write(b"0\r\n\r\n")
            answer = await call.answer()
            assert (answer.error["code"], answer.complete) == ("rejected", True)
        await proxy.idle()
        assert proxy.outcomes() == {}


async def test_an_upload_over_the_limit_gets_a_413_also_when_its_last_byte_is_there() -> None:
    """Whoever read it: the body is read ahead while nobody asks for it."""
    async with proxied(_echo, max_request_bytes=50_000) as proxy:
        headers = {**_BINARY, "Transfer-Encoding": "chunked"}
        async with calling(proxy.port, "POST", headers=headers, body=None) as call:
            await call.write(_chunk(b" " * 60_000) + b"0\r\n\r\n")
            answer = await call.answer()
        assert (answer.status, answer.error["code"]) == (413, "rejected")


async def test_an_upstream_that_refuses_an_upload_is_heard() -> None:
    """Its answer comes through though it has not read the body."""
    refusal = b"HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nno!"

    async def talk(client: Talk) -> None:
        await client.head()
        await client.say(refusal)
        await client.gone()

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        headers = {**_BINARY, "Transfer-Encoding": "chunked"}
        async with calling(proxy.port, "PUT", headers=headers, body=None) as call:
            await call.write(_chunk(b"x" * 1000))
            answer = await call.answer()
        assert (answer.status, answer.body) == (401, b"no!")


async def test_trailers_end_here() -> None:
    """RFC 9110 § 6.5.1: they may be dropped; the bodies around them arrive whole."""

    async def talk(client: Talk) -> None:
        head = await client.head()
        expected = _chunk(b"hello") + b"0\r\n\r\n"
        assert await client.reader.readexactly(len(expected)) == expected
        assert b"railer" not in head
        response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        await client.say(response + _chunk(b"world") + b"0\r\nX-Sum: 1\r\n\r\n")

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        headers = {**_BINARY, "Transfer-Encoding": "chunked", "Trailer": "X-Sum"}
        async with calling(proxy.port, "POST", headers=headers, body=None) as call:
            await call.write(_chunk(b"hello") + b"0\r\nX-Sum: 1\r\n\r\n")
            answer = await call.answer()
        assert (answer.body, answer.complete) == (b"world", True)
        assert "trailer" not in answer.headers
        assert "x-sum" not in answer.headers


async def test_a_client_that_never_finishes_its_json_gets_an_error() -> None:
    """Nothing is sent to the upstream until the body is there; waiting for it has an end."""
    async with peer(Talk.gone) as upstream, proxying(upstream.url, idle_timeout_seconds=0.05) as proxy:
        headers = {"Content-Type": "application/json", "Content-Length": "100"}
        async with calling(proxy.port, "POST", "/v1/chat/completions", headers=headers, body=None) as call:
            await call.write(b'{"stream":')
            answer = await call.answer()
        assert (answer.status, answer.error["code"]) == (400, "rejected")
        assert upstream.connections == 0


class _Reader(httpx.AsyncBaseTransport):
    """An upstream that reads the request to its end."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return httpx.Response(200)


async def test_a_departure_in_the_middle_of_an_upload_is_no_failure_of_the_upstream() -> None:
    """Whoever runs the proxy's innermost app is told who left, even where nobody cancels it."""
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        pytest.fail(f"nobody is there to get {message}")

    scope = {
        "type": "http",
        "method": "PUT",
        "path": "/",
        "headers": [(b"host", b"x"), (b"transfer-encoding", b"chunked")],
    }
    app = ReverseProxy(Settings(upstream="http://127.0.0.1:1"), _Reader())
    with pytest.raises(ClientDisconnected):
        await app(scope, receive, send)
