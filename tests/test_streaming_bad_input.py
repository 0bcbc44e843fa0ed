"""What an upstream may get wrong where a stream was asked for: each gets an answer, an outcome, and leaves nothing."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from starlette.types import Receive, Scope, Send

from .streaming import DONE, Handler, Upstream, body, chunk, event, proxied, proxying, start
from .upstream_peers import OK, Talk, peer
from .wire import Answer, ask, calling, chat

_STREAM = [chunk("Hel"), chunk("lo"), chunk("", finish="stop"), DONE]
_ACCEPT = {"Accept": "text/event-stream"}


def _sends(content_type: str, *pieces: bytes, **headers: str) -> Handler:
    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, content_type, 200, **headers)
        for piece in pieces:
            await body(send, piece)
        await body(send, b"", more=False)

    return handler


def _is_error(answer: Answer, status: int, code: str, *, should_retry: bool = False) -> None:
    assert (answer.status, answer.error["code"], answer.complete) == (status, code, True)
    assert answer.headers["x-should-retry"] == ("true" if should_retry else "false")
    assert ("retry-after" in answer.headers) == should_retry


async def test_an_unreachable_upstream_is_a_502_that_may_be_retried() -> None:
    """It never had the request; its address is nobody's business."""
    async with peer(Talk.gone) as upstream:
        url = upstream.url
    async with proxying(url) as proxy:
        for ordinary in (False, True):
            async with chat(proxy.port, stream=not ordinary) as call:
                answer = await call.answer()
            _is_error(answer, 502, "upstream_error", should_retry=True)
            assert b"127.0.0.1" not in answer.body
        assert await proxy.outcome() == "upstream_error"


async def test_an_upstream_whose_name_is_unknown_is_a_502() -> None:
    """As one that refuses."""
    async with proxying("http://upstream.invalid") as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        _is_error(answer, 502, "upstream_error", should_retry=True)
        assert b"invalid" not in answer.body.replace(b"upstream", b"")


_GARBAGE = [
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x15\x03\x01\x00\x02\x02\x0a",
    b"HTTP/1.1 two hundred\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    b"HTTP/2.0 200\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
]


@pytest.mark.parametrize("garbage", _GARBAGE, ids=range(len(_GARBAGE)))
@pytest.mark.parametrize("stream", [True, False])
async def test_garbage_instead_of_http_is_a_502(garbage: bytes, stream: bool) -> None:
    """Not to be retried: nobody knows what the upstream did with the request."""

    async def talk(client: Talk) -> None:
        await client.head()
        await client.say(garbage)
        await client.gone()

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        async with chat(proxy.port, stream=stream) as call:
            _is_error(await call.answer(), 502, "upstream_error")
        await proxy.idle()
        assert proxy.outcomes() == ({"upstream_error": 1} if stream else {})


@pytest.mark.parametrize("resets", [True, False])
@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
async def test_an_upstream_that_hangs_up_before_its_head_is_a_502(said: bytes, resets: bool) -> None:
    """It had the request, so a repeat may generate (and bill) twice: not to be retried."""

    async def talk(client: Talk) -> None:
        await client.head()
        await client.say(said)
        if resets:
            client.reset()

    async with peer(talk) as upstream, proxying(upstream.url) as proxy, chat(proxy.port) as call:
        _is_error(await call.answer(), 502, "upstream_error")
        assert upstream.connections == 1
        assert await proxy.outcome() == "upstream_error"


