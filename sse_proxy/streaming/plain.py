"""What every treatment of a response body does, and the least of them: every byte as it came.

Errors are raised as `SSEProxyError`; `Response` turns them into what the client gets.
"""

from __future__ import annotations

from typing import Protocol

from ..core.headers import HeaderList, stream_response_headers
from ..core.sniff import is_record_stream
from .transfer import Transfer

__all__ = ["Body", "PlainBody"]


class Body(Protocol):
    """One way to treat a body."""

    async def feed(self, data: bytes) -> None:
        """Take some bytes of the body, never empty."""

    async def end(self) -> None:
        """The body ended as its framing promised."""


class PlainBody:
    """An ordinary response; *streams*: one that comes bit by bit, though its head may not say so."""

    def __init__(self, transfer: Transfer, status: int, headers: HeaderList, *, streams: bool = False) -> None:
        self._transfer = transfer
        if streams or is_record_stream(headers):
            headers = stream_response_headers(headers, decoded=False)
        self._head = (status, headers)

    async def open(self) -> PlainBody:
        """Pass the head on."""
        self._transfer.becomes_plain()
        await self._transfer.client.start(*self._head)
        return self

    async def feed(self, data: bytes) -> None:
        transfer = self._transfer
        transfer.bytes_in += len(data)
        transfer.pacer.event(transfer.clock())
        await transfer.client.write(data)

    async def end(self) -> None:
        await self._transfer.client.write(b"", end=True)
