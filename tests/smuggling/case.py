"""What a case is: bytes, why somebody could read them in another way, and what the upstream may see of them.

What may be seen follows from RFC 9110 and 9112 alone, not from what any proxy does. Every request case is followed by
`AFTER` on the same connection. In most cases a reader that takes the framing otherwise meets ``GET /poison`` where
another one sees content; in none of them is that a request of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["AFTER", "AFTER_BYTES", "ANSWERED", "POISON", "REFUSED", "Readings", "RequestCase", "ResponseCase", "Seen"]
__all__ += ["request", "through"]

#: A request that is only ever content.
POISON = b"GET /poison HTTP/1.1\r\nHost: poison\r\nX: "
#: What follows each case on its connection.
AFTER_BYTES = b"GET /after HTTP/1.1\r\nHost: test\r\n\r\n"


class Seen(NamedTuple):
    """A request as the upstream has read it."""

    method: str
    target: str
    body: bytes = b""


AFTER = Seen("GET", "/after")

#: The sequences of requests that the upstream may see.
Readings = tuple[tuple[Seen, ...], ...]

#: Nothing goes on, and the connection is not used for another request (RFC 9112 § 2.2, § 6.3).
REFUSED: Readings = ((),)
#: The proxy answers by itself, having read the request to its end: the next one is served.
ANSWERED: Readings = ((AFTER,),)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCase:
    """A request that somebody could read in another way."""

    name: str
    sent: bytes
    #: What the upstream may see, `AFTER` included where the connection may go on.
    allowed: Readings
    why: str
    #: The rule, or where it was exploited.
    source: str
    #: Fields that must not reach the upstream, in lower case.
    lacks: tuple[str, ...] = ()
    #: Fields that must reach the upstream with just these values.
    has: tuple[tuple[str, str], ...] = ()
    #: Its end never comes, so that nobody can tell what follows.
    unfinished: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseCase:
    """A response that somebody could read in another way."""

    name: str
    #: What the upstream sends; the connection stays open unless *closes*.
    sent: bytes
    #: Statuses that the client may get; 0 is an answer that is cut off.
    allowed: tuple[int, ...]
    why: str
    source: str
    method: str = "GET"
    #: The body that the client gets where the answer is whole; None: not looked at.
    body: bytes | None = None
    closes: bool = False
    #: The connection may serve another request where the answer is taken: nothing came that was not asked for.
    reusable: bool = False
    #: What the upstream sends a moment after *sent*, when the connection is idle.
    late: bytes = b""


def request(
    *fields: bytes,
    body: bytes = b"",
    method: bytes = b"POST",
    target: bytes = b"/case",
    version: bytes = b"HTTP/1.1",
    host: bytes = b"Host: test",
) -> bytes:
    """A request from its lines; *fields* as they are, an empty *host* leaves that line out."""
    lines = [b"%b %b %b" % (method, target, version), *filter(None, [host]), *fields, b"", b""]
    return b"\r\n".join(lines) + body


def through(body: bytes = b"", *, method: str = "POST", target: str = "/case", ends: bool = False) -> Readings:
    """The request goes on with *body*; *ends*: and is the last one of its connection."""
    seen = Seen(method, target, body)
    return ((seen,),) if ends else ((seen, AFTER),)
