"""The request as it goes over the wire: head (RFC 9112 § 3 and § 5) and framed body (§ 6 and § 7.1).

Method, target and fields are written exactly as given; only ``Transfer-Encoding: chunked`` is added where a body would
have no framing. What cannot be sent unambiguously is refused, never repaired.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx

from ..core.headers import HeaderList, values

__all__ = ["OutgoingRequest", "RequestBody", "Upload", "prepare"]

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 § 5.6.2
_TARGET = re.compile(rb"[^\x00-\x20\x7f]+")  # RFC 9112 § 3.2: no whitespace; anything else is the upstream's to judge
_BREAKS_LINE = re.compile(rb"[\x00\r\n]")  # RFC 9110 § 5.5
_LENGTH = re.compile(rb"[0-9]{1,18}")
_LAST_CHUNK = b"0\r\n\r\n"


def _nothing(_limit: int) -> None:
    """At hand of a body that is not a `RequestBody`."""


class RequestBody(httpx.AsyncByteStream):
    """A request's stream that may be all there by the time that there is a connection."""

    @abstractmethod
    def at_hand(self, limit: int) -> bytes | None:
        """The whole stream, in place of iterating over it, if it is there and not over *limit* bytes; else None."""


class Upload:
    """A body that is still coming in, to be sent while the response is read already."""

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        *,
        length: int | None,
        first: bytes = b"",
        at_hand: Callable[[int], bytes | None] = _nothing,
    ) -> None:
        """*length*: as announced; None sends chunks. *first*: what was taken from *chunks* before.

        *at_hand*: see `RequestBody`.
        """
        self._chunks = chunks
        self._length = length
        self._first = first
        self._at_hand = at_hand

    def at_hand(self, limit: int) -> bytes | None:
        """The whole framed body, in place of `send`, if it is there and its content not over *limit* bytes; else None.

        Raises:
            httpx.LocalProtocolError: more or less came than was announced.
        """
        data = self._at_hand(limit)
        return None if data is None else _whole(data, length=self._length, chunked=self._length is None)

    async def send(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Hand the framed body to *write*, piece by piece; does not wait for the end of a stream that is complete.

        Raises:
            httpx.LocalProtocolError: more or less came than was announced.
            Any error of the stream or of *write*.
        """
        try:
            if self._length is None:
                await self._send_chunked(write)
            else:
                await self._send_length(write, self._length)
        finally:
            await self.aclose()

    async def _send_chunked(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        if self._first:
            await write(_chunk(self._first))
        async for data in self._chunks:
            if data:  # an empty chunk would be the last one
                await write(_chunk(data))
        await write(_LAST_CHUNK)

    async def _send_length(self, write: Callable[[bytes], Awaitable[None]], length: int) -> None:
        async for data in self._chunks:
            length -= len(data)
            if length < 0:
                break
            await write(data)
            if length == 0:
                return
        raise httpx.LocalProtocolError("the request's body is not as long as announced")

    async def aclose(self) -> None:
        """Release the stream, which a generator would else do in a task of its own, some time. Idempotent."""
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRequest:
    """All that a connection has to write."""

    method: str
    head: bytes
    #: The framed body where it is in memory already; may be empty.
    body: bytes
    upload: Upload | None


async def prepare(request: httpx.Request) -> OutgoingRequest:
    """*request* for the wire; ``extensions["target"]`` goes before the URL's path and query.

    Waits for the first bytes of a stream whose length and coding nothing tells: without any there is no body to frame.

    Raises:
        httpx.LocalProtocolError: the request cannot be sent without ambiguity.
    """
    headers = list(request.headers.raw)
    length, chunked = _framing(headers)
    body, upload = b"", None
    if isinstance(request.stream, httpx.ByteStream):
        data = b"".join([piece async for piece in request.stream])
        chunked = chunked or (length is None and data != b"")
        body = _whole(data, length=length, chunked=chunked)
    elif length != 0 and isinstance(request.stream, httpx.AsyncByteStream):
        upload = await _upload(request.stream, length=length, chunked=chunked)
        chunked = upload is not None and length is None
    if chunked and not any(values(headers, b"transfer-encoding")):
        headers.append((b"Transfer-Encoding", b"chunked"))
    try:
        head = _head(request, headers)
    except httpx.LocalProtocolError:
        if upload is not None:
            await upload.aclose()
        raise
    return OutgoingRequest(method=request.method, head=head, body=body, upload=upload)


def _framing(headers: HeaderList) -> tuple[int | None, bool]:
    """The length of the body, and whether it is chunked, as the caller says."""
    lengths = values(headers, b"content-length")
    codings = values(headers, b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise httpx.LocalProtocolError("several lengths of one body")
    if codings and codings[0].lower() != b"chunked":
        raise httpx.LocalProtocolError("unsupported transfer encoding")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise httpx.LocalProtocolError("malformed content length")
    return (int(lengths[0]) if lengths else None), bool(codings)


def _whole(data: bytes, *, length: int | None, chunked: bool) -> bytes:
    if chunked:
        return (_chunk(data) if data else b"") + _LAST_CHUNK
    if len(data) != (length or 0):
        raise httpx.LocalProtocolError("the request's body is not as long as announced")
    return data


async def _upload(stream: httpx.AsyncByteStream, *, length: int | None, chunked: bool) -> Upload | None:
    chunks = aiter(stream)
    if chunked or length is not None:
        return Upload(chunks, length=length, at_hand=stream.at_hand if isinstance(stream, RequestBody) else _nothing)
    async for data in chunks:
        if data:
            return Upload(chunks, length=None, first=data)
    return None


def _head(request: httpx.Request, headers: HeaderList) -> bytes:
    target = request.extensions.get("target", request.url.raw_path)
    if not _TOKEN.fullmatch(request.method) or request.method == "CONNECT":  # CONNECT would turn this into a tunnel
        raise httpx.LocalProtocolError("a method that cannot be sent")
    if not isinstance(target, bytes) or not _TARGET.fullmatch(target):
        raise httpx.LocalProtocolError("a request target that cannot be sent")
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii"), target)]
    for name, value in headers:
        if not _TOKEN.fullmatch(name.decode("latin-1")) or _BREAKS_LINE.search(value):
            raise httpx.LocalProtocolError("a header field that cannot be sent")
        lines.append(b"%b: %b\r\n" % (name, value))
    lines.append(b"\r\n")
    return b"".join(lines)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
