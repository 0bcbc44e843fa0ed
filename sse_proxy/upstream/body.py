"""The body of a response: how its bytes are taken off the wire, and the stream that the consumer reads.

This is the hot path, one event a wake-up: `Connection.data_received` → a decoder's `feed`, which appends to a list →
`ResponseBody.wake` → `ResponseBody.__anext__`, which takes all that the list holds. One future a wake-up; no task, no
queue, no lock. A body that comes in one piece is handed on as the very object that came in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Protocol

import httptools
import httpx

from .head import ResponseHead

__all__ = ["MAX_BUFFERED_BYTES", "Decoder", "ResponseBody", "Source", "decoder_for"]

#: Reading from the upstream stops while more than this is unread, and goes on once it is taken. One read of the event
#: loop may exceed it once: up to 256 KiB.
MAX_BUFFERED_BYTES = 262144

# llhttp wants a head before a body. ``close``: so that it refuses whatever comes behind the last chunk.
_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


class Decoder(Protocol):
    """Takes the framing off a body; appends content to a list that it shares with the stream."""

    #: Bytes came behind the end, or may have: the connection is not to be used again.
    surplus: bool
    #: Only the end of the connection ends this body.
    until_close: bool

    def feed(self, data: bytes) -> bool:
        """Take what one read gave (at least one byte); True: the body is complete.

        Raises:
            httpx.RemoteProtocolError: the framing is broken; what came before that is in the list.
        """


class _LengthDecoder:
    """RFC 9112 § 6.2: so many bytes, at least one."""

    __slots__ = ("_pieces", "_remaining", "surplus", "until_close")

    def __init__(self, pieces: list[bytes], length: int) -> None:
        self._pieces = pieces
        self._remaining = length
        self.surplus = False
        self.until_close = False

    def feed(self, data: bytes) -> bool:
        remaining = self._remaining = self._remaining - len(data)
        if remaining < 0:
            self.surplus = True
            data = data[:remaining]
        self._pieces.append(data)
        return remaining <= 0


class _ChunkedDecoder:
    """RFC 9112 § 7.1, by llhttp, which is strict here; chunk extensions and trailers are dropped."""

    __slots__ = ("_feed", "_open", "surplus", "until_close")

    def __init__(self, pieces: list[bytes]) -> None:
        self._open = [True]
        # Methods of lists as callbacks: no Python frame a chunk, and no cycle that the collector would have to find.
        parser = httptools.HttpResponseParser(
            SimpleNamespace(on_body=pieces.append, on_message_complete=self._open.clear)
        )
        self._feed = parser.feed_data
        self._feed(_CHUNKED_HEAD)
        self.surplus = False
        self.until_close = False

    def feed(self, data: bytes) -> bool:
        try:
            self._feed(data)
        except httptools.HttpParserError as exc:
            if self._open:
                raise httpx.RemoteProtocolError("malformed chunked body") from exc
            self.surplus = True
            return True
        if self._open:
            return False
        # llhttp skips empty lines behind the end without a word, so that only this end is known to be the last byte.
        # Others (split over reads, behind trailers) are rare and cost no more than a new connection.
        self.surplus = not data.endswith(_LAST_CHUNK)
        return True


class _CloseDecoder:
    """RFC 9112 § 6.3, rule 8: all that comes until the connection ends."""

    __slots__ = ("_pieces", "surplus", "until_close")

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self.surplus = True
        self.until_close = True

    def feed(self, data: bytes) -> bool:
        self._pieces.append(data)
        return False


def decoder_for(head: ResponseHead, pieces: list[bytes]) -> Decoder | None:
    """The decoder of the content behind *head*, which does have content; None: its length is zero."""
    if head.chunked:
        return _ChunkedDecoder(pieces)
    if head.content_length is None:
        return _CloseDecoder(pieces)
    return _LengthDecoder(pieces, head.content_length) if head.content_length else None


class Source(Protocol):
    """Where a body comes from: a connection."""

    def pause(self) -> None:
        """Stop reading, until `resume`."""

    def resume(self) -> None: ...

    def abort(self) -> None:
        """Close the connection now; calls `ResponseBody.fail`."""

    async def aclose(self) -> None:
        """As `abort`; returns when the request's body is no longer read either."""


class ResponseBody(httpx.AsyncByteStream):
    """The content of a response: an async iterator of non-empty bytes, each all that came since the last.

    For one reader. A cancelled read closes the connection, as `aclose` does; so does nothing else.

    Iteration raises:
        httpx.RemoteProtocolError: the framing is broken or, as `IncompleteMessage`, the body ended before its end.
        httpx.ReadError: the connection was reset.
        httpx.StreamClosed: `aclose` came first.
        Any error of the request's own stream, when that was still being sent.
    """

    #: False: only the end of the connection ended this body, so that it may have been cut unnoticed.
    framed: bool

    __slots__ = ("_buffered", "_error", "_loop", "_paused", "_pieces", "_source", "_waiter", "framed")

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        self.framed = True
        self._source: Source | None = source  # None: nothing more will come
        self._loop = loop
        self._pieces: list[bytes] = []
        self._buffered = 0  # bytes off the wire since the last read: content and its framing
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None

    @property
    def pieces(self) -> list[bytes]:
        """Where a decoder puts content; always the same list."""
        return self._pieces

    def wake(self, size: int) -> None:
        """The decoder has been fed *size* bytes."""
        # Framing alone (half a chunk header, an endless trailer) wakes nobody, so nobody would ever resume either.
        if not self._pieces:
            return
        buffered = self._buffered = self._buffered + size
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        if buffered > MAX_BUFFERED_BYTES and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause()

    def finish(self) -> None:
        """The body is complete: the stream ends behind what is buffered."""
        self._source = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, error: Exception) -> None:
        """The stream raises *error* behind what is buffered."""
        if self._source is not None:
            self._error = error
            self.finish()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        pieces = self._pieces
        while not pieces:
            source = self._source
            if source is None:
                raise self._error or StopAsyncIteration
            waiter = self._waiter = self._loop.create_future()
            try:
                await waiter
            except BaseException:
                source.abort()
                raise
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            if self._source is not None:
                self._source.resume()
        return data

    async def aclose(self) -> None:
        """Close the connection at once unless the body is complete; what is buffered is dropped. Idempotent."""
        source = self._source
        if source is not None or self._pieces:
            self._error = httpx.StreamClosed()
            self._pieces.clear()
            self.finish()
        if source is not None:
            await source.aclose()
