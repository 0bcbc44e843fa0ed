"""What the hook of the LLM container waits for besides streams: real processes, and an upstream that answers late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from .conftest import LIMIT_SECONDS
from .process import serving

_DOCUMENT = b'{"object": "chat.completion", "choices": []}'
_QUESTION = b'{"model": "m", "messages": []}'


@dataclass
class LateUpstream:
    """Answers each POST with `_DOCUMENT`, once *release* is set; a readiness probe connects and says nothing."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        if await reader.read(1):
            await reader.readuntil(_QUESTION)
            self.asked.set()
            await self.release.wait()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(_DOCUMENT)}\r\n\r\n"
            writer.write(head.encode() + _DOCUMENT)
        writer.close()


@asynccontextmanager
async def late_upstream() -> AsyncIterator[tuple[int, LateUpstream]]:
    """A `LateUpstream` on a free port."""
    upstream = LateUpstream()
    server = await asyncio.start_server(upstream.accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], upstream
    finally:
        upstream.release.set()
        server.close()


async def _ask(port: int) -> bytes:
    """The whole answer to a chat completion that is no stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: pod\r\nConnection: close\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(_QUESTION)}\r\n\r\n".encode() + _QUESTION)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_the_hook_waits_for_documents_too() -> None:
    """An answer that is no stream takes as long to generate, and its LLM server is needed until it is there."""
    async with (
        late_upstream() as (port, upstream),
        serving(port, "--drain-delay-seconds", "0") as proxy,
        asyncio.timeout(LIMIT_SECONDS),
    ):
        answer = asyncio.create_task(_ask(proxy.port))
        await upstream.asked.wait()
        hook = asyncio.create_task(proxy.admin("/-/drain?wait=600"))
        while (await proxy.admin("/readyz"))[0] == 200:
            await asyncio.sleep(0.01)
        assert (await _ask(proxy.port)).startswith(b"HTTP/1.1 503 ")
        assert not hook.done()
        upstream.release.set()
        assert (await answer).endswith(_DOCUMENT)
        assert (await hook)[1] == b'{"draining":true,"streams":0}'
