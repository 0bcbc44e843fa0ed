"""Transfer-Encoding: what is ``chunked`` to one reader and something else to another."""

from __future__ import annotations

from .case import POISON, REFUSED, Readings, RequestCase, request, through

__all__ = ["CASES"]

_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(POISON), POISON)
_HELLO = b"5\r\nhello\r\n0\r\n\r\n"
_LAST = "RFC 9112 § 6.3: where chunked is not the last coding, the length cannot be told"
_UNKNOWN = "RFC 9112 § 6.1: 501 for a coding that is not understood"
_OTHER = "PortSwigger: HTTP desync attacks (2019), TE.TE"


def _coded(
    name: str, line: bytes, why: str, source: str = _OTHER, *, allowed: Readings = REFUSED, body: bytes = _CHUNKS
) -> RequestCase:
    return RequestCase(name=f"coding: {name}", sent=request(line, body=body), allowed=allowed, why=why, source=source)


def _beside(
    name: str, line: bytes, why: str, source: str = _OTHER, *, allowed: Readings = REFUSED, lacks: tuple[str, ...] = ()
) -> RequestCase:
    """With a Content-Length, for whom the coding is none."""
    return RequestCase(
        name=f"coding beside a length: {name}",
        sent=request(b"Content-Length: %d" % len(_CHUNKS), line, body=_CHUNKS),
        allowed=allowed,
        why=why,
        source=source,
        lacks=lacks,
    )


_BY_LENGTH = through(_CHUNKS)
_BY_CHUNKS = through(POISON, ends=True)

