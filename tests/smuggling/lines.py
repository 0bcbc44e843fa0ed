"""Request lines, field lines and their ends: white space, control characters, versions, sizes."""

from __future__ import annotations

from .case import ANSWERED, REFUSED, Readings, RequestCase, request, through

__all__ = ["CASES"]

_GET = through(method="GET")
_VALUE = "RFC 9110 § 5.5"
_END = "RFC 9112 § 2.2"


def _get(
    name: str,
    *fields: bytes,
    why: str,
    source: str,
    allowed: Readings = REFUSED,
    target: bytes = b"/case",
    version: bytes = b"HTTP/1.1",
    method: bytes = b"GET",
) -> RequestCase:
    sent = request(*fields, method=method, target=target, version=version)
    return RequestCase(name=f"line: {name}", sent=sent, allowed=allowed, why=why, source=source)


def _raw(name: str, sent: bytes, why: str, source: str, *, allowed: Readings = REFUSED) -> RequestCase:
    return RequestCase(name=f"line: {name}", sent=sent, allowed=allowed, why=why, source=source)


CASES = (
    _get("a folded field", b"X-A: b", b" X-B: c", why="a field to one, a part to the other", source="RFC 9112 § 5.2",
         allowed=REFUSED + _GET),
    _get("a bare CR in a value", b"X: a\rX-B: c", why="a line end to some", source=_END),
    _get("a bare LF in a value", b"X: a\nX-B: c", why="a line end to some", source=_END, allowed=REFUSED + _GET),
    _get("a NUL in a value", b"X: a\x00b", why="the end to a reader in C", source=_VALUE),
    _get("a NUL in a name", b"X\x00A: b", why="the end to a reader in C", source="RFC 9110 § 5.1"),
    _get("an escape in a value", b"X: a\x1b[31mb", why="obeyed by a terminal that shows it", source=_VALUE),
    _get("a space in a name", b"X A: b", why="ends there to some", source="RFC 9110 § 5.1"),
    _get("an empty name", b": b", why="no field", source="RFC 9110 § 5.1"),
    _get("a name in UTF-8", "X-é: b".encode(), why="no token", source="RFC 9110 § 5.1", allowed=REFUSED + _GET),
    _get("a line without a colon", b"nonsense", why="no field", source="RFC 9112 § 5", allowed=REFUSED + _GET),
    _get("a line of white space", b" ", why="the end of the head to who strips lines", source="RFC 9112 § 2.2",
         allowed=REFUSED + _GET),
    _raw("LF for every line end", b"GET /case HTTP/1.1\nHost: test\n\n", "a recipient may take it", _END,
         allowed=REFUSED + _GET),
    _raw("LF at the end of the head", b"GET /case HTTP/1.1\r\nHost: test\r\n\n", "the end to one of them", _END,
         allowed=REFUSED + _GET),
    _raw("CR for every line end", b"GET /case HTTP/1.1\rHost: test\r\r", "no line end", _END),
    _raw("CR CR LF", b"GET /case HTTP/1.1\r\nHost: test\r\r\n\r\n", "a bare CR before the line end", _END),
    _raw("one empty line before it", b"\r\n" + request(method=b"GET"), "should be ignored", _END,
         allowed=REFUSED + _GET),
    _raw("many empty lines before it", b"\r\n" * 100 + request(method=b"GET"), "one should be ignored", _END,
         allowed=REFUSED + _GET),
    _raw("a NUL before it", b"\x00" + request(method=b"GET"), "skipped by some", _END),
    _get("two spaces before the target", why="white space is one space", source="RFC 9112 § 3", target=b" /case",
         allowed=REFUSED + _GET),
    _get("a tab before the target", why="white space is one space", source="RFC 9112 § 3", target=b"\t/case",
         allowed=REFUSED + _GET),
    _get("a space in the target", why="a version to some", source="RFC 9112 § 3.2", target=b"/case HTTP/1.1 /x"),
    _get("a vertical tab for a space", why="white space to some", source="RFC 9112 § 3", target=b"/case\x0bHTTP/1.1"),
    _get("something behind the version", why="ignored by some", source="RFC 9112 § 3", version=b"HTTP/1.1 x"),
    _get("a version in small letters", why="it has a case", source="RFC 9112 § 2.3", version=b"http/1.1"),
    _get("version 1.2", why="a minor version to come", source="RFC 9110 § 2.5", version=b"HTTP/1.2",
         allowed=REFUSED + _GET),
    _get("version 1.10", why="1.1 to some", source="RFC 9112 § 2.3", version=b"HTTP/1.10"),
    _get("version 9.9", why="not spoken here", source="RFC 9110 § 2.5", version=b"HTTP/9.9"),
    _get("version 2.0", why="not in this form", source="RFC 9113 § 3.4", version=b"HTTP/2.0"),
    _get("version 0.9 spelt out", why="has no fields", source="RFC 9110 § 2.5", version=b"HTTP/0.9",
         allowed=REFUSED + through(method="GET", ends=True)),
    _get("another protocol", why="llhttp knows RTSP and ICE, too", source="RFC 9112 § 2.3", version=b"RTSP/1.1",
         allowed=REFUSED + _GET),
    _raw("HTTP/0.9", b"GET /case\r\n", "no version, no fields; the next line is a field to some", "RFC 9112 § 3",
         allowed=REFUSED + through(method="GET", ends=True)),
    _raw("the HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "for a server that knows it", "RFC 9113 § 3.4"),
    _raw("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), "a client that thinks so", "RFC 8446"),
    _get("a head of 128 KiB", b"X: " + b"a" * 131_072, why="over every limit", source="RFC 9110 § 5.4"),
    _get("100 fields of 1 KiB", *[b"X-%d: %b" % (n, b"a" * 1024) for n in range(100)], why="over the limit in sum",
         source="RFC 9110 § 5.4"),
    _get("2,000 short fields", *[b"a: b"] * 2000, why="work for each", source="RFC 9110 § 5.4",
         allowed=REFUSED + _GET),
    _get("a target of 128 KiB", why="over every limit", source="RFC 9112 § 3", target=b"/" + b"a" * 131_072),
    _get("a method in small letters", why="methods have a case", source="RFC 9110 § 9.1", method=b"get",
         allowed=REFUSED + through(method="get")),
    _get("a method that nobody knows", why="a gateway may pass it on or refuse it", source="RFC 9110 § 9.1",
         method=b"FROBNICATE", allowed=REFUSED + through(method="FROBNICATE")),
    _get("a method with a prefix", why="a rest of another request in front", source="RFC 9110 § 9.1", method=b"XGET",
         allowed=REFUSED + through(method="XGET")),
    _get("TRACE", why="tells credentials to who reads the answer", source="RFC 9110 § 9.3.8", method=b"TRACE",
         allowed=REFUSED + ANSWERED),
    _get("CONNECT", why="would open a tunnel", source="RFC 9110 § 9.3.6", method=b"CONNECT", target=b"other:80",
         allowed=REFUSED + ANSWERED),
)  # fmt: skip
