"""Opens streams, at a steady pace or all at once, and closes them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from .client import CountingClient, StreamClient
from .meter import Meter

__all__ = ["Failed", "check", "ended", "open_all", "open_at_once", "probe", "request_for"]

_HOST = "127.0.0.1"
#: So many may be waiting for their first byte while a crowd of streams is opened.
_AT_ONCE = 32
_LIMIT_SECONDS = 60.0
#: And so much longer for each stream that is to be opened.
_LIMIT_SECONDS_PER_STREAM = 0.015

_Client = TypeVar("_Client", bound=StreamClient | CountingClient)
Make = Callable[[bytes, Meter], _Client]


class Failed(Exception):
    """Streams did not do what they should."""


def request_for(path: str, *, max_tokens: int | None = None, headers: Sequence[str] = ()) -> bytes:
    """The request for a stream at *path*, which ends by itself after *max_tokens*; *headers* are lines of its own."""
    document: dict[str, object] = {"model": "bench", "stream": True}
    if path.startswith("/v1/"):
        # Anthropic's clients have to say a number.
        document["max_tokens"] = max_tokens or 99_999_999
        document["messages"] = [{"role": "user", "content": "Tell me of the sea."}]
    else:
        document = {"prompt": "Tell me of the sea."}
    body = json.dumps(document).encode()
    own = "".join(f"{line}\r\n" for line in headers)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{own}\r\n"
    )
    return head.encode() + body


async def open_all(make: Make[_Client], request: bytes, meter: Meter, port: int, count: int) -> list[_Client]:
    """*count* streams that have begun, opened a few at a time.

    Raises:
        Failed: one of them did not begin.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one() -> _Client:
        async with gate:
            client = await _connect(make, request, meter, port)
            await client.began
            return client

    limit_seconds = _LIMIT_SECONDS + count * _LIMIT_SECONDS_PER_STREAM
    try:
        async with asyncio.timeout(limit_seconds):
            clients = await asyncio.gather(*(one() for _ in range(count)))
    except TimeoutError:
        raise Failed(f"{count} streams had not all begun after {limit_seconds:g} s") from None
    check(meter)
    return clients


async def open_at_once(request: bytes, port: int, count: int) -> list[int]:
    """The nanoseconds to the first byte of *count* streams that are opened in one go.

    Raises:
        Failed: one of them did not end as it should.
    """
    meter = Meter()
    clients = await asyncio.gather(*(_connect(StreamClient, request, meter, port) for _ in range(count)))
    await ended(clients)
    check(meter)
    return meter.first_bytes


async def probe(request: bytes, port: int, count: int, pause_seconds: float) -> Meter:
    """What *count* short streams meter that are opened one after the other, so far apart.

    Raises:
        Failed: one of them did not end as it should.
    """
    meter = Meter()
    clients = []
    for _ in range(count):
        clients.append(await _connect(StreamClient, request, meter, port))
        await asyncio.sleep(pause_seconds)
    await ended(clients)
    check(meter)
    return meter


async def ended(clients: Iterable[StreamClient | CountingClient]) -> None:
    """Return when all *clients* have come to their end.

    Raises:
        Failed: that takes too long.
    """
    ends = [client.ended for client in clients]
    done, left = await asyncio.wait(ends, timeout=_LIMIT_SECONDS)
    if left:
        raise Failed(f"{len(left)} of {len(done) + len(left)} streams had no end after {_LIMIT_SECONDS:g} s")


def check(meter: Meter) -> None:
    """Nothing, if nothing went wrong.

    Raises:
        Failed: with the first thing that did.
    """
    if meter.faults:
        raise Failed(f"{len(meter.faults)} streams failed; the first: {meter.faults[0]}")


async def _connect(make: Make[_Client], request: bytes, meter: Meter, port: int) -> _Client:
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setblocking(False)  # noqa: FBT003  the standard library's
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        await loop.sock_connect(connection, (_HOST, port))
        _, client = await loop.create_connection(lambda: make(request, meter), sock=connection)
    except BaseException:
        connection.close()
        raise
    return client