CASES = (
    _coded("chunked", b"Transfer-Encoding: chunked", "the plain form", "RFC 9112 § 7.1", allowed=through(POISON)),
    _coded(
        "in capitals",
        b"TRANSFER-ENCODING: ChUnKeD",
        "codings have no case",
        "RFC 9112 § 7",
        allowed=through(POISON),
    ),
    _coded("xchunked", b"Transfer-Encoding: xchunked", "found by who searches for a part", _UNKNOWN),
    _coded("chunkedx", b"Transfer-Encoding: chunkedx", "found by who compares a prefix", _UNKNOWN),
    _coded("chunked, identity", b"Transfer-Encoding: chunked, identity", "chunked is not the last", _LAST),
    _coded(
        "identity, chunked",
        b"Transfer-Encoding: identity, chunked",
        "an obsolete coding in front",
        _UNKNOWN,
        allowed=REFUSED + through(POISON),
    ),
    _coded("identity", b"Transfer-Encoding: identity", "obsolete; no coding at all to some", _LAST),
    _coded(
        "gzip, chunked",
        b"Transfer-Encoding: gzip, chunked",
        "who takes off the chunks only passes compressed content off as plain",
        _UNKNOWN,
    ),
    _coded("chunked twice", b"Transfer-Encoding: chunked, chunked", "one takes off one layer", "RFC 9112 § 7.1"),
    _coded(
        "two lines of chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "a list by other means",
        "RFC 9112 § 7.1",
    ),
    _coded(
        "two lines, the last unknown",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
        "one takes the first line, the other the last",
    ),
    _coded(
        "two lines, the first unknown",
        b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
        "one takes the first line, the other the last",
    ),
    _coded("quoted", b'Transfer-Encoding: "chunked"', "a reader that unquotes", "RFC 9112 § 7: a token"),
    _coded("a parameter", b"Transfer-Encoding: chunked;q=1", "chunked has none", "RFC 9112 § 7.1"),
    _coded(
        "an empty member behind it",
        b"Transfer-Encoding: chunked,",
        "the last member is empty to some",
        "RFC 9110 § 5.6.1.2",
        allowed=REFUSED + through(POISON),
    ),
    _coded(
        "an empty member before it",
        b"Transfer-Encoding: , chunked",
        "the first member is empty to some",
        "RFC 9110 § 5.6.1.2",
        allowed=REFUSED + through(POISON),
    ),
    _coded(
        "a tab before it",
        b"Transfer-Encoding:\tchunked",
        "OWS to the standard, a part of the value to some",
        "RFC 9110 § 5.6.3",
        allowed=REFUSED + through(POISON),
    ),
    _coded("a vertical tab before it", b"Transfer-Encoding: \x0bchunked", "strip() takes more than OWS"),
    _coded("a form feed behind it", b"Transfer-Encoding: chunked\x0c", "strip() takes more than OWS"),
    _coded("a no-break space before it", b"Transfer-Encoding: \xa0chunked", "strip() of text takes it"),
    _coded("a next-line sign behind it", b"Transfer-Encoding: chunked\x85", "strip() of text takes it"),
    _coded("a Kelvin sign for its k", "Transfer-Encoding: chun\u212aed".encode(), "lower() of text makes it a k"),
    _coded("a NUL behind it", b"Transfer-Encoding: chunked\x00", "the end to a reader in C", "RFC 9110 § 5.5"),
    _coded(
        "a space before the colon",
        b"Transfer-Encoding : chunked",
        "another name to one of them",
        "CVE-2019-16869 (Netty)",
    ),
    _coded("a tab before the colon", b"Transfer-Encoding\t: chunked", "as a space", "RFC 9112 § 5.1"),
    _coded("a NUL before the colon", b"Transfer-Encoding\x00: chunked", "the name ends there in C", "RFC 9110 § 5.1"),
    _coded(
        "a folded line",
        b"Transfer-Encoding:\r\n chunked",
        "an empty value to whom the fold is another line",
        "RFC 9112 § 5.2",
        allowed=REFUSED + through(POISON),
    ),
    RequestCase(
        name="coding: a space before the first field",
        sent=b"POST /case HTTP/1.1\r\n Transfer-Encoding: chunked\r\nHost: test\r\nContent-Length: %d\r\n\r\n%b"
        % (len(_CHUNKS), _CHUNKS),
        allowed=REFUSED + _BY_LENGTH,
        why="to be refused or left out",
        source="RFC 9112 § 2.2",
        lacks=("transfer-encoding",),
    ),
    _coded("no colon", b"Transfer-Encoding chunked", "no field at all", "RFC 9112 § 5"),
    RequestCase(
        name="coding: under HTTP/1.0",
        sent=request(b"Transfer-Encoding: chunked", b"Connection: keep-alive", body=_HELLO, version=b"HTTP/1.0"),
        allowed=REFUSED + through(b"hello", ends=True),
        why="HTTP/1.0 knows no chunks",
        source="RFC 9112 § 6.1: faulty framing; the connection is to be closed",
    ),
    _beside("cow", b"Transfer-Encoding: cow", "unknown, so the length counts to some"),
    _beside("xchunked", b"Transfer-Encoding: xchunked", "unknown, so the length counts to some"),
    _beside("chunked", b"Transfer-Encoding: chunked", "both", allowed=REFUSED + _BY_CHUNKS),
    _beside("a space before the colon", b"Transfer-Encoding : chunked", "another name to one of them"),
    _beside("behind a bare LF", b"X: x\nTransfer-Encoding: chunked", "a field of its own to one of them"),
    _beside("behind a bare CR", b"X: x\rTransfer-Encoding: chunked", "a field of its own to one of them"),
    _beside("behind a NUL", b"X: x\x00\r\nTransfer-Encoding: chunked", "whoever stops at the NUL"),
    _beside(
        "an underscore in the name",
        b"Transfer_Encoding: chunked",
        "the same name to a CGI-like upstream",
        "gunicorn: header_map; nginx: underscores_in_headers",
        allowed=REFUSED + _BY_LENGTH,
        lacks=("transfer_encoding",),
    ),
    _beside(
        "named by Connection",
        b"Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding",
        "a proxy that takes the field away by its name changes the framing",
        "RFC 9110 § 7.6.1",
        allowed=REFUSED + _BY_CHUNKS,
    ),
)
