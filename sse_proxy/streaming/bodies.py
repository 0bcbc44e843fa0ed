"""What is done with the body of a stream of records: decoded, made canonical or watched in its own framing, verified.

`plain` has ordinary responses, `unclear` those whose kind is not clear; `choice` chooses. Errors are raised as
`SSEProxyError`; `Response` turns them into what the client gets.
"""

from __future__ import annotations

import asyncio

from ..core.decoding import Decoder, decoder_for
from ..core.dialects import StreamState
from ..core.framers import Framing
from ..core.headers import HeaderList, first, sse_response_headers, stream_response_headers
from ..core.pipeline import Pipeline
from ..errors import EventTooLarge, Truncated, UpstreamProtocolError
from .room import BufferFull
from .transfer import Transfer

__all__ = ["StreamBody"]

#: What a decoder gives out at a time where there is more: to work through so much may take 20 ms.
_LONG_BYTES = 16_384


class StreamBody:
    """A stream of records on its way through the pipeline.

    The head is held until the first event where that may still turn into an HTTP status (DESIGN fact 5).

    Args:
        transfer: The response that it is part of.
        status: The upstream's.
        headers: The upstream's.
        framing: Of the body.
        rewrite: Whether the client gets canonical records, of SSE as a rule; else every byte as it came.
    """

    __slots__ = (
        "_counted", "_decoder", "_framing", "_head", "_held", "_held_bytes", "_holds", "_may_be_alone", "_numbering",
        "_pipeline", "_silent_bytes", "_transfer",
    )  # fmt: skip

    def __init__(
        self, transfer: Transfer, status: int, headers: HeaderList, *, framing: Framing, rewrite: bool
    ) -> None:
        self._transfer = transfer
        to_sse = framing is Framing.SSE or (rewrite and transfer.voice.is_sse)
        if to_sse:
            transfer.tells_events()
        self._head = transfer.head = (
            status,
            sse_response_headers(headers) if to_sse else stream_response_headers(headers),
        )
        self._decoder: Decoder | None = decoder_for(first(headers, b"content-encoding") or b"")
        facts = transfer.facts
        #: What came before the first event, where that event may still turn into a status though nothing is rewritten.
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._holds = not rewrite and not to_sse
        #: A document that stays alone may be none of the API's events: the first is held until there is more to see.
        self._may_be_alone = rewrite and framing is Framing.JSON and not transfer.dialect.completes_at_end
        self._framing = framing
        if not (rewrite and to_sse):
            transfer.numbering = None
        self._numbering = transfer.numbering
        #: Payload events that are known to be some.
        self._counted = 0
        #: What was unpacked since then: 400 bytes hold 256 MiB of line ends, which are no event of any size.
        self._silent_bytes = 0
        self._pipeline = transfer.pipeline = Pipeline(
            transfer.dialect,
            state=StreamState(
                choices=facts.choices,
                wants_named_errors=facts.variant.wants_named_errors,
                wants_ids_apart=facts.ids_apart,
            ),
            max_event_bytes=transfer.policy.settings.max_event_bytes,
            rewrite=rewrite,
            framing=framing,
            voice=transfer.voice,
            shape=transfer.shape if rewrite else None,
            numbering=self._numbering,
            recognises=transfer.policy.owns_app,
        )

    async def open(self) -> StreamBody:
        """Pass the head on at once where no event can change it."""
        self._transfer.becomes_stream()
        if self._transfer.begins_at_once:
            await self._start()
        return self

    async def feed(self, data: bytes) -> None:
        transfer = self._transfer
        transfer.bytes_in += len(data)
        if self._decoder is None:
            await self._pass(data)
            return
        for plain in self._decoder.feed(data):
            transfer.room.add(len(plain))
            before = self._counted
            await self._pass(plain)
            self._silent_bytes = self._silent_bytes + len(plain) if before == self._counted else 0
            if self._silent_bytes > transfer.policy.settings.max_event_bytes:
                raise EventTooLarge
            if len(plain) >= _LONG_BYTES:  # others have their turn before the next portion: there may be thousands
                await asyncio.sleep(0)

    async def end(self) -> None:
        transfer, pipeline = self._transfer, self._pipeline
        tail = pipeline.flush()
        self._count()
        if pipeline.events == 1 and self._framing is Framing.JSON and pipeline.dialect.completes_at_end:
            transfer.repair("single_json")
        try:
            tail += pipeline.conclude()
        except Truncated:
            if self._is_alone:
                raise UpstreamProtocolError("the upstream answered with JSON where a stream was asked for") from None
            if tail or self._held:
                await self._write(tail)
            raise
        await self._start()
        await self._release()
        await transfer.client.write(tail, end=True)

    async def _pass(self, data: bytes) -> None:
        pipeline = self._pipeline
        try:
            out = pipeline.feed(data)
        except (EventTooLarge, UpstreamProtocolError):
            if pipeline.events:
                # The events before it are told first, however the network has cut them.
                await self._start()
                await self._release()
            raise
        if pipeline.events != self._counted:
            self._count()
        if out:
            await self._write(out)
        elif pipeline.events and self._transfer.client.status is None and not self._is_alone:
            # Of the first event a shape may have nothing to tell: from here on its client is kept alive all the same.
            await self._start()
        self._settle()

    def _settle(self) -> None:
        """Account for what is held.

        Raises:
            BufferFull: it is more than there is room for.
        """
        room, held = self._transfer.room, self._pipeline.held_bytes + self._held_bytes
        if held != room.bytes:
            room.set(held)
            if room.must_stop:
                raise BufferFull

    @property
    def _is_alone(self) -> bool:
        return self._may_be_alone and self._pipeline.events == 1 and not self._pipeline.over

    async def _write(self, out: bytes) -> None:
        client = self._transfer.client
        if self._is_alone:
            self._hold(out)
            return
        if client.status is None:
            if self._holds and not self._pipeline.events:
                self._hold(out)
                return
            await self._start()
        if self._held:
            await self._release()
        await client.write(out)
        if self._pipeline.events and self._decoder is None:  # a little compressed data may be very much data
            client.flow(self._flow)

    def _flow(self, data: bytes) -> None:
        """`feed` without a wait, once nothing is held any more."""
        transfer, pipeline = self._transfer, self._pipeline
        transfer.bytes_in += len(data)
        if events := pipeline.passes(data):
            self._counted += events
            transfer.client.write_now(data if self._numbering is None else self._numbering.apply(data))
            transfer.pass_events(events)
            return
        out = pipeline.feed(data)
        if pipeline.events != self._counted:
            self._count()
        if out:
            transfer.client.write_now(out)
            transfer.pacer.wrote(transfer.clock())
        self._settle()

    def _hold(self, out: bytes) -> None:
        self._held.append(out)
        self._held_bytes += len(out)

    async def _release(self) -> None:
        held, self._held, self._held_bytes = self._held, [], 0
        for data in held:
            await self._transfer.client.write(data)

    async def _start(self) -> None:
        client, error = self._transfer.client, self._pipeline.state.error
        await client.settled()
        if client.status is None:
            if self._pipeline.began_with_error and error is not None:
                raise error
            await client.start(*self._head)

    def _count(self) -> None:
        pipeline = self._pipeline
        if pipeline.dialect is not self._transfer.facts.dialect:
            self._transfer.recognised()
        if self._numbering is not None and self._numbering.gave_way:
            self._numbering = self._transfer.numbering = None
        if pipeline.events != self._counted and not self._is_alone:
            self._transfer.count_events(pipeline.events - self._counted)
            self._counted = pipeline.events
        if pipeline.over:
            self._transfer.nothing_more_expected()
