"""What is done with a response body whose kind is clear (`unclear` has the others; `choice` chooses).

    PlainBody    an ordinary response: every byte as it came
    StreamBody   an event stream: decoded, made canonical, verified at its end

Errors are raised as `SSEProxyError`; `Response` turns them into what the client gets.
"""

from __future__ import annotations

from typing import Protocol

from ..core.decoding import Decoder, decoder_for
from ..core.dialects import StreamState
from ..core.headers import (
    HeaderList,
    first,
    is_record_stream,
    sse_response_headers,
    stream_response_headers,
)
from ..core.pipeline import Pipeline
from ..errors import EventTooLarge, Truncated
from .transfer import Transfer

__all__ = ["Body", "PlainBody", "StreamBody"]


class Body(Protocol):
    """One way to treat a body."""

    async def feed(self, data: bytes) -> None:
        """Take some bytes of the body, never empty."""

    async def end(self) -> None:
        """The body ended as its framing promised."""


class PlainBody:
    """An ordinary response."""

    def __init__(self, transfer: Transfer, status: int, headers: HeaderList) -> None:
        self._transfer = transfer
        if is_record_stream(headers):
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


class StreamBody:
    """An event stream on its way through the pipeline.

    The head is held until the first event where that may still turn into an HTTP status (DESIGN fact 5).
    """

    def __init__(self, transfer: Transfer, status: int, headers: HeaderList) -> None:
        self._transfer = transfer
        self._head = transfer.head = (status, sse_response_headers(headers))
        self._decoder: Decoder | None = decoder_for(first(headers, b"content-encoding") or b"")
        facts, settings = transfer.facts, transfer.policy.settings
        state = StreamState(choices=facts.choices, wants_named_errors=facts.wants_named_errors)
        self._pipeline = transfer.pipeline = Pipeline(
            transfer.dialect,
            state=state,
            max_event_bytes=settings.max_event_bytes,
            rewrite=settings.reframe != "never",
        )

    async def open(self) -> StreamBody:
        """Pass the head on at once where no event can change it."""
        self._transfer.becomes_stream()
        if not self._transfer.dialect.json:
            await self._start()
        return self

    async def feed(self, data: bytes) -> None:
        transfer = self._transfer
        transfer.bytes_in += len(data)
        if self._decoder is None:
            await self._pass(data)
            return
        for plain in self._decoder.feed(data):
            await self._pass(plain)

    async def end(self) -> None:
        transfer, pipeline = self._transfer, self._pipeline
        before = pipeline.events
        tail = pipeline.flush()
        self._count(pipeline.events - before)
        try:
            tail += pipeline.conclude()
        except Truncated:
            if tail:
                await self._write(tail)
            raise
        await self._start()
        await transfer.client.write(tail, end=True)

    async def _pass(self, data: bytes) -> None:
        pipeline = self._pipeline
        before = pipeline.events
        try:
            out = pipeline.feed(data)
        except EventTooLarge:
            if pipeline.events:
                # The events before it are told first, however the network has cut them.
                await self._start()
            raise
        if pipeline.events != before:
            self._count(pipeline.events - before)
        if out:
            await self._write(out)

    async def _write(self, out: bytes) -> None:
        if self._transfer.client.status is None:
            await self._start()
        await self._transfer.client.write(out)

    async def _start(self) -> None:
        client, error = self._transfer.client, self._pipeline.state.error
        await client.settled()
        if client.status is None:
            if self._pipeline.began_with_error and error is not None:
                raise error
            await client.start(*self._head)

    def _count(self, events: int) -> None:
        if events:
            self._transfer.count_events(events)
        if self._pipeline.over:
            self._transfer.nothing_more_expected()