@pytest.mark.parametrize(
    "content_type, content",
    [
        ("text/html", b"<!doctype html><html>welcome</html>"),
        ("application/json", b'{"answer":"Hello"}'),
        ("application/json", b'["a"]'),
        ("text/plain", b"Hello"),
        ("", b"Hello"),
        ("text/plain", b" " * 10_000),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
async def test_what_is_no_stream_is_a_502(path: str, content_type: str, content: bytes) -> None:
    """In the dialect's shape; a client that iterates over events would take it for an empty answer."""
    async with proxied(_sends(content_type, content)) as proxy, chat(proxy.port, path) as call:
        _is_error(await call.answer(), 502, "upstream_error")
        assert await proxy.outcome() == "upstream_error"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
async def test_an_empty_answer_is_a_502(content_type: str) -> None:
    """Not even the beginning of a stream."""
    async with proxied(_sends(content_type)) as proxy, chat(proxy.port) as call:
        _is_error(await call.answer(), 502, "upstream_truncated")
        assert await proxy.outcome() == "upstream_truncated"


async def test_an_error_document_with_status_200_becomes_a_status() -> None:
    """As an error in the first event does."""
    document = b'{"error":{"message":"no such model","code":404}}'
    async with proxied(_sends("application/json", document)) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert (answer.status, answer.body) == (404, document)


async def test_what_is_no_stream_is_not_read_for_ever() -> None:
    """The upstream is left as soon as it is clear enough."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "text/html")
        while True:
            await body(send, b"<p>" * 4096)
            await asyncio.sleep(0)

    async with proxied(handler) as proxy, chat(proxy.port) as call:
        _is_error(await call.answer(), 502, "upstream_error")
        await event(proxy.upstream.left)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/octet-stream", ""])
@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf", b"\r\n\r\n", b": comment\n\n"])
async def test_a_stream_under_a_wrong_content_type_is_recognised(content_type: str, prefix: bytes) -> None:
    """By its first bytes, which may come one by one."""
    pieces = [bytes([byte]) for byte in prefix + _STREAM[0]]
    async with proxied(_sends(content_type, *pieces, *_STREAM[1:])) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert (answer.status, answer.body) == (200, b"".join(_STREAM))
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert await proxy.outcome() == "completed"
        assert proxy.value('repairs_total{kind="content_type"}') == 1


async def test_what_nobody_asked_to_be_a_stream_is_not_looked_into() -> None:
    """A download that begins like one stays what it is."""
    content = b"data: 1\r\ndata: 2"
    async with proxied(_sends("text/plain", content)) as proxy:
        answer = await ask(proxy.port)
        assert (answer.body, answer.headers["content-type"]) == (content, "text/plain")
        async with chat(proxy.port, stream=False) as call:
            assert (await call.answer()).body == content


@pytest.mark.parametrize("limit", [1024, 100_000])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/sse"])
async def test_an_event_over_the_limit_ends_the_stream(path: str, limit: int) -> None:
    """With an error in the stream, behind the events before it; the upstream is left."""
    typed = b"event: x\n" if path in {"/v1/responses", "/v1/messages"} else b""
    first, pieces = typed + b'data: {"type":"x"}\n\n', 0

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal pieces
        await start(send)
        await body(send, first + b"data: ")
        while pieces < 100_000:
            await body(send, b"x" * 1000)
            pieces += 1
            await asyncio.sleep(0)

    async with proxied(handler, max_event_bytes=limit) as proxy, chat(proxy.port, path, headers=_ACCEPT) as call:
        stream = await call.rest()
        assert stream.startswith(first)
        assert b'"code":"too_large"' in stream
        assert call.complete == (path != "/sse")
        await event(proxy.upstream.left)
        assert pieces < 100_000
        assert await proxy.outcome() == "too_large"


async def test_an_event_over_the_limit_as_the_first_is_a_502() -> None:
    """Nothing has been sent by then."""
    handler = _sends("text/event-stream", b"data: " + b"x" * 5000)
    async with proxied(handler, max_event_bytes=1024) as proxy, chat(proxy.port) as call:
        _is_error(await call.answer(), 502, "too_large")
        assert await proxy.outcome() == "too_large"


def _deflater(wbits: int) -> Callable[[bytes], bytes]:
    compressor = zlib.compressobj(wbits=wbits)
    return lambda data: compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)


def _brotli() -> Callable[[bytes], bytes]:
    compressor = brotli.Compressor()
    return lambda data: bytes(compressor.process(data) + compressor.flush())


def _zstd() -> Callable[[bytes], bytes]:
    compressor = zstandard.ZstdCompressor().compressobj()
    return lambda data: compressor.compress(data) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)


_CODINGS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "gzip": lambda: _deflater(zlib.MAX_WBITS | 16),
    "x-gzip": lambda: _deflater(zlib.MAX_WBITS | 16),
    "deflate": lambda: _deflater(zlib.MAX_WBITS),
    "br": _brotli,
    "zstd": _zstd,
    "identity": lambda: lambda data: data,
}


@pytest.mark.parametrize("coding", _CODINGS)
@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain"])
async def test_a_compressed_stream_is_decoded_event_by_event(coding: str, content_type: str) -> None:
    """Each event is with the client before the upstream goes on; the client never sees a coding."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        compress = _CODINGS[coding]()
        await start(send, content_type, content_encoding=coding)
        for piece in _STREAM:
            await body(send, compress(piece))
            await upstream.go.wait()
            upstream.go.clear()
        await body(send, b"", more=False)

    async with proxied(handler) as proxy, chat(proxy.port) as call:
        for piece in _STREAM:
            assert await call.until(b"\n\n") == piece
            proxy.upstream.go.set()
        assert await call.rest() == b""
        assert "content-encoding" not in call.headers
        assert proxy.upstream.requests[0]["headers"].count((b"accept-encoding", b"identity")) == 1


async def test_a_compressed_error_document_is_understood() -> None:
    """It is looked into where a stream was asked for."""
    content = gzip.compress(b'{"error":{"message":"no","code":400}}')
    async with proxied(_sends("application/json", content, content_encoding="gzip")) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert (answer.status, answer.error["message"]) == (400, "no")
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "coding, content", [("gzip", b"no gzip at all"), ("br", b"\xff" * 50), ("compress", b"x" * 50)]
)
async def test_a_coding_that_cannot_be_undone_is_a_502(coding: str, content: bytes) -> None:
    """The upstream is left, however much is still to come."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, content_encoding=coding)
        while True:
            await body(send, content)
            await asyncio.sleep(0)

    async with proxied(handler) as proxy, chat(proxy.port) as call:
        _is_error(await call.answer(), 502, "upstream_error")
        await event(proxy.upstream.left)
        assert await proxy.outcome() == "upstream_error"


async def test_an_answer_is_complete_though_the_upload_was_not() -> None:
    """An upstream may refuse before it has read the request, and close."""

    async def talk(client: Talk) -> None:
        await client.head()
        await client.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        await client.gone()

    headers = {"Content-Type": "application/octet-stream", "Content-Length": "100000000"}
    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        async with calling(proxy.port, "POST", "/upload", headers=headers, body=None) as call:
            await call.write(b"x" * 100_000)
            answer = await call.answer()
        assert (answer.status, answer.body) == (413, b"no")


async def test_an_upstream_that_closes_between_requests_costs_nothing() -> None:
    """A connection whose end has come is not used again (and a request is never sent twice)."""

    async def talk(client: Talk) -> None:
        await client.answer(OK)

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        for number in range(1, 6):
            answer = await ask(proxy.port)
            assert (answer.status, answer.body, upstream.connections) == (200, b"ok", number)
