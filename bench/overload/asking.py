"""Clients, and what became of their requests."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["Told", "ask", "connect", "offer", "percentile"]

_LIMIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of one request; seconds from its beginning.

    Attributes:
        at: When it was sent, by the monotonic clock.
        status: 0: the connection broke before there was one.
        first_seconds: To the first event, or the refusal.
        is_whole: It ended as its API says that it should.
        is_proper: A refusal that says when to come again, and that the upstream never had the request.
    """

    at: float
    status: int
    first_seconds: float
    is_whole: bool
    is_proper: bool


def request(client: str, *, padding: int = 0) -> bytes:
    """A request for a stream by the *client* whose token that is, whose prompt has *padding* bytes."""
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "x" * padding}]}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {client}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def connect(
    port: int, client: str = "a", *, receive_buffer_bytes: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a stream was asked for; *receive_buffer_bytes*: what the kernel takes of it unread."""
    handle = socket.socket()
    handle.setblocking(False)  # noqa: FBT003  the standard library's
    if receive_buffer_bytes is not None:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    await asyncio.get_running_loop().sock_connect(handle, ("127.0.0.1", port))
    limit = 65_536 if receive_buffer_bytes is None else 4096
    reader, writer = await asyncio.open_connection(sock=handle, limit=limit)
    writer.write(request(client))
    return reader, writer


async def ask(port: int, client: str = "a") -> Told:
    """Ask for a stream and read it to its end."""
    began = time.monotonic()
    head = rest = b""
    first = 0.0
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            reader, writer = await connect(port, client)
            head = await reader.readuntil(b"\r\n\r\n")
            while data := await reader.read(65_536):
                first = first or time.monotonic() - began
                rest += data
    except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        if writer is not None:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
    lowered = head.lower()
    return Told(
        at=began,
        status=int(head[9:12] or b"0"),
        first_seconds=first or time.monotonic() - began,
        is_whole=b"data: [DONE]" in rest and rest.endswith(b"0\r\n\r\n"),
        is_proper=b"\r\nretry-after: " in lowered and b"\r\nx-should-retry: true" in lowered and b'"error"' in rest,
    )


async def offer(port: int, *, per_second: float, seconds: float) -> list[Told]:
    """What became of requests that come at that pace, whatever becomes of those before them."""
    loop, tasks = asyncio.get_running_loop(), list[asyncio.Task[Told]]()
    began = loop.time()
    for number in range(round(per_second * seconds)):
        await asyncio.sleep(began + number / per_second - loop.time())
        tasks.append(loop.create_task(ask(port)))
    return list(await asyncio.gather(*tasks))


def percentile(told: Sequence[Told], share: float, which: Callable[[Told], bool]) -> float:
    """Of the seconds to the first event, or the refusal; NaN where there are none."""
    found = sorted(one.first_seconds for one in told if which(one))
    return found[min(len(found) - 1, int(share * len(found)))] if found else float("nan")
