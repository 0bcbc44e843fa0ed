"""What is done with a response body that is not, or may not be, the stream that was asked for.

    SniffedBody  a stream candidate whose Content-Type does not say: its first bytes decide
    LateBody     the client can take nothing but an event stream, and this is none: an error, or one event

Errors are raised as `SSEProxyError`; `Response` turns them into what the client gets.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..core.decoding import decoder_for
from ..core.dialects import GENERIC
from ..core.dialects.base import reported_error
from ..core.headers import HeaderList, first
from ..core.requests import Wish
from ..core.sniff import SNIFF_BYTES, Kind, sniff
from ..core.sse import Event, encode
from ..errors import EventTooLarge, Truncated, UpstreamProtocolError, UpstreamReported
from .bodies import Body, PlainBody, StreamBody
from .transfer import Transfer

__all__ = ["LateBody", "SniffedBody"]

#: Of an answer that is not the stream that was asked for, no more is read to find its error message.
_MAX_ERROR_BYTES = 65_536


class SniffedBody:
    """A stream candidate of unclear kind: the first bytes decide, and are then treated like the rest."""

    def __init__(self, transfer: Transfer, status: int, headers: HeaderList) -> None:
        self._transfer = transfer
        self._head = (status, headers)
        self._decoder = decoder_for(first(headers, b"content-encoding") or b"")
        self._raw: list[bytes] = []
        self._plain = b""
        self._body: Body | None = None

    async def feed(self, data: bytes) -> None:
        if self._body is not None:
            await self._body.feed(data)
            return
        self._raw.append(data)
        pieces: Iterable[bytes] = (data,) if self._decoder is None else self._decoder.feed(data)
        self._plain += b"".join(pieces)
        kind = sniff(self._plain[:SNIFF_BYTES])
        if kind is not None:
            await self._decide(kind)

    async def end(self) -> None:
        if self._body is None:
            if not self._raw and self._expects_stream:
                raise Truncated
            await self._decide(Kind.OTHER)
        if self._body is not None:
            await self._body.end()

    @property
    def _expects_stream(self) -> bool:
        return self._transfer.facts.wish is Wish.YES and self._transfer.dialect is not GENERIC

    async def _decide(self, kind: Kind) -> None:
        transfer = self._transfer
        await transfer.client.settled()
        if kind is Kind.SSE:
            transfer.repair("content_type")
            self._body = await StreamBody(transfer, *self._head).open()
        elif self._expects_stream or transfer.client.status is not None:
            self._body = LateBody(transfer, *self._head, kind=kind)
        else:
            self._body = await PlainBody(transfer, *self._head).open()
        for data in self._raw:
            await self._body.feed(data)
        self._raw.clear()


class LateBody:
    """An answer that is no event stream where the client can take nothing else."""

    def __init__(self, transfer: Transfer, status: int, headers: HeaderList, *, kind: Kind | None = None) -> None:
        self._transfer = transfer
        self._status = status
        self._kind = kind
        self._decoder = decoder_for(first(headers, b"content-encoding") or b"")
        self._collected = bytearray()
        #: One whole JSON answer may be told on as one event; of an error, the beginning is enough.
        self._becomes_event = status < 300 and transfer.dialect is GENERIC
        settings = transfer.policy.settings
        self._limit = settings.max_event_bytes if self._becomes_event else _MAX_ERROR_BYTES

    async def feed(self, data: bytes) -> None:
        transfer = self._transfer
        transfer.bytes_in += len(data)
        transfer.pacer.event(transfer.clock())
        for plain in (data,) if self._decoder is None else self._decoder.feed(data):
            self._collected += plain
            if len(self._collected) > self._limit:
                raise EventTooLarge if self._becomes_event else self._error()

    async def end(self) -> None:
        document = _parsed(self._collected)
        if not (self._becomes_event and document is not None):
            raise self._error()
        transfer = self._transfer
        transfer.count_events(1)
        transfer.repair("single_json")
        data = bytes(self._collected).replace(b"\r", b"").replace(b"\n", b"").strip()
        await transfer.client.write(encode(Event(data=data)), end=True)

    def _error(self) -> UpstreamReported | UpstreamProtocolError:
        document = _parsed(self._collected)
        if isinstance(document, dict) and document.get("error"):
            error = reported_error(document, bytes(self._collected))
            return error if self._status < 400 else UpstreamReported(str(error), status=self._status, body=error.body)
        if self._status >= 300:
            return UpstreamReported(f"the upstream answered with status {self._status}", status=self._status)
        kind = self._kind.name if self._kind in {Kind.HTML, Kind.JSON} else "something else"
        return UpstreamProtocolError(f"the upstream answered with {kind} where a stream was asked for")


def _parsed(body: bytearray) -> object | None:
    try:
        return json.loads(body)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        return None
