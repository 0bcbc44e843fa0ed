"""Proves `sse_proxy.upstream.head`: which response heads are read, how, and which are refused."""

from __future__ import annotations

import httpx
import pytest

from sse_proxy.upstream.head import MAX_HEAD_BYTES, HeadReader, ResponseHead

from .upstream_peers import splits

CRLF = b"\r\n"


def _head(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return CRLF.join([line, *fields, b"", b""])


def _feed(parts: list[bytes]) -> tuple[ResponseHead, bytes] | None:
    reader = HeadReader()
    for index, part in enumerate(parts):
        found = reader.feed(part)
        if found is not None:
            return found[0], found[1] + b"".join(parts[index + 1 :])
    return None


# Name, bytes, and what they mean: status, reason, length, chunked, persistent, and the bytes behind the head.
ACCEPTED = [
    ("length", _head(b"Content-Length: 5") + b"hello", (200, b"OK", 5, False, True, b"hello")),
    ("leading zeros", _head(b"Content-Length: 005"), (200, b"OK", 5, False, True, b"")),
    ("chunked", _head(b"Transfer-Encoding: chunked"), (200, b"OK", None, True, True, b"")),
    ("chunked, other case", _head(b"TRANSFER-encoding: Chunked"), (200, b"OK", None, True, True, b"")),
    ("no framing", _head(), (200, b"OK", None, False, True, b"")),
    ("empty reason", _head(line=b"HTTP/1.1 404 "), (404, b"", None, False, True, b"")),
    ("no reason, no space", _head(line=b"HTTP/1.1 404"), (404, b"", None, False, True, b"")),
    ("reason of any words", _head(line=b"HTTP/1.1 599 A\tb \xe9"), (599, b"A\tb \xe9", None, False, True, b"")),
    ("close", _head(b"Connection: close"), (200, b"OK", None, False, False, b"")),
    ("close in a list", _head(b"Connection: x, CLOSE"), (200, b"OK", None, False, False, b"")),
    ("close on a second line", _head(b"Connection: x", b"connection: close"), (200, b"OK", None, False, False, b"")),
    ("HTTP/1.0", _head(b"Connection: keep-alive", line=b"HTTP/1.0 200 OK"), (200, b"OK", None, False, False, b"")),
    ("204 alone", _head(line=b"HTTP/1.1 204 No Content"), (204, b"No Content", None, False, True, b"")),
    ("204 of length 0", _head(b"Content-Length: 0", line=b"HTTP/1.1 204 N"), (204, b"N", 0, False, True, b"")),
    ("204 of length 3", _head(b"Content-Length: 3", line=b"HTTP/1.1 204 N"), (204, b"N", 3, False, False, b"")),
    ("204 chunked", _head(b"Transfer-Encoding: chunked", line=b"HTTP/1.1 204 N"), (204, b"N", None, True, False, b"")),
    ("304 with a length", _head(b"Content-Length: 3", line=b"HTTP/1.1 304 N"), (304, b"N", 3, False, True, b"")),
    ("100 first", _head(line=b"HTTP/1.1 100 Continue") + _head() + b"x", (200, b"OK", None, False, True, b"x")),
    (
        "two interim heads",
        _head(line=b"HTTP/1.1 103 Hints") + _head(b"A: b", line=b"HTTP/1.1 102 P") + _head(b"Content-Length: 1") + b"x",
        (200, b"OK", 1, False, True, b"x"),
    ),
    (
        "body that looks like a head",
        _head() + b"\r\n\r\nHTTP/1.1",
        (200, b"OK", None, False, True, b"\r\n\r\nHTTP/1.1"),
    ),
]


@pytest.mark.parametrize("name, data, expected", ACCEPTED, ids=[case[0] for case in ACCEPTED])
def test_a_head_means_the_same_however_it_is_split(
    name: str, data: bytes, expected: tuple[int, bytes, int | None, bool, bool, bytes]
) -> None:
    """Status, reason, framing, persistence and the bytes behind the head do not depend on the reads."""
    for parts in splits(data):
        found = _feed(parts)
        assert found is not None
        head, rest = found
        got = (head.status, head.reason_phrase, head.content_length, head.chunked, head.persistent, rest)
        assert expected == got


REFUSED = [
    ("two equal lengths", _head(b"Content-Length: 5", b"Content-Length: 5")),
    ("two different lengths", _head(b"Content-Length: 5", b"content-length: 6")),
    ("list of lengths", _head(b"Content-Length: 5, 5")),
    ("empty length", _head(b"Content-Length:")),
    ("signed length", _head(b"Content-Length: +5")),
    ("negative length", _head(b"Content-Length: -5")),
    ("hexadecimal length", _head(b"Content-Length: 0x5")),
    ("length with underscore", _head(b"Content-Length: 1_0")),
    ("length with a space inside", _head(b"Content-Length: 1 0")),
    ("length in Arabic digits", _head("Content-Length: \u0665".encode())),
    ("length over 2⁶³", _head(b"Content-Length: 9999999999999999999")),
    ("length and coding", _head(b"Content-Length: 5", b"Transfer-Encoding: chunked")),
    ("coding and length", _head(b"Transfer-Encoding: chunked", b"Content-Length: 5")),
    ("chunked twice", _head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked")),
    ("chunked twice in a list", _head(b"Transfer-Encoding: chunked, chunked")),
    ("chunked not last", _head(b"Transfer-Encoding: chunked, gzip")),
    ("chunked last of two", _head(b"Transfer-Encoding: gzip, chunked")),
    ("chunked, then identity", _head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity")),
    ("gzip", _head(b"Transfer-Encoding: gzip")),
    ("identity", _head(b"Transfer-Encoding: identity")),
    ("xchunked", _head(b"Transfer-Encoding: xchunked")),
    ("empty coding", _head(b"Transfer-Encoding:")),
    ("chunked behind a vertical tab", _head(b"Transfer-Encoding: \x0bchunked")),
    ("chunked with a parameter", _head(b"Transfer-Encoding: chunked;a=b")),
    ("chunked under HTTP/1.0", _head(b"Transfer-Encoding: chunked", line=b"HTTP/1.0 200 OK")),
    ("space before the colon", _head(b"Content-Length : 5")),
    ("tab before the colon", _head(b"Transfer-Encoding\t: chunked")),
    ("folded line", _head(b"A: b", b" c")),
    ("folded line by a tab", _head(b"A: b", b"\tc: d")),
    ("folded first line", _head(b" Content-Length: 5")),
    ("no colon", _head(b"Content-Length 5")),
    ("no name", _head(b": b")),
    ("name beyond ASCII", _head(b"\xc3\xa9: b")),
    ("NUL in a name", _head(b"A\x00: b")),
    ("NUL in a value", _head(b"A: b\x00")),
    ("bare CR in a value", _head(b"A: b\rContent-Length: 5")),
    ("bare CR behind a value", _head(b"A: b\r")),
    ("bare LF in a value", _head(b"A: b\nContent-Length: 5")),
    ("escape in a value", _head(b"A: \x1b")),
    ("DEL in a value", _head(b"A: \x7f")),
    ("bare CR in the status line", _head(line=b"HTTP/1.1 200 O\rK")),
    ("NUL in the status line", _head(line=b"HTTP/1.1 200 O\x00K")),
    ("101", _head(b"Upgrade: websocket", b"Connection: upgrade", line=b"HTTP/1.1 101 Switching Protocols")),
    ("status of two digits", _head(line=b"HTTP/1.1 20 OK")),
    ("status of four digits", _head(line=b"HTTP/1.1 2000 OK")),
    ("status 099", _head(line=b"HTTP/1.1 099 OK")),
    ("status 600", _head(line=b"HTTP/1.1 600 OK")),
    ("status of letters", _head(line=b"HTTP/1.1 abc OK")),
    ("no space behind the status", _head(line=b"HTTP/1.1 200OK")),
    ("two spaces before the status", _head(line=b"HTTP/1.1  200 OK")),
    ("tab before the status", _head(line=b"HTTP/1.1\t200 OK")),
    ("lower-case protocol", _head(line=b"http/1.1 200 OK")),
    ("HTTP/1.2", _head(line=b"HTTP/1.2 200 OK")),
    ("HTTP/1.10", _head(line=b"HTTP/1.10 200 OK")),
    ("HTTP/0.9 with a head", _head(line=b"HTTP/0.9 200 OK")),
    ("HTTP/2.0", _head(line=b"HTTP/2.0 200 OK")),
    ("RTSP", _head(line=b"RTSP/1.0 200 OK")),
    ("ICY", _head(line=b"ICY 200 OK")),
    ("empty line first", b"\r\n" + _head()),
    ("only an empty line", b"\r\n\r\n"),
    ("HTTP/0.9", b"<html>"),
    ("TLS alert", b"\x15\x03\x01\x00\x02\x02\x50"),
    ("another protocol's greeting", b"SSH-2.0-OpenSSH_9.6\r\n"),
    ("bare LF only", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    ("bare LF behind one line", b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n"),
    ("interim head that is broken", _head(line=b"HTTP/1.1 100 Continue") + b"oops" + _head()),
    ("interim head with two lengths", _head(b"Content-Length: 1, 1", line=b"HTTP/1.1 100 C") + _head()),
]


@pytest.mark.parametrize("name, data", REFUSED, ids=[case[0] for case in REFUSED])
def test_a_head_that_can_be_read_in_two_ways_is_refused_however_it_is_split(name: str, data: bytes) -> None:
    """Request smuggling's counterpart: no guess is made about a response."""
    for parts in splits(data):
        with pytest.raises(httpx.RemoteProtocolError):
            _feed(parts)


@pytest.mark.parametrize("data", [b"SSH-2.0", b"HTTP/2", b"HTTP/1.1 200 OK\n", b"\n", b"<"])
def test_garbage_is_refused_before_a_head_would_be_complete(data: bytes) -> None:
    """Whoever waits for the end of what is no head waits for ever."""
    with pytest.raises(httpx.RemoteProtocolError):
        HeadReader().feed(data)


def test_a_lone_cr_waits_for_its_lf() -> None:
    """A line end cut between its two bytes is not a bare CR or LF."""
    reader = HeadReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r") is None
    assert reader.feed(b"\n\r") is None
    assert reader.feed(b"\n") is not None


def test_fields_keep_order_case_and_duplicates() -> None:
    """Field lines come as they were, but for the whitespace around values."""
    found = _feed([_head(b"X-B: 1", b"set-cookie:a", b"x-b:\t 2 \t", b"Set-Cookie: b", b"E:", b"O: \xff  x")])
    assert found is not None
    expected = [
        (b"X-B", b"1"),
        (b"set-cookie", b"a"),
        (b"x-b", b"2"),
        (b"Set-Cookie", b"b"),
        (b"E", b""),
        (b"O", b"\xff  x"),
    ]
    assert expected == found[0].headers


@pytest.mark.parametrize(
    "method, status, expected",
    [("GET", 200, True), ("HEAD", 200, False), ("GET", 204, False), ("GET", 304, False), ("POST", 205, True)],
)
def test_which_responses_have_a_body(method: str, status: int, expected: bool) -> None:
    """RFC 9112 § 6.3, rule 1."""
    found = _feed([_head(b"Content-Length: 3", line=b"HTTP/1.1 %d X" % status)])
    assert found is not None
    assert expected == found[0].has_body(method)


def test_a_head_of_exactly_the_limit_is_read_and_one_byte_more_is_not() -> None:
    """The limit is the size of the head without its empty line; the body behind it does not count."""
    frame = len(b"HTTP/1.1 200 OK\r\nA: ")
    found = _feed([_head(b"A: " + b"b" * (MAX_HEAD_BYTES - frame)) + b"x" * MAX_HEAD_BYTES])
    assert found is not None
    with pytest.raises(httpx.RemoteProtocolError):
        _feed([_head(b"A: " + b"b" * (MAX_HEAD_BYTES - frame + 1))])


@pytest.mark.parametrize("part", [b"a" * 1000, b"A: b\r\n"])
def test_a_head_without_end_is_refused_at_the_limit(part: bytes) -> None:
    """No more than the limit and one read is ever held."""
    reader = HeadReader()
    reader.feed(b"HTTP/1.1 200 OK\r\n")
    with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - some read must fail
        for _ in range(MAX_HEAD_BYTES // len(part) + 1):
            reader.feed(part)


def test_interim_heads_count_towards_the_limit() -> None:
    """An upstream cannot keep a request waiting with interim responses for ever."""
    reader = HeadReader()
    with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 - some read must fail
        for _ in range(MAX_HEAD_BYTES // 20):
            reader.feed(b"HTTP/1.1 100 C\r\n\r\n" * 2)


def test_a_head_byte_by_byte_costs_linear_time() -> None:
    """Each byte is searched once: the cursor moves with the reads."""
    reader = HeadReader()
    for byte in _head(b"A: " + b"b" * 60000)[:-1]:
        assert reader.feed(bytes([byte])) is None
    assert reader.feed(b"\n") is not None
