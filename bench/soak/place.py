"""Where clients go and whence they come, and what they tell together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Place", "connection"]

_READ_BYTES = 65_536
#: Of a client that is slow, or reads nothing: little, so that back-pressure is felt.
_SMALL_BUFFER_BYTES = 4096
#: ip(7); the standard library names it from Python 3.12 on.
_BIND_ADDRESS_NO_PORT = 24


@dataclass(slots=True, kw_only=True)
class Place:
    """Where clients go, and what they tell together.

    Attributes:
        port: The proxy's.
        sources: Local addresses to come from, by turns.
        limit_seconds: For a whole errand; whoever has no end by then is stuck.
        kept_seconds: How long the proxy keeps a stream that has ended.
        stall_seconds: How long a client that reads nothing does so; longer than the proxy waits.
        heartbeat_seconds: Of the proxy; with it `late_seconds` are noted, how late each heartbeat was.
        first_seconds: From each request to its first event.
        alive: Streams that have their first event and no end.
        is_over: All leave, as soon as they notice.
    """

    port: int
    limit_seconds: float
    kept_seconds: float = 300.0
    stall_seconds: float = 8.0
    heartbeat_seconds: float | None = None
    sources: tuple[str, ...] = ("127.0.0.1",)
    late_seconds: list[float] = field(default_factory=list)
    first_seconds: list[float] = field(default_factory=list)
    alive: int = 0
    is_over: bool = False


@asynccontextmanager
async def connection(
    place: Place, number: int, *, is_slow: bool = False
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the proxy, which is gone at the end whatever is still to come."""
    line = socket.socket()
    line.setblocking(False)  # noqa: FBT003  the standard library's
    try:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_slow:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER_BYTES)
        # Without a port, which is chosen where it is known whereto: else each address has but one of each.
        line.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        line.bind((place.sources[number % len(place.sources)], 0))
        await asyncio.get_running_loop().sock_connect(line, ("127.0.0.1", place.port))
        reader, writer = await asyncio.open_connection(sock=line, limit=_SMALL_BUFFER_BYTES if is_slow else _READ_BYTES)
    except BaseException:
        line.close()
        raise
    try:
        yield reader, writer
    finally:
        writer.close()
