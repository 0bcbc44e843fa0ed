"""Content-Length: doubled, odd, beside Transfer-Encoding."""

from __future__ import annotations

from .case import POISON, REFUSED, RequestCase, request, through

__all__ = ["CASES"]

_CHUNKED = b"Transfer-Encoding: chunked"
#: As chunks it ends at once, and the poison follows; by its length the poison is content.
_ENDS_EARLY = b"0\r\n\r\n" + POISON
#: By a length of 4 it ends within the first line of the chunks.
_ENDS_LATE = b"%x\r\n%b\r\n0\r\n\r\n" % (len(POISON), POISON)
_BOTH = "RFC 9112 § 6.3: ought to be handled as an error; after Transfer-Encoding alone, the connection is to be closed"
_HELLO = through(b"hello")


def _length(value: bytes, *, body: bytes = b"hello") -> bytes:
    return request(b"Content-Length:" + value, body=body)


def _odd(name: str, value: bytes, why: str, source: str = "RFC 9110 § 8.6: digits only") -> RequestCase:
    return RequestCase(name=f"length: {name}", sent=_length(value), allowed=REFUSED, why=why, source=source)


CASES = (
    RequestCase(
        name="CL.TE",
        sent=request(b"Content-Length: %d" % len(_ENDS_EARLY), _CHUNKED, body=_ENDS_EARLY),
        allowed=REFUSED + through(ends=True),
        why="the proxy goes by the length, the upstream by the chunks",
        source=_BOTH,
    ),
    RequestCase(
        name="CL.TE, Transfer-Encoding first",
        sent=request(_CHUNKED, b"Content-Length: %d" % len(_ENDS_EARLY), body=_ENDS_EARLY),
        allowed=REFUSED + through(ends=True),
        why="a reader that keeps the last of two framings",
        source=_BOTH,
    ),
    RequestCase(
        name="TE.CL",
        sent=request(b"Content-Length: 4", _CHUNKED, body=_ENDS_LATE),
        allowed=REFUSED + through(POISON, ends=True),
        why="the proxy goes by the chunks, the upstream by the length",
        source=_BOTH,
    ),
    RequestCase(
        name="CL.0: length zero and chunks",
        sent=request(b"Content-Length: 0", _CHUNKED, body=_ENDS_LATE),
        allowed=REFUSED + through(POISON, ends=True),
        why="a length of zero counts as none to some",
        source=_BOTH,
    ),
    RequestCase(
        name="length twice, equal",
        sent=request(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
        allowed=REFUSED + _HELLO,
        why="has to be refused or made one",
        source="RFC 9110 § 8.6",
    ),
    RequestCase(
        name="length twice, different",
        sent=request(b"Content-Length: 5", b"Content-Length: %d" % (5 + len(POISON)), body=b"hello" + POISON),
        allowed=REFUSED,
        why="one takes the first, the other the last",
        source="RFC 9112 § 6.3",
    ),
    RequestCase(
        name="length twice, different, the short one last",
        sent=request(b"Content-Length: %d" % (5 + len(POISON)), b"content-length: 5", body=b"hello" + POISON),
        allowed=REFUSED,
        why="the same the other way round, and in another case",
        source="RFC 9112 § 6.3",
    ),
    RequestCase(
        name="length: a list of equal ones",
        sent=_length(b" 5, 5"),
        allowed=REFUSED + _HELLO,
        why="what a hop makes of two lines",
        source="RFC 9110 § 8.6",
    ),
    _odd("a list of different ones", b" 5, 6", "one takes the first, the other the last", "RFC 9112 § 6.3"),
    _odd("a sign", b" +5", "int() and strtol() take signs", "CVE-2022-24761 (waitress), CVE-2023-47627 (aiohttp)"),
    _odd("a minus", b" -5", "a negative length, or a huge one"),
    _odd("hexadecimal", b" 0x5", "strtol() with base 0 takes it"),
    _odd("a fraction", b" 5.0", "a reader of floats"),
    _odd("an exponent", b" 5e0", "a reader of floats"),
    _odd("an underscore", b" 0_5", "Python's int() takes it", "CVE-2023-47627 (aiohttp)"),
    _odd("quoted", b' "5"', "a reader that unquotes"),
    _odd("nothing", b"", "an empty length is 0 to some"),
    _odd("a space within", b" 5 0", "5 to one, 50 to another", "CVE-2018-7159 (Node.js)"),
    _odd("a vertical tab before it", b" \x0b5", "strip() takes more than OWS", "RFC 9110 § 5.6.3"),
    _odd("a form feed behind it", b" 5\x0c", "strip() takes more than OWS", "RFC 9110 § 5.6.3"),
    _odd("a no-break space before it", b" \xa05", "strip() of text takes it", "RFC 9110 § 5.6.3"),
    _odd("digits of another script", " \u0665".encode(), "Python's int() takes them", "CVE-2023-47627 (aiohttp)"),
    _odd("a NUL behind it", b" 5\x00", "the end to a reader in C", "RFC 9110 § 5.5"),
    _odd("over 64 bits by 5", b" 18446744073709551621", "5 to whom it overflows", "RFC 9110 § 8.6"),
    _odd("a thousand digits", b" " + b"9" * 1000, "too large for anybody", "RFC 9110 § 8.6"),
    RequestCase(
        name="length: zeros in front",
        sent=_length(b" 0005"),
        allowed=REFUSED + _HELLO,
        why="octal to some",
        source="RFC 9110 § 8.6: digits, so allowed",
    ),
    RequestCase(
        name="length: tabs and spaces around it",
        sent=_length(b"\t 5 \t"),
        allowed=REFUSED + _HELLO,
        why="optional white space is none of the value",
        source="RFC 9110 § 5.5",
    ),
    RequestCase(
        name="length: a space before the colon",
        sent=request(b"Content-Length : 5", body=b"hello"),
        allowed=REFUSED,
        why="another name to one, the length to the other",
        source="RFC 9112 § 5.1; CVE-2019-16869 (Netty)",
    ),
    RequestCase(
        name="length: a folded line",
        sent=request(b"Content-Length:\r\n 5", body=b"hello"),
        allowed=REFUSED + _HELLO,
        why="an empty length to whom the fold is another line",
        source="RFC 9112 § 5.2",
    ),
    RequestCase(
        name="length: an underscore in the name",
        sent=request(b"Content-Length: 5", b"Content_Length: 50", body=b"hello"),
        allowed=REFUSED + _HELLO,
        lacks=("content_length",),
        why="the same name as the real one to a CGI-like upstream",
        source="gunicorn: header_map; nginx: underscores_in_headers",
    ),
    RequestCase(
        name="length zero, and content",
        sent=request(b"Content-Length: 0", body=b"hello"),
        allowed=REFUSED + through(ends=True),
        why="the rest is no request",
        source="RFC 9112 § 2.2",
    ),
    RequestCase(
        name="length: GET with content",
        sent=request(b"Content-Length: %d" % len(POISON), body=POISON, method=b"GET"),
        allowed=through(POISON, method="GET"),
        why="GET has no content to some, who then read a request",
        source="RFC 9110 § 9.3.1",
    ),
    RequestCase(
        name="length: HEAD with content",
        sent=request(b"Content-Length: %d" % len(POISON), body=POISON, method=b"HEAD"),
        allowed=through(POISON, method="HEAD"),
        why="as GET",
        source="RFC 9110 § 9.3.2",
    ),
    RequestCase(
        name="length: DELETE with content",
        sent=request(b"Content-Length: %d" % len(POISON), body=POISON, method=b"DELETE"),
        allowed=through(POISON, method="DELETE"),
        why="as GET",
        source="RFC 9110 § 9.3.5",
    ),
    RequestCase(
        name="length: more than comes",
        sent=request(b"Content-Length: 500", body=b"hello"),
        allowed=REFUSED,
        why="what follows belongs to the content, and no complete request goes on",
        source="RFC 9112 § 8",
        unfinished=True,
    ),
)
