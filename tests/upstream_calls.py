"""Calls of `sse_proxy.upstream` for its tests: requests as they are wanted, and their settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from sse_proxy.upstream import HTTPTransport

__all__ = ["UpstreamSettings", "Wait", "all_of_it", "other_tasks", "read", "request"]


@dataclass(frozen=True)
class UpstreamSettings:
    """What `create_transport` asks of the settings."""

    upstream: str | None
    connect_timeout_seconds: float = 5.0
    upstream_ca_file: Path | None = None
    upstream_client_cert: Path | None = None
    upstream_client_key: Path | None = None


class Wait(httpx.AsyncByteStream):
    """A request body that yields *parts* and then waits for ever; `released` when nobody reads it any more."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts
        self.waiting = asyncio.Event()
        self.released = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            for part in self._parts:
                yield part
            self.waiting.set()
            await asyncio.Event().wait()
        finally:
            self.released.set()


def request(
    method: str,
    url: str,
    *,
    headers: Sequence[tuple[bytes, bytes]] = ((b"Host", b"test"),),
    body: bytes | httpx.AsyncByteStream = b"",
    **extensions: Any,
) -> httpx.Request:
    """A request with exactly *headers*; *extensions* such as ``target`` and ``timeout``."""
    stream = httpx.ByteStream(body) if isinstance(body, bytes) else body
    return httpx.Request(method, url, headers=list(headers), stream=stream, extensions=extensions)


async def read(response: httpx.Response) -> bytes:
    """All of the body that is still to come."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return b"".join([data async for data in response.stream])


async def all_of_it(transport: HTTPTransport, call: httpx.Request) -> None:
    """Send *call* and read the response to its end, as a proxy does."""
    response = await transport.handle_async_request(call)
    try:
        await read(response)
    finally:
        await response.aclose()


def other_tasks() -> set[asyncio.Task[Any]]:
    """The tasks of this event loop but for the one that asks."""
    current = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task is not current}
