"""The client's end of HTTP/1.1: the payload of one response, in whatever pieces its bytes arrive (RFC 9112).

As little as a load generator can do with, and strict about what it does: it is to notice a response that is cut,
garbled or not a 200.
"""

from __future__ import annotations

import re

__all__ = ["BadResponse", "ResponseReader"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_MAX_HEAD_BYTES = 16_384
#: The end of a chunk's data.
_CRLF_BYTES = 2


class BadResponse(Exception):
    """No HTTP, or not a 200."""


class ResponseReader:
    """Reads one response."""

    __slots__ = ("_held", "_is_chunked", "_is_last", "_left", "is_complete", "is_in_body")

    def __init__(self) -> None:
        self.is_in_body = False
        #: The body has come to its end.
        self.is_complete = False
        #: Bytes that make no sense before more have come.
        self._held = b""
        self._is_chunked = False
        #: Of the chunk that is being read, its CRLF included; of a body that tells its length, all of it.
        self._left = 0
        #: The chunk of size 0 is read, its trailer section is not.
        self._is_last = False

    def feed(self, data: bytes) -> bytes:
        """The payload in *data*.

        Raises:
            BadResponse: the status is not 200, or this is no HTTP.
        """
        if self._is_chunked and not self._held and not self._left:
            # What a stream mostly is: one whole chunk a read.
            line = data.find(b"\r\n")
            if 0 < line < 16 and (size := _size(data[:line])) and len(data) == line + size + 2 * _CRLF_BYTES:
                return data[line + 2 : -2]
        data = self._held + data
        self._held = b""
        if not self.is_in_body:
            head = data.find(b"\r\n\r\n")
            if head < 0:
                self._hold(data)
                return b""
            self._read_head(data[: head + 2])
            data = data[head + 4 :]
        return self._chunks(data) if self._is_chunked else self._counted(data)

    def _read_head(self, head: bytes) -> None:
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
            raise BadResponse(head.partition(b"\r\n")[0].decode(errors="replace"))
        length = _LENGTH.search(head)
        self._is_chunked = _CHUNKED.search(head) is not None
        if not self._is_chunked and length is None:
            raise BadResponse("neither chunks nor a length")
        self._left = int(length[1]) if length and not self._is_chunked else 0
        self.is_in_body = True

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        self.is_complete = self._left <= 0
        return data

    def _chunks(self, data: bytes) -> bytes:
        payload = []
        position = 0
        while not self.is_complete:
            if self._left:
                piece = data[position : position + self._left]
                payload.append(piece[: max(0, self._left - _CRLF_BYTES)])
                self._left -= len(piece)
                position += len(piece)
                if self._left:
                    break
            line = data.find(b"\r\n", position)
            if line < 0:
                self._hold(data[position:])
                break
            self._read_line(data[position:line])
            position = line + 2
        return b"".join(payload)

    def _read_line(self, line: bytes) -> None:
        """A chunk's size, or a line of the trailer section."""
        if self._is_last:
            self.is_complete = not line
            return
        size = _size(line)
        self._is_last = not size
        self._left = size + _CRLF_BYTES if size else 0

    def _hold(self, data: bytes) -> None:
        if len(data) > _MAX_HEAD_BYTES:
            raise BadResponse("a head or a size line without end")
        self._held = data


def _size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError:
        raise BadResponse(f"no size of a chunk: {line[:40]!r}") from None
