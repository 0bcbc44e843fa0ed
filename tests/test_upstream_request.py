"""Proves `sse_proxy.upstream.request`: what goes over the wire, byte for byte, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sse_proxy.upstream.request import RequestBody, Upload, prepare

from .upstream_calls import request

URL = "http://upstream.test/path?query"
HOST = (b"Host", b"test")
LENGTH_5 = (b"content-length", b"5")
CHUNKED = (b"transfer-encoding", b"Chunked")


class Parts(httpx.AsyncByteStream):
    """A stream of *parts*; knows whether it was looked at, and released."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts
        self.looked_at = False
        self.released = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.looked_at = True
        try:
            for part in self._parts:
                yield part
        finally:
            self.released = True


async def _sent(upload: Upload | None) -> list[bytes]:
    written: list[bytes] = []

    async def write(data: bytes) -> None:
        written.append(data)

    assert upload is not None
    await upload.send(write)
    return written


async def test_the_head_is_written_exactly_as_given() -> None:
    """Order, duplicates and case of fields; the raw target; nothing is added."""
    fields = [(b"x-B", b"1"), (b"HOST", b"h"), (b"X-b", b""), (b"Cookie", b"\xff=\xe9; a"), (b"x-B", b"2")]
    outgoing = await prepare(request("GET", URL, headers=fields, target=b"/a%2fb/../c%zz?q=%41+%20&q#"))
    line = b"GET /a%2fb/../c%zz?q=%41+%20&q# HTTP/1.1\r\n"
    expected = line + b"x-B: 1\r\nHOST: h\r\nX-b: \r\nCookie: \xff=\xe9; a\r\nx-B: 2\r\n\r\n"
    assert (expected, b"", None) == (outgoing.head, outgoing.body, outgoing.upload)


async def test_the_target_is_the_urls_path_and_query_without_an_extension() -> None:
    """As httpx encodes it."""
    outgoing = await prepare(request("DELETE", URL, headers=[]))
    assert outgoing.head == b"DELETE /path?query HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("target", [b"*", b"/\xc3\xa9", b"http://other.test/", b"//double"])
