"""A fake LLM server with so many slots, in front of which requests queue, as they do in front of a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

__all__ = ["Manner", "serving"]

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
_EVENT = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
_LAST = (
    b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


class Manner:
    """How it answers: *tokens*, *pause_seconds* apart, of *token_bytes* each; *slots* at a time, the others wait."""

    def __init__(self, *, slots: int, tokens: int, pause_seconds: float, token_bytes: int = 5) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.tokens = tokens
        self.pause_seconds = pause_seconds
        self.event = _EVENT % (b"x" * token_bytes)


async def _answer(manner: Manner, writer: asyncio.StreamWriter) -> None:
    async with manner.slots:
        writer.write(_HEAD)
        for _ in range(manner.tokens):
            writer.write(manner.event)
            await writer.drain()
            await asyncio.sleep(manner.pause_seconds)
        writer.write(_LAST)
        await writer.drain()


async def _handle(manner: Manner, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request a connection; whoever leaves gives the slot, or the place in the queue, back at once."""
    leaves: asyncio.Task[bytes] | None = None
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.partition(b":")[2]))
        answers = asyncio.ensure_future(_answer(manner, writer))
        leaves = asyncio.ensure_future(reader.read(1))
        await asyncio.wait({answers, leaves}, return_when=asyncio.FIRST_COMPLETED)
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        if leaves is not None:
            leaves.cancel()
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def serving(manner: Manner) -> AsyncIterator[int]:
    """Its port."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(_handle(manner, reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=4096)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
