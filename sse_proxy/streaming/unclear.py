"""What is done with a response body that is not, or may not be, the stream that was asked for.

    SniffedBody  a stream candidate: its first bytes decide, together with its head
    LateBody     the client can take nothing but a stream, and this is none: an error

Errors are raised as `SSEProxyError`; `Response` turns them into what the client gets.
"""

from __future__ import annotations

import json

from ..core.decoding import decoder_for
from ..core.dialects import GENERIC
from ..core.dialects.base import reported_error
from ..core.framers import Framing
from ..core.headers import HeaderList, first, media_type, sse_response_headers
from ..core.negotiation import Treatment, agreed_framing, treatment
from ..core.requests import Wish
from ..core.sniff import SNIFF_BYTES, Kind, framing_of_media_type, sniff, sniff_whole
from ..errors import EventTooLarge, Truncated, UpstreamProtocolError, UpstreamReported
from .bodies import StreamBody
from .plain import Body, PlainBody
from .room import BufferFull
from .transfer import Transfer

__all__ = ["MAX_ERROR_BYTES", "LateBody", "SniffedBody", "upstream_error"]

#: Of an answer that is not the stream that was asked for, no more is read to find its error message.
MAX_ERROR_BYTES = 65_536


class SniffedBody:
    """A stream candidate: the first bytes decide what it is, and are then treated like the rest."""

    def __init__(self, transfer: Transfer, status: int, headers: HeaderList) -> None:
        self._transfer = transfer
        self._head = (status, headers)
        kind = media_type(first(headers, b"content-type"))
        self._promised = framing_of_media_type(kind)
        #: What is no known format is text, if the Content-Type says so; or nobody does, and it looks like it.
        self._textual = kind in {"", "text/plain"}
        self._sized = first(headers, b"content-length") is not None
        self._decoder = decoder_for(first(headers, b"content-encoding") or b"")
        self._raw: list[bytes] = []
        self._plain = b""
        self._body: Body | None = None

    async def open(self) -> Body:
        """Itself, or what is behind the head where that says it all."""
        transfer = self._transfer
        if self._promised is not Framing.SSE:
            # A document that an application of the user's own has ready is its own affair.
            own = self._sized and not (transfer.policy.owns_app or self._expects_stream)
            return await PlainBody(transfer, *self._head).open() if own and transfer.client.status is None else self
        if transfer.policy.reframe == "never":
            return await StreamBody(transfer, *self._head, framing=Framing.SSE, rewrite=False).open()
        status, headers = self._head
        transfer.tells_events()
        transfer.head = (status, sse_response_headers(headers))
        transfer.becomes_stream()
        if transfer.begins_at_once and transfer.client.status is None:
            await transfer.client.start(*transfer.head)
        return self

    async def feed(self, data: bytes) -> None:
        if self._body is not None:
            await self._body.feed(data)
            return
        self._raw.append(data)
        for plain in (data,) if self._decoder is None else self._decoder.feed(data):
            self._plain += plain[: SNIFF_BYTES - len(self._plain)]
            if len(self._plain) >= SNIFF_BYTES:  # enough to decide by; the rest may be more than there is memory for
                break
        found = sniff(self._plain, self._promised)
        if found is not None:
            await self._decide(found)
        else:
            self._check_room(len(data))

    async def end(self) -> None:
        if self._body is None:
            if not self._raw and self._expects_stream:
                raise Truncated
            await self._decide(sniff_whole(self._plain, self._promised))
        if self._body is not None:
            await self._body.end()

    @property
    def _expects_stream(self) -> bool:
        facts = self._transfer.facts
        return self._promised is None and facts.wish is Wish.YES and facts.dialect is not GENERIC

    @property
    def _promises_events(self) -> bool:
        """Whether the Content-Type tells the client that it gets events, and it has not asked for a document."""
        return self._promised is Framing.SSE and not self._transfer.facts.awaits_json

    def _check_room(self, size: int) -> None:
        """Hold *size* bytes more that tell nothing: a coding can take any number of them to say nothing at all.

        Raises:
            EventTooLarge: they are more than ``max_event_bytes``.
            BufferFull: they are more than there is room for.
        """
        room = self._transfer.room
        room.add(size)
        if room.bytes > self._transfer.policy.settings.max_event_bytes:
            raise EventTooLarge
        if room.must_stop:
            raise BufferFull

    async def _decide(self, found: Framing | Kind) -> None:
        transfer = self._transfer
        await transfer.client.settled()
        framing = agreed_framing(self._promised, found, textual=self._textual)
        chosen = treatment(
            transfer.facts,
            framing,
            reframe=transfer.policy.reframe,
            begun=transfer.client.status is not None or self._promises_events,
            sized=self._sized,
        )
        self._body = await self._treated(chosen, framing, found)
        transfer.room.set(0)  # from here on that body tells what is held
        for data in self._raw:
            await self._body.feed(data)
        self._raw.clear()

    async def _treated(self, chosen: Treatment, framing: Framing | None, found: Framing | Kind) -> Body:
        transfer = self._transfer
        if framing is not None and chosen in {Treatment.REWRITE, Treatment.WATCH}:
            rewrite = chosen is Treatment.REWRITE
            if framing is Framing.SSE and self._promised is not Framing.SSE:
                transfer.repair("content_type")
            elif rewrite and framing is not Framing.SSE and self._promised is Framing.SSE:
                transfer.repair("missing_fields")
            return await StreamBody(transfer, *self._head, framing=framing, rewrite=rewrite).open()
        if chosen is Treatment.REFUSE:
            return LateBody(transfer, *self._head, found=found)
        streams = transfer.facts.candidate and framing is not None and not self._sized
        return await PlainBody(transfer, *self._head, streams=streams).open()


class LateBody:
    """An answer that is no stream where the client can take nothing else."""

    def __init__(
        self, transfer: Transfer, status: int, headers: HeaderList, *, found: Framing | Kind | None = None
    ) -> None:
        self._transfer = transfer
        self._status = status
        self._found = found
        self._decoder = decoder_for(first(headers, b"content-encoding") or b"")
        self._collected = bytearray()

    async def feed(self, data: bytes) -> None:
        transfer = self._transfer
        transfer.bytes_in += len(data)
        transfer.pacer.event(transfer.clock())
        for plain in (data,) if self._decoder is None else self._decoder.feed(data):
            self._collected += plain
            transfer.room.set(len(self._collected))
            if len(self._collected) > MAX_ERROR_BYTES:
                raise self._error()

    async def end(self) -> None:
        raise self._error()

    def _error(self) -> UpstreamReported | UpstreamProtocolError:
        if (reported := upstream_error(self._status, bytes(self._collected))) is not None:
            return reported
        kind = self._found.name if self._found in {Kind.HTML, Framing.JSON} else "something else"
        return UpstreamProtocolError(f"the upstream answered with {kind} where a stream was asked for")


def upstream_error(status: int, body: bytes) -> UpstreamReported | None:
    """What an answer with *status* and (the beginning of) *body* tells of an error; None where it tells of none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and document.get("error"):
        error = reported_error(document, body)
        return error if status < 400 else UpstreamReported(str(error), status=status, body=error.body)
    if status >= 300:
        return UpstreamReported(f"the upstream answered with status {status}", status=status)
    return None
