"""Proves `sse_proxy.upstream.body`: the decoders by tables, the stream without a socket."""

from __future__ import annotations

import httpx
import pytest

from sse_proxy.upstream.decoders import decoder_for
from sse_proxy.upstream.head import ResponseHead

from .upstream_peers import splits


def _response(*, length: int | None = None, chunked: bool = False) -> ResponseHead:
    return ResponseHead(
        status=200, reason_phrase=b"", http_version=b"HTTP/1.1", headers=[], content_length=length, chunked=chunked
    )


def _decode(head: ResponseHead, parts: list[bytes]) -> tuple[bytes, bool, bool]:
    """Content, whether it is complete, whether there was a surplus (of which only the first read may tell)."""
    pieces: list[bytes] = []
    decoder = decoder_for(head, pieces)
    assert decoder is not None
    for index, part in enumerate(parts):
        if decoder.feed(part):
            return b"".join(pieces), True, decoder.surplus or index + 1 < len(parts)
    return b"".join(pieces), False, decoder.surplus


END = b"0\r\n\r\n"
# name, bytes, content; every one complete
CHUNKED = [
    ("one chunk", b"5\r\nhello\r\n" + END, b"hello"),
    ("several", b"1\r\nh\r\n4\r\nello\r\n" + END, b"hello"),
    ("empty", END, b""),
    ("capital hexadecimal", b"A\r\n0123456789\r\n" + END, b"0123456789"),
    ("leading zeros", b"0005\r\nhello\r\n" + END, b"hello"),
    ("extension", b"5;a=b\r\nhello\r\n" + END, b"hello"),
    ("extension without a value", b"5;a\r\nhello\r\n0;x\r\n\r\n", b"hello"),
    ("quoted extension", b'5;a="b;c"\r\nhello\r\n' + END, b"hello"),
    ("trailers", b"5\r\nhello\r\n0\r\nX-T: 1\r\nY: 2\r\n\r\n", b"hello"),
    ("content that looks like framing", b"7\r\n\r\n0\r\n\r\n\r\n" + END, b"\r\n0\r\n\r\n"),
]


@pytest.mark.parametrize("name, data, content", CHUNKED, ids=[case[0] for case in CHUNKED])
def test_chunked_content_is_the_same_however_it_is_split(name: str, data: bytes, content: bytes) -> None:
    """RFC 9112 § 7.1; extensions and trailers are dropped."""
    for parts in splits(data):
        got, complete, _ = _decode(_response(chunked=True), parts)
        assert (content, True) == (got, complete)


@pytest.mark.parametrize("name, data, content", CHUNKED, ids=[case[0] for case in CHUNKED])
def test_a_chunked_body_without_its_end_is_never_complete(name: str, data: bytes, content: bytes) -> None:
    """Whatever is missing at the end, even a single byte."""
    for end in range(1, len(data)):
        assert not _decode(_response(chunked=True), [data[:end]])[1]


