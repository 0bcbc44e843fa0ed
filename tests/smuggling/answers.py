"""Responses: what an upstream may send that two readers take in two ways, or that belongs to nobody's request."""

from __future__ import annotations

from .case import ResponseCase

__all__ = ["CASES", "STOLEN"]

#: An answer that nobody asked for: the next one to use the connection would get it.
STOLEN = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"

_FRAMING = "RFC 9112 § 6.3"
_QUEUE = "RFC 9112 § 9.2; PortSwigger: response queue poisoning (2021)"
_SPLIT = "CWE-113: response splitting"
_CHUNKED = b"Transfer-Encoding: chunked"
_HELLO = b"5\r\nhello\r\n0\r\n\r\n"
_BAD = (502,)


def _head(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([line, *fields, b"", b""])


def _case(
    name: str,
    sent: bytes,
    why: str,
    source: str = _FRAMING,
    *,
    allowed: tuple[int, ...] = _BAD,
    method: str = "GET",
    body: bytes | None = None,
    closes: bool = False,
    reusable: bool = False,
    late: bytes = b"",
) -> ResponseCase:
    return ResponseCase(
        name=name, sent=sent, allowed=allowed, why=why, source=source, method=method, body=body, closes=closes,
        reusable=reusable, late=late,
    )  # fmt: skip


def _length(name: str, value: bytes, why: str, *, allowed: tuple[int, ...] = _BAD) -> ResponseCase:
    sent = _head(b"Content-Length:" + value) + b"hello" + STOLEN
    return _case(f"length: {name}", sent, why, "RFC 9110 § 8.6", allowed=allowed, body=b"hello")


def _coding(name: str, line: bytes, why: str, *, body: bytes = _HELLO) -> ResponseCase:
    return _case(f"coding: {name}", _head(line) + body + STOLEN, why, "RFC 9112 § 6.1")


def _chunks(name: str, body: bytes, why: str, *, allowed: tuple[int, ...] = (0, 502)) -> ResponseCase:
    return _case(f"chunks: {name}", _head(_CHUNKED) + body + STOLEN, why, "RFC 9112 § 7.1", allowed=allowed)


def _field(name: str, line: bytes, why: str, source: str = _SPLIT, *, allowed: tuple[int, ...] = _BAD) -> ResponseCase:
    sent = _head(line, b"Content-Length: 5") + b"hello"
    return _case(f"field: {name}", sent, why, source, allowed=allowed, body=b"hello", reusable=allowed != _BAD)


def _line(name: str, line: bytes, why: str, *, allowed: tuple[int, ...] = _BAD) -> ResponseCase:
    sent = _head(b"Content-Length: 5", line=line) + b"hello"
    return _case(f"line: {name}", sent, why, "RFC 9112 § 4", allowed=allowed, body=b"hello", reusable=allowed != _BAD)


CASES = (
    _case("CL.TE", _head(b"Content-Length: 5", _CHUNKED) + _HELLO + STOLEN, "a length and chunks",
          allowed=(0, 200, 502)),
    _case("TE.CL", _head(_CHUNKED, b"Content-Length: 5") + _HELLO + STOLEN, "a length and chunks",
          allowed=(0, 200, 502)),
    _case("two lengths, different", _head(b"Content-Length: 5", b"Content-Length: %d" % (5 + len(STOLEN))) + b"hello"
          + STOLEN, "one takes the first, the other the last"),
    _case("two lengths, equal", _head(b"Content-Length: 5", b"Content-Length: 5") + b"hello", "could be made one",
          allowed=(200, 502), body=b"hello", reusable=True),
    _length("a list of different ones", b" 5, 50", "one takes the first"),
    _length("a sign", b" +5", "int() takes it"),
    _length("a minus", b" -5", "negative, or huge"),
    _length("hexadecimal", b" 0x5", "strtol() takes it"),
    _length("over 64 bits by 5", b" 18446744073709551621", "5 to whom it overflows"),
    _length("nothing", b"", "0 to some"),
    _coding("xchunked", b"Transfer-Encoding: xchunked", "found by who searches for a part"),
    _coding("gzip, chunked", b"Transfer-Encoding: gzip, chunked", "compressed content passed off as plain"),
    _coding("chunked twice", b"Transfer-Encoding: chunked, chunked", "one layer is taken off"),
    _coding("a vertical tab", b"Transfer-Encoding: \x0bchunked", "strip() takes more than OWS"),
    _coding("a space before the colon", b"Transfer-Encoding : chunked", "another name to one of them"),
    _case("coding: under HTTP/1.0", _head(_CHUNKED, line=b"HTTP/1.0 200 OK") + _HELLO + STOLEN,
          "HTTP/1.0 knows no chunks", "RFC 9112 § 6.1"),
    _chunks("size over 64 bits by 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n", "5 to whom it overflows"),
    _chunks("size with a sign", b"+5\r\nhello\r\n0\r\n\r\n", "int() takes it"),
    _chunks("size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n", "strtol() takes it"),
    _chunks("an extension with a bare LF", b"5;\nhello\r\n0\r\n\r\n", "the line ends there to one of them"),
    _chunks("no line end behind content", b"5\r\nhello0\r\n\r\n", "the next size begins at once"),
    _chunks("two other bytes behind content", b"5\r\nhelloXX0\r\n\r\n", "skipped unseen"),
    _chunks("a trailer that is a length", b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n",
            "a trailer must not change the framing", allowed=(0, 200, 502)),
    _chunks("a trailer that is a cookie", b"5\r\nhello\r\n0\r\nSet-Cookie: a=stolen\r\n\r\n",
            "a trailer must not become a field", allowed=(0, 200, 502)),
    _case("chunks: cut off", _head(_CHUNKED) + b"5\r\nhello\r\n", "must not end as a whole answer", "RFC 9112 § 8",
          allowed=(0, 502), closes=True),
    _case("length: cut off", _head(b"Content-Length: 50") + b"hello", "must not end as a whole answer", "RFC 9112 § 8",
          allowed=(0, 502), closes=True),
    _case("more than said: by length", _head(b"Content-Length: 5") + b"hello" + STOLEN,
          "the next request would get it", _QUEUE, allowed=(200, 502), body=b"hello"),
    _case("more than said: by chunks", _head(_CHUNKED) + _HELLO + STOLEN, "the next request would get it", _QUEUE,
          allowed=(200, 502), body=b"hello"),
    _case("more than said: an empty line", _head(_CHUNKED) + _HELLO + b"\r\n", "skipped, then parted from its rest",
          _QUEUE, allowed=(200, 502), body=b"hello"),
    _case("more than said: a moment later", _head(b"Content-Length: 5") + b"hello", "the pooled connection is poisoned",
          _QUEUE, allowed=(200, 502), body=b"hello", late=STOLEN),
    _case("more than said: behind a length of zero", _head(b"Content-Length: 0") + STOLEN,
          "the next request would get it", _QUEUE, allowed=(200, 502), body=b""),
    _case("HEAD with content", _head(b"Content-Length: %d" % len(STOLEN)) + STOLEN, "there is none", "RFC 9112 § 6.3",
          allowed=(200, 502), method="HEAD", body=b""),
    _case("HEAD without content", _head(b"Content-Length: 50"), "it says what GET would get", "RFC 9110 § 9.3.2",
          allowed=(200,), method="HEAD", body=b"", reusable=True),
    _case("HEAD with chunks announced", _head(_CHUNKED), "as before", "RFC 9110 § 9.3.2", allowed=(200,), method="HEAD",
          body=b"", reusable=True),
    _case("204 with content", _head(b"Content-Length: %d" % len(STOLEN), line=b"HTTP/1.1 204 No Content") + STOLEN,
          "there is none", allowed=(204, 502), body=b""),
    _case("204 with chunks", _head(_CHUNKED, line=b"HTTP/1.1 204 No Content") + _HELLO, "there are none",
          allowed=(204, 502), body=b""),
    _case("304 with content", _head(b"Content-Length: %d" % len(STOLEN), line=b"HTTP/1.1 304 Not Modified") + STOLEN,
          "there is none", allowed=(304, 502), body=b""),
    _case("100 with content", _head(b"Content-Length: 6", line=b"HTTP/1.1 100 Continue") + b"stolen" + STOLEN,
          "there is none, so that the content is a status line", "RFC 9112 § 6.3"),
    _case("100, ten thousand times", _head(line=b"HTTP/1.1 100 Continue") * 10_000
          + _head(b"Content-Length: 5") + b"hello", "work without an answer", "RFC 9110 § 15.2", allowed=(200, 502)),
    _case("103, then an answer", _head(b"Link: </a>; rel=preload", line=b"HTTP/1.1 103 Early Hints")
          + _head(b"Content-Length: 5") + b"hello", "two heads, one answer", "RFC 8297", allowed=(200,), body=b"hello",
          reusable=True),
    _case("101 that nobody asked for", _head(b"Upgrade: h2c", b"Connection: Upgrade", line=b"HTTP/1.1 101 Switching")
          + STOLEN, "what follows would be a tunnel", "RFC 9110 § 15.2.2"),
    _case("lines that end in LF", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "a recipient may take it",
          "RFC 9112 § 2.2", allowed=(200, 502), body=b"hello", reusable=True),
    _field("a bare CR", b"X: a\rSet-Cookie: a=stolen", "a line end to some"),
    _field("a bare LF", b"X: a\nSet-Cookie: a=b", "a line end to some", allowed=(200, 502)),
    _field("a NUL", b"X: a\x00b", "the end to a reader in C", source="RFC 9110 § 5.5"),
    _field("an escape", b"X: a\x1b[31mb", "obeyed by a terminal that shows it", source="RFC 9110 § 5.5",
           allowed=(200, 502)),
    _field("a folded line", b"X: a\r\n Set-Cookie: a=stolen", "a field of its own to one of them",
           source="RFC 9112 § 5.2", allowed=(200, 502)),
    _field("a space in a name", b"X A: b", "ends there to some", source="RFC 9110 § 5.1"),
    _field("a name without colon", b"nonsense", "no field", source="RFC 9112 § 5", allowed=(200, 502)),
    _field("a field of this hop", b"Connection: X-Own\r\nX-Own: stolen\r\nKeep-Alive: timeout=1",
           "for the proxy only", allowed=(200,), source="RFC 9110 § 7.6.1"),
    _field("a head of 128 KiB", b"X: " + b"a" * 131_072, "over every limit", source="RFC 9110 § 5.4"),
    _line("four digits", b"HTTP/1.1 2000 OK", "200 to who reads three"),
    _line("no reason phrase", b"HTTP/1.1 200", "servers omit the space", allowed=(200, 502)),
    _line("a status of 99", b"HTTP/1.1 099 x", "below every class"),
    _line("a status of 999", b"HTTP/1.1 999 x", "above every class", allowed=(502, 999)),
    _line("version 2", b"HTTP/2 200", "not in this form"),
    _line("another protocol", b"ICY 200 OK", "llhttp knows some"),
    _line("empty lines first", b"\r\n\r\nHTTP/1.1 200 OK", "what is left of another answer", allowed=(200, 502)),
    _line("a control character in the reason", b"HTTP/1.1 200 a\x00b", "the end to a reader in C"),
    _case("HTTP/0.9", b"stolen", "content without a head", "RFC 9112 § 4", closes=True),
    _case("nothing", b"", "no answer at all", "RFC 9112 § 9.6", closes=True),
    _case("close, and it stays open", _head(b"Content-Length: 5", b"Connection: close") + b"hello" + STOLEN,
          "not to be used again", "RFC 9112 § 9.6", allowed=(200, 502), body=b"hello"),
    _case("HTTP/1.0 with keep-alive", _head(b"Content-Length: 5", b"Connection: keep-alive", line=b"HTTP/1.0 200 OK")
          + b"hello", "persistent to some", "RFC 9112 § 9.3", allowed=(200,), body=b"hello"),
    _case("an answer before the content is read", _head(b"Content-Length: 5", line=b"HTTP/1.1 413 Too Large")
          + b"hello", "what is still sent would be a request", "RFC 9112 § 9.3", allowed=(413,), method="POST",
          body=b"hello"),
    _case("an ordinary answer", _head(b"Content-Length: 5") + b"hello", "the control: this connection is used again",
          "RFC 9112 § 9.3", allowed=(200,), body=b"hello", reusable=True),
)  # fmt: skip
