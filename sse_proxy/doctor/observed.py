"""What the doctor saw of one request: bytes and times, judged by nobody yet.

Times are seconds since the request was sent, on one monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..core.headers import HeaderList

__all__ = ["Answer", "End", "Read", "Request"]


class End(StrEnum):
    """How a response ended."""

    #: Its framing says that this is all: the last chunk, or as many bytes as announced.
    COMPLETE = "complete"
    #: The connection was closed, and nothing else could say that the body is whole (RFC 9112 § 6.3, rule 8).
    CLOSED = "closed"
    #: The connection was closed or reset in the middle of the body's framing.
    CUT = "cut"
    #: The doctor stopped reading: its time was over, or it had enough bytes.
    LEFT = "left"
    #: No response came: `Answer.failure` says why.
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; Host and Content-Length are added when it is sent."""

    method: str = "GET"
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of the header *name* (lower case)."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Read:
    """The body bytes that one read of the socket brought, their chunked framing undone."""

    at: float
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response, as far as it came."""

    request: Request
    #: 0 where there was none.
    status: int = 0
    #: ``1.0`` or ``1.1``, as the server said.
    http_version: str = ""
    #: Names in lower case, in the order of the wire.
    headers: tuple[tuple[str, str], ...] = ()
    #: When the head was complete.
    head_at: float = 0.0
    reads: tuple[Read, ...] = ()
    end: End = End.NONE
    ended_at: float = 0.0
    #: Why there was no response, in a few words.
    failure: str = ""

    def header(self, name: str) -> str | None:
        """The first value of the header *name* (lower case)."""
        return next((value for key, value in self.headers if key == name), None)

    def values(self, name: str) -> list[str]:
        """Every value of the header *name* (lower case)."""
        return [value for key, value in self.headers if key == name]

    @property
    def raw_headers(self) -> HeaderList:
        """The headers as the core takes them."""
        return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in self.headers]

    @property
    def body(self) -> bytes:
        """All of the body that came, content codings and all."""
        return b"".join(read.data for read in self.reads)

    @property
    def last_byte_at(self) -> float:
        """When the last byte came."""
        return self.reads[-1].at if self.reads else self.head_at
