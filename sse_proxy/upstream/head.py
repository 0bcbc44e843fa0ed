"""The head of a response, read strictly, and the framing of its body that follows from it (RFC 9112 § 3 to § 6).

Pure: bytes in, a `ResponseHead` out. llhttp reads the chunked coding only (see `body`), where it is strict. Heads are
read here, since httptools cannot be told that the answer to HEAD has no body, and has no limit. Besides, llhttp takes
an unknown or doubled Transfer-Encoding, one under HTTP/1.0, any version, any status, RTSP, NUL in the reason phrase,
and empty lines first. Whatever two readers of the same bytes might take differently is refused; nothing is guessed.

Departures from RFC 9112: several equal Content-Lengths are refused (§ 6.3 allows to merge them), and so are a
Transfer-Encoding other than ``chunked`` alone (nobody sends the others), one under HTTP/1.0 (§ 6.1: framing is faulty),
and bare LF (§ 2.2 allows it). A missing space before an empty reason phrase is accepted: servers omit it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx

from ..core.headers import HeaderList, tokens, values

__all__ = ["MAX_HEAD_BYTES", "HeadReader", "ResponseHead"]

#: One response head, together with the interim (1xx) heads before it.
MAX_HEAD_BYTES = 65536

_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-5][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?")
_PREFIX = b"HTTP/1."
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 § 5.6.2: token
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # never in a field value (RFC 9110 § 5.5)
_BARE_LF = re.compile(rb"(?<!\r)\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")  # 18 digits: below 2⁶³, and no work for int()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """Status line and fields of a final response."""

    status: int
    reason_phrase: bytes
    #: ``HTTP/1.0`` or ``HTTP/1.1``.
    http_version: bytes
    #: As on the wire: order, case and duplicates kept.
    headers: HeaderList
    #: Bytes of the body as announced; None without Content-Length.
    content_length: int | None
    chunked: bool

    def has_body(self, method: str) -> bool:
        """Whether content follows a head that answers *method* (RFC 9112 § 6.3, rule 1)."""
        return method != "HEAD" and self.status not in (204, 304)

    @property
    def persistent(self) -> bool:
        """Whether the connection may serve another request (RFC 9112 § 9.3).

        Not with HTTP/1.0, nor after a 204 that announces content, which may follow or not.
        """
        announces_none = not self.chunked and not self.content_length
        return (
            self.http_version == b"HTTP/1.1"
            and b"close" not in tokens(self.headers, b"connection")
            and (self.status != 204 or announces_none)
        )


class HeadReader:
    """Finds the final head at the front of a byte stream; one for each response."""

    __slots__ = ("_buffer", "_searched", "_skipped")

    def __init__(self) -> None:
        self._buffer = bytearray()
        # Up to here the buffer holds no end of the head: each byte is searched once, however small the reads are.
        self._searched = 0
        self._skipped = 0  # bytes of interim heads

    def feed(self, data: bytes) -> tuple[ResponseHead, bytes] | None:
        """The final head with the bytes behind it, once it is complete; None before that.

        Raises:
            httpx.RemoteProtocolError: not an HTTP/1 response, one that may be read in two ways, an unasked 101, or
                more than `MAX_HEAD_BYTES`.
        """
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n", max(self._searched - 3, 0))) >= 0:
            self._limit(end)
            head = _parse(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
            if head.status >= 200:
                return head, bytes(self._buffer)
            if head.status == 101:
                raise httpx.RemoteProtocolError("switched protocols unasked")
            self._skipped += end + 4
            self._searched = 0
        self._check_part()
        return None

    def _check_part(self) -> None:
        """Refuse at once what can never become a head: waiting for its end would be waiting for ever."""
        self._limit(len(self._buffer))
        if not self._buffer.startswith(_PREFIX[: len(self._buffer)]):
            raise httpx.RemoteProtocolError("not an HTTP/1 response")
        if _BARE_LF.search(self._buffer, self._searched):
            raise httpx.RemoteProtocolError("line ended by a bare LF")
        self._searched = len(self._buffer)

    def _limit(self, size: int) -> None:
        if self._skipped + size > MAX_HEAD_BYTES:
            raise httpx.RemoteProtocolError("response head over the limit")


def _parse(raw: bytes) -> ResponseHead:
    """*raw*: a head without the empty line at its end."""
    first, *lines = raw.split(b"\r\n")
    match = _STATUS_LINE.fullmatch(first)
    if match is None:
        raise httpx.RemoteProtocolError("malformed status line")
    version, status, reason = match.groups(b"")
    headers = [_field(line) for line in lines]
    content_length, chunked = _framing(headers, version)
    return ResponseHead(
        status=int(status),
        reason_phrase=reason,
        http_version=version,
        headers=headers,
        content_length=content_length,
        chunked=chunked,
    )


def _field(line: bytes) -> tuple[bytes, bytes]:
    # A folded line (RFC 9112 § 5.2) begins with whitespace, which no name does.
    name, colon, value = line.partition(b":")
    if not colon or not _NAME.fullmatch(name) or _CONTROL.search(value):
        raise httpx.RemoteProtocolError("malformed header field")
    return name, value.strip(b" \t")


def _framing(headers: HeaderList, version: bytes) -> tuple[int | None, bool]:
    """Content-Length, and whether the body is chunked (RFC 9112 § 6.1 and § 6.2)."""
    lengths = values(headers, b"content-length")
    codings = values(headers, b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise httpx.RemoteProtocolError("several lengths of one body")
    if codings and (codings[0].lower() != b"chunked" or version == b"HTTP/1.0"):
        raise httpx.RemoteProtocolError("unsupported transfer encoding")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise httpx.RemoteProtocolError("malformed content length")
    return (int(lengths[0]) if lengths else None), bool(codings)
