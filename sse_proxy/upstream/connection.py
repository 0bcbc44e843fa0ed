"""One connection to an upstream: an `asyncio.Protocol` that carries one exchange after the other.

The request goes out and the response comes in at the same time. A response of 300 or above during the upload ends the
upload, for nobody wants the rest; a 2xx does not (an upstream may answer while it still reads). Either way the
connection is not used again unless the upload was complete first.

Whatever goes wrong, cancellation included, closes the connection at once (`abort`), so that nothing is left to leak and
the upstream sees it even when there is unread data.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httpx

from ..core.ledger import Ledger
from .body import ResponseBody
from .decoders import Decoder, decoder_for
from .descriptors import enable_keep_alive, has_input, is_vouched_for, reset_if_unsent, unread
from .errors import IncompleteMessage
from .head import HeadReader, ResponseHead
from .request import OutgoingRequest
from .writer import RequestWriter

__all__ = ["Connection", "Origin", "Owner"]

Origin = tuple[str, str, int]  # scheme, host, port

_Response = tuple[ResponseHead, ResponseBody]


class Owner(Protocol):
    """Who keeps idle connections."""

    def put(self, connection: Connection) -> None:
        """*connection* has nothing to do; called when a response was complete."""

    def discard(self, connection: Connection) -> None:
        """*connection* is closed; it may never have been idle."""


class Connection(asyncio.Protocol):
    """States: idle; waiting for a head (`_waiting`); reading a body (`_body`); closed, as before `connection_made`."""

    __slots__ = (
        "_body", "_decoder", "_ledger", "_loop", "_method", "_owner", "_persistent", "_reader", "_transport",
        "_waiting", "_writer", "closed", "origin",
    )  # fmt: skip

    def __init__(self, origin: Origin, owner: Owner, ledger: Ledger | None = None) -> None:
        self.origin = origin
        self._ledger = ledger
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        #: Closed, or not open yet.
        self.closed = True
        self._method = ""
        self._waiting: asyncio.Future[_Response] | None = None
        self._reader = HeadReader()
        self._body: ResponseBody | None = None
        self._decoder: Decoder | None = None
        self._persistent = False

    # What the pool and the transport ask for.

    def usable(self) -> bool:
        """Whether an idle connection may be used: still open, and nothing came that nobody asked for.

        Looks at the socket itself, for the event loop may not have got round to telling us of a FIN.
        """
        return not self.closed and not self._transport.is_closing() and not has_input(self._transport)

    async def exchange(self, request: OutgoingRequest) -> _Response:
        """Send *request* on this connection, idle and not `closed`; returns when the head of the response is there.

        Raises:
            httpx.RemoteProtocolError: no HTTP/1 response came or, as `IncompleteMessage`, none at all.
            httpx.ReadError: the connection was reset.
            httpx.LocalProtocolError: the request's body is not as long as announced.
            Any error of the request's stream.
        """
        self._method = request.method
        self._reader = HeadReader()
        self._waiting = waiting = self._loop.create_future()
        upload = None
        try:
            upload = self._writer.start(request, self._fail)
            head, body = await waiting
            if head.status >= 300 and upload is not None:
                await asyncio.wait({upload})  # `_begin_body` has cancelled it unless it was done
        except BaseException:
            await self._leave(waiting, upload)
            raise
        return head, body

    async def _leave(self, waiting: asyncio.Future[_Response], upload: asyncio.Task[None] | None) -> None:
        """Give up an exchange, unless it is over and the connection serves another one already."""
        waiting.cancel()
        if waiting.cancelled() or waiting.exception() is not None:
            self.abort()
        else:
            await waiting.result()[1].aclose()
        if upload is not None:
            await asyncio.wait({upload})

    def abort(self) -> None:
        """Close now, unread and unsent data notwithstanding. Idempotent."""
        self._fail(httpx.StreamClosed())

    async def aclose(self) -> None:
        """As `abort`; returns when the request's body is no longer read either."""
        self.abort()
        await self._writer.aclose()

    def pause(self) -> None:
        """Stop reading, so that the upstream feels it."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Undo `pause`."""
        self._transport.resume_reading()

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.closed = False
        self._transport = cast("asyncio.Transport", transport)
        enable_keep_alive(self._transport)  # TCP_NODELAY is the event loops' own default
        self._writer = RequestWriter(self._transport)

    def data_received(self, data: bytes) -> None:
        body, decoder = self._body, self._decoder
        if body is None or decoder is None:  # both, or none
            self._receive_head(data)
            return
        try:
            complete = decoder.feed(data)
        except httpx.RemoteProtocolError as exc:
            self._fail(exc)
            return
        body.wake(len(data))
        if complete:
            self._complete(body)

    def eof_received(self) -> None:
        self._ended()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self._waiting is not None:
            for data in unread(self._transport):
                self.data_received(data)
        if exc is None:
            self._ended()  # uvloop's TLS tells of an end in the middle in no other way
        else:
            self._lost(exc)

    def pause_writing(self) -> None:
        self._writer.pause()

    def resume_writing(self) -> None:
        self._writer.resume()

    # The response.

    def _receive_head(self, data: bytes) -> None:
        waiting = self._waiting
        # Idle: whatever this is, it answers nothing. Or cancelled just now: kept, it might serve another request by the
        # time that `_leave` closes it.
        if waiting is None or waiting.done():
            self.abort()
            return
        try:
            found = self._reader.feed(data)
        except httpx.RemoteProtocolError as exc:
            self._fail(exc)
            return
        if found is not None:
            self._waiting = None
            waiting.set_result((found[0], self._begin_body(*found)))

    def _begin_body(self, head: ResponseHead, rest: bytes) -> ResponseBody:
        self._persistent = head.persistent
        if head.status >= 300 and not self._writer.complete:
            self._persistent = False
            self._writer.cancel()
        body = self._body = ResponseBody(self, self._loop, self._ledger)
        decoder = self._decoder = decoder_for(head, body.pieces) if head.has_body(self._method) else None
        if decoder is None:
            self._persistent = self._persistent and not rest
            self._complete(body)
        else:
            body.framed = not decoder.until_close
            if rest:
                self.data_received(rest)
        return body

    def _complete(self, body: ResponseBody) -> None:
        """The response is complete: back to the pool, or close."""
        surplus = self._decoder is not None and self._decoder.surplus
        self._body = self._decoder = None
        body.finish()
        if self._persistent and not surplus and self._writer.complete and not self._transport.is_closing():
            self._transport.resume_reading()  # so that its end is noticed while it is idle
            self._owner.put(self)
        else:
            self.abort()

    def _ended(self) -> None:
        self._lost(None if self.closed or is_vouched_for(self._transport) else ConnectionResetError())

    def _lost(self, exc: Exception | None) -> None:
        if self._body is not None and not self._body.framed and exc is None:
            self._complete(self._body)
            return
        error: Exception = IncompleteMessage("the connection was closed before the response was complete")
        if exc is not None:
            error = httpx.ReadError("the connection was reset")
            error.__cause__ = exc
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Close at once, and end what is under way with *error*."""
        if self.closed:
            return
        self.closed = True
        self._owner.discard(self)
        reset_if_unsent(self._transport)
        self._transport.abort()
        self._writer.cancel()
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        body = self._body
        self._body = self._decoder = None
        if body is not None:
            body.fail(error)