async def test_other_targets_are_the_upstreams_to_judge(target: bytes) -> None:
    """Only what would break the request line is refused."""
    outgoing = await prepare(request("OPTIONS", URL, headers=[], target=target))
    assert outgoing.head == b"OPTIONS " + target + b" HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    "fields, body, added, written",
    [
        ([], b"", b"", b""),
        ([], b"hello", b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        ([LENGTH_5], b"hello", b"content-length: 5\r\n", b"hello"),
        ([(b"content-length", b"0")], b"", b"content-length: 0\r\n", b""),
        ([CHUNKED], b"hello", b"transfer-encoding: Chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        ([CHUNKED], b"", b"transfer-encoding: Chunked\r\n", b"0\r\n\r\n"),
    ],
)
async def test_a_body_in_memory_is_framed(
    fields: list[tuple[bytes, bytes]], body: bytes, added: bytes, written: bytes
) -> None:
    """By the framing that the caller names, else in chunks; no task is needed for it."""
    outgoing = await prepare(request("POST", URL, headers=[HOST, *fields], body=body))
    assert outgoing.head == b"POST /path?query HTTP/1.1\r\nHost: test\r\n" + added + b"\r\n"
    assert (written, None) == (outgoing.body, outgoing.upload)


@pytest.mark.parametrize(
    "fields, parts, written",
    [
        ([], [b"", b"he", b"", b"llo"], [b"2\r\nhe\r\n", b"3\r\nllo\r\n", b"0\r\n\r\n"]),
        ([CHUNKED], [b"he", b"", b"llo"], [b"2\r\nhe\r\n", b"3\r\nllo\r\n", b"0\r\n\r\n"]),
        ([CHUNKED], [], [b"0\r\n\r\n"]),
        ([LENGTH_5], [b"he", b"", b"llo"], [b"he", b"", b"llo"]),
    ],
)
async def test_a_streamed_body_is_framed_part_by_part(
    fields: list[tuple[bytes, bytes]], parts: list[bytes], written: list[bytes]
) -> None:
    """An empty part is never written as a chunk, which would be the last one."""
    stream = Parts(*parts)
    outgoing = await prepare(request("POST", URL, headers=fields, body=stream))
    assert (b"ransfer-" in outgoing.head.lower()) == (LENGTH_5 not in fields)
    assert written == await _sent(outgoing.upload)
    assert stream.released


class There(Parts, RequestBody):
    """A stream whose parts are all there."""

    def at_hand(self, limit: int) -> bytes | None:
        whole = b"".join(self._parts)
        return whole if len(whole) <= limit else None


@pytest.mark.parametrize(
    ("fields", "parts", "whole"),
    [
        ([CHUNKED], [b"he", b"llo"], b"5\r\nhello\r\n0\r\n\r\n"),
        ([CHUNKED], [], b"0\r\n\r\n"),
        ([LENGTH_5], [b"he", b"llo"], b"hello"),
    ],
)
async def test_a_body_that_is_there_is_framed_whole(
    fields: list[tuple[bytes, bytes]], parts: list[bytes], whole: bytes
) -> None:
    """Nobody iterates over it; over the limit it is a stream like any other, as is every other stream."""
    stream = There(*parts)
    upload = (await prepare(request("POST", URL, headers=fields, body=stream))).upload
    assert upload is not None
    assert (upload.at_hand(5), stream.looked_at) == (whole, False)
    other = (await prepare(request("POST", URL, headers=fields, body=Parts(*parts)))).upload
    assert other is not None
    assert other.at_hand(5) is None
    if parts:
        assert upload.at_hand(4) is None
        assert b"".join(await _sent(upload)).endswith(b"lo" if LENGTH_5 in fields else b"lo\r\n0\r\n\r\n")


async def test_a_body_that_is_there_must_be_as_long_as_announced() -> None:
    """As a stream must."""
    upload = (await prepare(request("POST", URL, headers=[LENGTH_5], body=There(b"four")))).upload
    assert upload is not None
    with pytest.raises(httpx.LocalProtocolError, match="not as long as announced"):
        upload.at_hand(100)


@pytest.mark.parametrize("parts", [[], [b"", b""]])
async def test_a_stream_that_turns_out_empty_needs_no_framing(parts: list[bytes]) -> None:
    """A GET stays a GET without a body."""
    outgoing = await prepare(request("GET", URL, headers=[], body=Parts(*parts)))
    assert (outgoing.head, outgoing.upload) == (b"GET /path?query HTTP/1.1\r\n\r\n", None)


async def test_a_stream_announced_as_empty_is_not_looked_at() -> None:
    """It may have nothing to say for ever."""
    stream = Parts(b"x")
    outgoing = await prepare(request("POST", URL, headers=[(b"Content-Length", b"0")], body=stream))
    assert (outgoing.upload, stream.looked_at) == (None, False)


async def test_an_iterator_without_a_close_is_fine() -> None:
    """Any async iterator will do, not only a generator."""

    class Iterator:
        def __init__(self) -> None:
            self.parts = [b"hello"]

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            if self.parts:
                return self.parts.pop()
            raise StopAsyncIteration

    class Plain(httpx.AsyncByteStream):
        def __aiter__(self) -> AsyncIterator[bytes]:
            return Iterator()

    outgoing = await prepare(request("POST", URL, headers=[LENGTH_5], body=Plain()))
    assert await _sent(outgoing.upload) == [b"hello"]


@pytest.mark.parametrize("parts", [[b"hell"], [b"hello!"], [b"hello", b"!"], []])
async def test_a_streamed_body_must_be_as_long_as_announced(parts: list[bytes]) -> None:
    """No byte behind the announced length goes out; a part that would pass it does not at all."""
    outgoing = await prepare(request("POST", URL, headers=[LENGTH_5], body=Parts(*parts)))
    if parts == [b"hello", b"!"]:  # complete before the rest: it is not waited for
        assert await _sent(outgoing.upload) == [b"hello"]
        return
    with pytest.raises(httpx.LocalProtocolError):
        await _sent(outgoing.upload)


@pytest.mark.parametrize("body", [b"hell", b"hello!", b""])
async def test_a_body_in_memory_must_be_as_long_as_announced(body: bytes) -> None:
    """Found before anything is sent."""
    with pytest.raises(httpx.LocalProtocolError):
        await prepare(request("POST", URL, headers=[LENGTH_5], body=body))


REFUSED: list[tuple[str, str, list[tuple[bytes, bytes]], Any]] = [
    ("method with a space", "GE T", [], b"/"),
    ("empty method", "", [], b"/"),
    ("method with a line", "GET\r\nA: b", [], b"/"),
    ("CONNECT", "CONNECT", [], b"host:80"),
    ("target with a space", "GET", [], b"/a b"),
    ("target with CR LF", "GET", [], b"/ HTTP/1.1\r\nA:b"),
    ("target with NUL", "GET", [], b"/\x00"),
    ("target with a tab", "GET", [], b"/\t"),
    ("target with DEL", "GET", [], b"/\x7f"),
    ("empty target", "GET", [], b""),
    ("target that is text", "GET", [], "/"),
    ("name with a colon", "GET", [(b"A:", b"b")], b"/"),
    ("name with a space", "GET", [(b"A ", b"b")], b"/"),
    ("name with CR LF", "GET", [(b"A\r\nB", b"b")], b"/"),
    ("name beyond ASCII", "GET", [(b"\xe9", b"b")], b"/"),
    ("empty name", "GET", [(b"", b"b")], b"/"),
    ("value with CR LF", "GET", [(b"A", b"b\r\nC: d")], b"/"),
    ("value with CR", "GET", [(b"A", b"b\r")], b"/"),
    ("value with LF", "GET", [(b"A", b"\nb")], b"/"),
    ("value with NUL", "GET", [(b"A", b"b\x00")], b"/"),
    ("two lengths", "POST", [LENGTH_5, LENGTH_5], b"/"),
    ("length and coding", "POST", [LENGTH_5, CHUNKED], b"/"),
    ("two codings", "POST", [CHUNKED, CHUNKED], b"/"),
    ("unknown coding", "POST", [(b"Transfer-Encoding", b"gzip, chunked")], b"/"),
    ("length of letters", "POST", [(b"Content-Length", b"five")], b"/"),
    ("negative length", "POST", [(b"Content-Length", b"-5")], b"/"),
]


@pytest.mark.parametrize("name, method, fields, target", REFUSED, ids=[case[0] for case in REFUSED])
async def test_what_the_upstream_might_read_in_two_ways_is_not_sent(
    name: str, method: str, fields: list[tuple[bytes, bytes]], target: Any
) -> None:
    """Nor repaired; and a stream that was begun is released."""
    stream = Parts(b"hello")
    with pytest.raises(httpx.LocalProtocolError):
        await prepare(request(method, URL, headers=fields, body=stream, target=target))
    assert stream.looked_at == stream.released
