"""An upstream as a process of its own: the beginning of an answer, and two seconds later the rest.

``python -m tests.faults.upstream_process`` prints its port.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

from .messages import Kind, pieces

__all__: list[str] = []

_PAUSE_SECONDS = 2.0


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        said = pieces(Kind.STREAM if b'"stream": true' in body[:200] else Kind.JSON)
        writer.write(said.until("first"))
        await asyncio.sleep(_PAUSE_SECONDS)
        writer.write(said.whole[len(said.until("first")) :])
        await writer.drain()
    writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, limit=1 << 24)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
