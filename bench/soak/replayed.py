"""Reads kept streams again from their first event on, at every replica: all that a reader ever had has to be there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..resume.ledger import Ledger
from .answer import Answer

__all__ = ["replayed"]

_LIMIT_SECONDS = 30.0
_READ_BYTES = 65_536
_AT_ONCE = 16


async def replayed(had: Sequence[tuple[str, int]], ports: Sequence[int], tokens: int) -> list[tuple[int, int]]:
    """Of each stream, how many of the events that its reader *had* each replica on *ports* has, and any of them.

    *had*: where a stream is, and the number of the last event that its reader had. Of a stream that comes back with a
    gap, a double or another's text, nothing counts.
    """
    gate = asyncio.Semaphore(_AT_ONCE)

    async def of(path: str, last: int) -> tuple[int, int]:
        async with gate:
            found = [min(last, await _last_of(path, port, tokens)) for port in ports] if path else [0]
        return min(found), max(found)

    return await asyncio.gather(*(of(path, last) for path, last in had))


async def _last_of(path: str, port: int, tokens: int) -> int:
    """The number of the last event of the stream at *path* by the replica on *port*; 0 where it is not as it was."""
    ledger, answer = Ledger(tokens), Answer()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode())
        async with asyncio.timeout(_LIMIT_SECONDS):
            while not answer.is_complete and (data := await reader.read(_READ_BYTES)):
                payload = answer.feed(data)
                if answer.status == 200:
                    ledger.feed(payload)
    finally:
        writer.close()
    return 0 if ledger.lost or ledger.doubled or ledger.garbled else ledger.last
