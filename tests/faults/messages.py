"""What is asked and answered in every cell: three kinds of exchange, cut at the places where faults are put.

An answer is chunked (RFC 9112 § 7.1), each `Pieces` field one or more whole chunks unless its name says otherwise, so
that a fault between two of them leaves the framing in order: what is broken besides is the fault's own doing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from enum import StrEnum

from ..streaming import DONE, chunk

__all__ = [
    "CELL",
    "UPLOAD_BYTES",
    "Kind",
    "Pieces",
    "body_of_request",
    "chunked",
    "head_of_request",
    "pieces",
    "request",
    "sized",
    "unchunked",
]

#: Stands for the name of the cell in what its client sends; put in when it is played.
CELL = "CELL"

#: More than all the buffers between a client and an upstream that does not read.
UPLOAD_BYTES = 12_000_000

_UPLOAD = bytes(UPLOAD_BYTES)


class Kind(StrEnum):
    """What a client asks for."""

    STREAM = "stream"
    JSON = "JSON"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """An answer in order; all of it makes a whole one."""

    half_head: bytes
    rest_of_head: bytes
    #: An event, or a part of the document.
    first: bytes
    #: Half of another event.
    half: bytes
    other_half: bytes
    #: The terminal signal and the terminator, or the rest of the document.
    finish: bytes
    #: The last chunk.
    end: bytes

    def until(self, name: str) -> bytes:
        """Everything up to and including the field *name*."""
        names = [field.name for field in fields(self)]
        return b"".join(getattr(self, each) for each in names[: names.index(name) + 1])

    @property
    def head(self) -> bytes:
        """Both halves."""
        return self.until("rest_of_head")

    @property
    def whole(self) -> bytes:
        """The answer."""
        return self.until("end")


def chunked(data: bytes) -> bytes:
    """*data* as one chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def unchunked(chunk: bytes) -> bytes:
    """What is in one chunk."""
    return chunk.partition(b"\r\n")[2].removesuffix(b"\r\n")


_TYPES = {Kind.STREAM: b"text/event-stream", Kind.JSON: b"application/json", Kind.UPLOAD: b"application/json"}
_FIRST, _SECOND = chunk("token 1 "), chunk("token 2 ")
_DOCUMENT = json.dumps({"id": "1", "choices": [{"message": {"content": "token 1 token 2 "}}]}).encode()
_PARTS = {
    Kind.STREAM: (_FIRST, _SECOND[:40], _SECOND[40:], chunk("", finish="stop") + DONE),
    Kind.JSON: (_DOCUMENT[:30], _DOCUMENT[30:40], _DOCUMENT[40:50], _DOCUMENT[50:]),
}
_PARTS[Kind.UPLOAD] = _PARTS[Kind.JSON]


def pieces(kind: Kind, *, fields: bytes = b"Connection: close\r\n") -> Pieces:
    """The answer to a request of *kind*; *fields* are added to its head."""
    half = b"HTTP/1.1 200 OK\r\nContent-Ty"
    rest = b"pe: %s\r\nTransfer-Encoding: chunked\r\n%s\r\n" % (_TYPES[kind], fields)
    first, *others = (chunked(part) for part in _PARTS[kind])
    return Pieces(
        half_head=half, rest_of_head=rest, first=first, half=others[0], other_half=others[1], finish=others[2],
        end=b"0\r\n\r\n",
    )  # fmt: skip


def sized(kind: Kind, *, length_is_off_by: int = 0, keep: int | None = None) -> bytes:
    """The same answer with a Content-Length, which may be wrong; *keep*: how many bytes of the body are sent."""
    body = b"".join(_PARTS[kind])
    length = len(body) + length_is_off_by
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (_TYPES[kind], length)
    return head + body[:keep]


def head_of_request(kind: Kind, cell: str, *, framing: bytes = b"", fields: bytes = b"") -> bytes:
    """The head of the request of a *cell*, which names it in its path and its id; *framing*: in place of the length."""
    path, content_type = f"/{cell}/v1/chat/completions", b"application/json"
    if kind is Kind.UPLOAD:
        path, content_type = f"/{cell}/v1/files", b"application/octet-stream"
    framing = framing or b"Content-Length: %d" % len(body_of_request(kind))
    return b"POST %s HTTP/1.1\r\nHost: test\r\nX-Request-Id: %s\r\nContent-Type: %s\r\n%s\r\n%s\r\n" % (
        path.encode(), cell.encode(), content_type, framing, fields,
    )  # fmt: skip


def body_of_request(kind: Kind) -> bytes:
    """What is sent behind the head."""
    if kind is Kind.UPLOAD:
        return _UPLOAD  # the same for all, as there are many
    return json.dumps({"model": "m", "stream": kind is Kind.STREAM, "messages": []}).encode()


def request(kind: Kind, cell: str, *, fields: bytes = b"") -> bytes:
    """The whole request of a *cell*."""
    return head_of_request(kind, cell, fields=fields) + body_of_request(kind)
