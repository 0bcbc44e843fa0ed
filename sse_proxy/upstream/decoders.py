"""What takes the framing off the body of a response (RFC 9112 § 6.3 and § 7.1): one decoder for each kind of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Protocol

import httptools
import httpx

from .head import ResponseHead

__all__ = ["Decoder", "decoder_for"]

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