# name, bytes, content before the error
BROKEN = [
    ("size is a word", b"hello\r\n", b""),
    ("0x", b"0x5\r\nhello\r\n", b""),
    ("plus", b"+5\r\nhello\r\n", b""),
    ("minus", b"-5\r\nhello\r\n", b""),
    ("underscore", b"0_5\r\nhello\r\n", b""),
    ("no size", b"\r\nhello\r\n", b""),
    ("space before the size", b" 5\r\nhello\r\n", b""),
    ("space behind the size", b"5 \r\nhello\r\n", b""),
    ("tab behind the size", b"5\t\r\nhello\r\n", b""),
    ("space before an extension", b"5 ;a=b\r\nhello\r\n", b""),
    ("size over 64 bits", b"10000000000000005\r\nhello\r\n", b""),
    ("bare LF behind the size", b"5\nhello\r\n", b""),
    ("two CR behind the size", b"5\r\r\nhello\r\n", b""),
    ("bare LF behind an extension", b"5;a=b\nhello\r\n", b""),
    ("bare LF inside an extension", b"5;a=b\nc\r\nhello\r\n", b""),
    ("bare CR inside an extension", b"5;a\rb\r\nhello\r\n", b""),
    ("control in an extension", b"5;a=\x01\r\nhello\r\n", b""),
    ("NUL in an extension", b"5;a=\x00\r\nhello\r\n", b""),
    ("chunk too short for its size", b"6\r\nhello\r\n0\r\n\r\n", b"hello\r"),
    ("chunk too long for its size", b"4\r\nhello\r\n0\r\n\r\n", b"hell"),
    ("bare LF behind the data", b"5\r\nhello\n0\r\n\r\n", b"hello"),
    ("nothing behind the data", b"5\r\nhello0\r\n\r\n", b"hello"),
    ("bare LF behind the last size", b"5\r\nhello\r\n0\n\r\n", b"hello"),
    ("bare LF as the end", b"5\r\nhello\r\n0\r\n\n", b"hello"),
    ("bare CR as the end", b"5\r\nhello\r\n0\r\n\rX", b"hello"),
    ("folded trailer", b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n", b"hello"),
    ("trailer without colon", b"5\r\nhello\r\n0\r\nAb\r\n\r\n", b"hello"),
    ("bare LF behind a trailer", b"5\r\nhello\r\n0\r\nA: b\n\r\n", b"hello"),
    ("length as a trailer", b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", b"hello"),
]


@pytest.mark.parametrize("name, data, content", BROKEN, ids=[case[0] for case in BROKEN])
def test_broken_chunked_framing_is_refused_however_it_is_split(name: str, data: bytes, content: bytes) -> None:
    """What came before the break is there, what comes behind it is not looked at."""
    for parts in splits(data):
        pieces: list[bytes] = []
        decoder = decoder_for(_response(chunked=True), pieces)
        assert decoder is not None
        with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - any of the reads
            for part in parts:
                decoder.feed(part)
        assert content == b"".join(pieces)


ANOTHER = b"HTTP/1.1 200 OK\r\nX: 0\r\n\r\n"
KEEP_ALIVE_TRAILER = b"0\r\nConnection: keep-alive\r\n\r\n"  # must not undo the close of our head for llhttp
# name, head, bytes, content, surplus
SURPLUS = [
    ("length, exact", _response(length=5), b"hello", b"hello", False),
    ("length, more", _response(length=5), b"hello!", b"hello", True),
    ("length, another response", _response(length=5), b"helloHTTP/1.1 200 OK\r\n", b"hello", True),
    ("chunked, exact", _response(chunked=True), b"5\r\nhello\r\n" + END, b"hello", False),
    ("chunked, more", _response(chunked=True), b"5\r\nhello\r\n" + END + b"x", b"hello", True),
    ("chunked, an empty line more", _response(chunked=True), b"5\r\nhello\r\n" + END + b"\r\n", b"hello", True),
    ("chunked, a CR more", _response(chunked=True), b"5\r\nhello\r\n" + END + b"\r", b"hello", True),
    ("chunked, another end", _response(chunked=True), b"5\r\nhello\r\n" + END + END, b"hello", True),
    ("chunked, another response", _response(chunked=True), b"5\r\nhello\r\n" + END + ANOTHER, b"hello", True),
    ("chunked, another behind trailers", _response(chunked=True), KEEP_ALIVE_TRAILER + ANOTHER, b"", True),
]  # fmt: skip


@pytest.mark.parametrize("name, head, data, content, surplus", SURPLUS, ids=[case[0] for case in SURPLUS])
def test_bytes_behind_the_end_are_noticed_and_never_content(
    name: str, head: ResponseHead, data: bytes, content: bytes, surplus: bool
) -> None:
    """A connection that holds them must not carry another exchange."""
    assert (content, True, surplus) == _decode(head, [data])


def test_a_body_of_a_length_is_the_same_however_it_is_split() -> None:
    """RFC 9112 § 6.2, whole, byte by byte and at random."""
    for parts in splits(b"hello world"):
        assert _decode(_response(length=11), parts) == (b"hello world", True, False)
        assert not _decode(_response(length=12), parts)[1]


def test_a_body_without_framing_never_completes_by_itself() -> None:
    """RFC 9112 § 6.3, rule 8: the connection's end is its end, and the connection is never used again."""
    assert _decode(_response(), [b"he", b"llo"]) == (b"hello", False, True)


def test_no_decoder_for_a_length_of_zero() -> None:
    """There is nothing to wait for."""
    assert decoder_for(_response(length=0), []) is None


def test_one_piece_is_handed_on_without_a_copy() -> None:
    """The very object of the read is the one that the decoder gives."""
    data = b"x" * 1000
    for head in (_response(), _response(length=5000)):
        pieces: list[bytes] = []
        decoder = decoder_for(head, pieces)
        assert decoder is not None
        decoder.feed(data)
        assert pieces[0] is data
