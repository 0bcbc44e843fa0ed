"""The chunked coding itself: sizes, line ends, extensions, trailers."""

from __future__ import annotations

from .case import POISON, REFUSED, Readings, RequestCase, request, through

__all__ = ["CASES"]

_CHUNKED = b"Transfer-Encoding: chunked"
_HELLO = through(b"hello")
_GRAMMAR = "RFC 9112 § 7.1"


def _chunks(
    name: str,
    body: bytes,
    why: str,
    source: str = _GRAMMAR,
    *,
    allowed: Readings = REFUSED,
    lacks: tuple[str, ...] = (),
) -> RequestCase:
    return RequestCase(
        name=f"chunks: {name}",
        sent=request(_CHUNKED, body=body),
        allowed=allowed,
        why=why,
        source=source,
        lacks=lacks,
    )


def _size(name: str, size: bytes, why: str, source: str = _GRAMMAR, *, allowed: Readings = REFUSED) -> RequestCase:
    return _chunks(f"size {name}", size + b"\r\nhello\r\n0\r\n\r\n", why, source, allowed=allowed)


CASES = (
    _size("with an extension", b"5;a=b", "extensions mean nothing", "RFC 9112 § 7.1.1", allowed=REFUSED + _HELLO),
    _size("with a quoted extension", b'5;a="b;c"', "quoted", "RFC 9112 § 7.1.1", allowed=REFUSED + _HELLO),
    _size("with an extension without name", b"5;", "no extension at all", "RFC 9112 § 7.1.1", allowed=REFUSED + _HELLO),
    _chunks(
        "an extension with a bare LF",
        b"5;\nhello\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(POISON), POISON),
        "the line ends there to one of them",
        "CVE-2025-55315 (Kestrel)",
    ),
    _chunks(
        "an extension with a bare CR",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        "the line ends there to one of them",
        "RFC 9112 § 2.2",
    ),
    _chunks(
        "an extension of 128 KiB",
        b"5;" + b"a" * 131_072 + b"\r\nhello\r\n0\r\n\r\n",
        "work without content; harmless where it is bounded",
        "CVE-2023-39326 (Go)",
        allowed=REFUSED + _HELLO,
    ),
    _size("with 0x", b"0x5", "strtol() takes it", "CVE-2022-24761 (waitress)"),
    _size("with a sign", b"+5", "int() takes it", "CVE-2022-24761 (waitress)"),
    _size("with a minus", b"-5", "a negative size, or a huge one"),
    _size("with an underscore", b"0_5", "Python's int() takes it", "CVE-2023-47627 (aiohttp)"),
    _size("behind a space", b" 5", "strip() takes it off", "RFC 9112 § 7.1: no white space there"),
    _size("before a space", b"5 ", "strip() takes it off", "RFC 9112 § 7.1.1: BWS", allowed=REFUSED + _HELLO),
    _size("behind a tab", b"\t5", "strip() takes it off"),
    _size("with a NUL", b"5\x00", "the end to a reader in C"),
    _size("that is no number", b"G", "0 to a reader that gives up"),
    _size("that is empty", b"", "0 to a reader that gives up"),
    _size("with zeros in front", b"0000005", "allowed", allowed=REFUSED + _HELLO),
    _size("over 64 bits by 5", b"10000000000000005", "5 to whom it overflows", "CVE-2015-3183 (httpd)"),
    RequestCase(
        name="chunks: size of 64 bits",
        sent=request(_CHUNKED, body=b"fffffffffffffffb\r\nhello\r\n0\r\n\r\n"),
        allowed=REFUSED,
        why="minus 5 to a signed reader",
        source="CVE-2013-2028 (nginx)",
        unfinished=True,
    ),
    _chunks(
        "in capitals",
        b"A\r\n0123456789\r\n0\r\n\r\n",
        "allowed",
        allowed=through(b"0123456789"),
    ),
    _chunks(
        "a size line that ends in LF",
        b"5\nhello\r\n0\r\n\r\n",
        "a bare LF is no end of a chunk's line",
        "RFC 9112 § 7.1",
        allowed=REFUSED + _HELLO,
    ),
    _chunks("a size line that ends in CR", b"5\rhello\r\n0\r\n\r\n", "a bare CR is no end of a line", "RFC 9112 § 2.2"),
    _chunks("no line end behind content", b"5\r\nhello0\r\n\r\n", "the next size begins at once to some"),
    _chunks(
        "two other bytes for the line end behind content",
        b"5\r\nhelloXX%x\r\n%b\r\n0\r\n\r\n" % (len(POISON), POISON),
        "two bytes are skipped unseen",
        "CVE-2025-43859 (h11)",
    ),
    _chunks("LF behind content", b"5\r\nhello\n0\r\n\r\n", "one byte is skipped unseen", allowed=REFUSED + _HELLO),
    _chunks("more content than said", b"3\r\nhello\r\n0\r\n\r\n", "the rest is a size to some"),
    _chunks(
        "a last chunk of many zeros",
        b"5\r\nhello\r\n0000000000\r\n\r\n",
        "allowed",
        allowed=REFUSED + _HELLO,
    ),
    _chunks(
        "a last chunk with an extension",
        b"5\r\nhello\r\n0;a=b\r\n\r\n",
        "extensions mean nothing",
        "RFC 9112 § 7.1.1",
        allowed=REFUSED + _HELLO,
    ),
    _chunks(
        "a last line that ends in LF",
        b"5\r\nhello\r\n0\r\n\n",
        "the end to some; then the next request is a trailer",
        "RFC 9112 § 2.2",
        allowed=REFUSED + _HELLO,
    ),
    _chunks(
        "a trailer",
        b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
        "dropped, or passed on as a trailer",
        "RFC 9110 § 6.5",
        allowed=_HELLO,
    ),
    _chunks(
        "a Content-Length as trailer",
        b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n",
        "a trailer must not change the framing",
        "RFC 9110 § 6.5.1",
        allowed=REFUSED + _HELLO,
        lacks=("content-length",),
    ),
    _chunks(
        "a Transfer-Encoding as trailer",
        b"5\r\nhello\r\n0\r\nTransfer-Encoding: identity\r\n\r\n",
        "a trailer must not change the framing",
        "RFC 9110 § 6.5.1",
        allowed=REFUSED + _HELLO,
    ),
    _chunks(
        "an Authorization as trailer",
        b"5\r\nhello\r\n0\r\nAuthorization: Bearer forged\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n",
        "a trailer must not become a field",
        "RFC 9110 § 6.5.1",
        allowed=REFUSED + _HELLO,
        lacks=("authorization",),
    ),
    _chunks(
        "a trailer that is a request",
        b"5\r\nhello\r\n0\r\n" + POISON + b"\r\n\r\n",
        "a request to whom the last chunk has no trailers",
        "RFC 9112 § 7.1.2",
        allowed=REFUSED + _HELLO,
    ),
    _chunks(
        "a trailer section without end",
        b"5\r\nhello\r\n0\r\nX: " + b"a" * 131_072 + b"\r\n\r\n",
        "memory without content; harmless where it is bounded",
        "RFC 9110 § 6.5",
        # Content that was complete may have gone on by then.
        allowed=REFUSED + through(b"hello", ends=True) + _HELLO,
    ),
    RequestCase(
        name="chunks: cut off",
        sent=request(_CHUNKED, body=b"5\r\nhello\r\n800\r\n"),
        allowed=REFUSED,
        why="no complete request goes on",
        source="RFC 9112 § 8",
        unfinished=True,
    ),
    RequestCase(
        name="chunks: GET with content",
        sent=request(_CHUNKED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(POISON), POISON), method=b"GET"),
        allowed=through(POISON, method="GET"),
        why="GET has no content to some, who then read a request",
        source="RFC 9110 § 9.3.1",
    ),
)
