"""The body of a response: the stream that its consumer reads.

This is the hot path, one event a wake-up: `Connection.data_received` → a decoder's `feed`, which appends to a list →
`ResponseBody.wake` → the sink of an `Outlet`. Where that is closed, `ResponseBody.__anext__` takes all that the list
holds: one future a wake-up; no task, no queue, no lock. A body that comes in one piece is handed on as the very object
that came in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import httpx

from ..core.ledger import Account, Ledger

__all__ = ["MAX_BUFFERED_BYTES", "Outlet", "ResponseBody", "Source"]

#: Reading from the upstream stops while more than this is unread, and goes on once it is taken. One read of the event
#: loop may exceed it once: up to 256 KiB. While all buffers together are full it stops as soon as anything is unread.
MAX_BUFFERED_BYTES = 262144


class Source(Protocol):
    """Where a body comes from: a connection."""

    def pause(self) -> None:
        """Stop reading, until `resume`."""

    def resume(self) -> None: ...

    def abort(self) -> None:
        """Close the connection now; calls `ResponseBody.fail`."""

    async def aclose(self) -> None:
        """As `abort`; returns when the request's body is no longer read either."""


class Outlet(Protocol):
    """Takes bytes at once, outside of any task."""

    @property
    def sink(self) -> Callable[[bytes], None] | None:
        """What to call with them, non-empty; it does not block, and what it raises the reader gets. None: not now."""


class ResponseBody(httpx.AsyncByteStream):
    """The content of a response: an async iterator of non-empty bytes, each all that came since the last.

    For one reader, who has to `aclose` it. A cancelled read closes the connection, as `aclose` and an error of a sink's
    do; nothing else does.

    Iteration raises:
        httpx.RemoteProtocolError: the framing is broken or, as `IncompleteMessage`, the body ended before its end.
        httpx.ReadError: the connection was reset.
        httpx.StreamClosed: `aclose` came first.
        Any error of the request's own stream, when that was still being sent; of the sink.
    """

    #: False: only the end of the connection ended this body, so that it may have been cut unnoticed.
    framed: bool

    __slots__ = (
        "_buffered", "_error", "_loop", "_outlet", "_paused", "_pieces", "_room", "_source", "_waiter", "framed"
    )  # fmt: skip

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop, ledger: Ledger | None = None) -> None:
        self.framed = True
        #: Unread, and what the reader took last: it is in its hands until it asks for more.
        self._room = Account(ledger)
        self._source: Source | None = source  # None: nothing more will come
        self._loop = loop
        self._pieces: list[bytes] = []
        self._buffered = 0  # bytes off the wire since the last read: content and its framing
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._outlet: Outlet | None = None

    @property
    def pieces(self) -> list[bytes]:
        """Where a decoder puts content; always the same list."""
        return self._pieces

    def wake(self, size: int) -> None:
        """The decoder has been fed *size* bytes."""
        # Framing alone (half a chunk header, an endless trailer) wakes nobody, so nobody would ever resume either.
        pieces = self._pieces
        if not pieces:
            return
        outlet = self._outlet
        if outlet is not None and (sink := outlet.sink) is not None and self._waiter is not None:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            try:
                sink(data)
            except Exception as error:  # noqa: BLE001  the reader's
                self._give_up(error)
            return
        buffered = self._buffered = self._buffered + size
        self._room.add(size)
        self._rouse()
        full = buffered > MAX_BUFFERED_BYTES or self._room.ledger_is_full
        if full and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause()

    def offer_to(self, outlet: Outlet) -> None:
        """Give what comes while the reader waits to *outlet* when it is open, in place of the reader."""
        self._outlet = outlet

    def _give_up(self, error: Exception) -> None:
        source = self._source
        self.fail(error)
        if source is not None:
            source.abort()

    def _rouse(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def finish(self) -> None:
        """The body is complete: the stream ends behind what is buffered."""
        self._source = None
        self._rouse()

    def fail(self, error: Exception) -> None:
        """The stream raises *error* behind what is buffered."""
        if self._source is not None:
            self._error = error
            self.finish()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        pieces = self._pieces
        self._room.set(self._buffered)
        while not pieces:
            if self._source is None:
                raise self._error or StopAsyncIteration
            waiter = self._waiter = self._loop.create_future()
            try:
                await waiter
            except BaseException:
                self._waiter = None
                # Not where the body came to its end in this very moment: its connection serves somebody else by now.
                if (source := self._source) is not None:
                    source.abort()
                raise
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            if self._source is not None:
                self._source.resume()
        return data

    async def aclose(self) -> None:
        """Close the connection at once unless the body is complete; what is buffered is dropped. Idempotent."""
        source = self._source
        self._room.close()
        if source is not None or self._pieces:
            self._error = httpx.StreamClosed()
            self._pieces.clear()
            self._buffered = 0
            self.finish()
        if source is not None:
            await source.aclose()
