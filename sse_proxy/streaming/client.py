"""The sending half towards the client: one writer at a time, every send timed for the pacer.

Two parties write: the application's task, and now and then a heartbeat. A heartbeat starts only while no send is in
flight, and a write waits for a heartbeat that is: so no lock is needed, and no event is ever split.

The ``send`` of our own server has a ``wire``, which takes bytes outside of any task. That is how nearly every event
goes out: `Client.sink` is what they are given to. There is none while somebody would have to wait, for a client that
does not keep up or a heartbeat; the next write of the task's that came through brings it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Protocol

from starlette.types import Scope, Send

from ..core.headers import HeaderList
from ..core.pacing import Pacer
from ..errors import ClientDisconnected, ClientStalled, SSEProxyError

__all__ = ["Client"]


class Wire(Protocol):
    """What our own server takes bytes by."""

    @property
    def timed_out(self) -> bool:
        """The client is gone, as it took nothing for too long."""

    @property
    def fault(self) -> Callable[[], SSEProxyError] | None:
        """Makes the error of a request that the server has given up; None: it has not."""

    def write(self, data: bytes) -> bool:
        """Send *data*; False: the client takes no more for now."""


class _Nowhere:
    """A `Wire` to nobody."""

    timed_out = False
    fault = None

    def write(self, data: bytes) -> bool:  # noqa: ARG002  the protocol's
        return True


class Client:
    """The client of one response.

    Attributes:
        status: Of the response; None before it has begun.
        finished: Its last byte was handed over, or the connection was given up.
        detached: There is no client any more, and what is written is discarded.
        bytes_out: Body bytes handed over, or discarded.
        interrupted: A send was cancelled, so what it had to send may never have been sent.
        sink: Takes the bytes of the body in which nobody waits, and sends what is to be sent by `write_now`; or None.
        trailers: The start says that trailer fields follow the body.
    """

    __slots__ = (
        "_abort", "_beat", "_bytes_taken", "_clock", "_close", "_pacer", "_send", "_wire", "bytes_out", "detached",
        "finished", "interrupted", "sink", "status", "trailers",
    )  # fmt: skip

    def __init__(self, scope: Scope, send: Send, pacer: Pacer, clock: Callable[[], float]) -> None:
        self._send = send
        self._pacer = pacer
        self._clock = clock
        # Lent by our own server only; elsewhere an application that returns before its last message breaks the end.
        extensions = scope.get("extensions") or {}
        self._abort: Callable[[], None] | None = extensions.get("sse_proxy.abort")
        self._close: Callable[[], None] | None = extensions.get("sse_proxy.close")
        self._wire: Wire | None = getattr(send, "wire", None)
        self._beat: asyncio.Task[None] | None = None
        self.status: int | None = None
        self.sink: Callable[[bytes], None] | None = None
        self.finished = False
        self.detached = False
        self.bytes_out = 0
        self._bytes_taken = 0
        self.interrupted = False
        self.trailers = False

    @property
    def bytes_taken(self) -> int:
        """Body bytes that were for a client."""
        return self._bytes_taken if self.detached else self.bytes_out

    @property
    def has_stalled(self) -> bool:
        """Whether the kernel has noticed, before us, that the client takes nothing."""
        return self._wire is not None and self._wire.timed_out

    def departure(self) -> SSEProxyError:
        """Why the server says that the client is gone."""
        if self.has_stalled:
            return ClientStalled()
        fault = None if self._wire is None else self._wire.fault
        return ClientDisconnected() if fault is None else fault()

    @property
    def can_be_dropped(self) -> bool:
        """Whether a send that the client does not take can be ended; elsewhere than on our own server none can."""
        return self._abort is not None

    async def start(self, status: int, headers: HeaderList) -> None:
        """Begin the response."""
        self.status = status
        self._pacer.sending_since = self._clock()
        trailers = {"trailers": True} if self.trailers else {}
        try:
            await self._send({"type": "http.response.start", "status": status, "headers": headers, **trailers})
        except BaseException:
            self.interrupted = True
            raise
        self._pacer.sending_since = None
        self._pacer.committed(self._clock())

    async def write(self, data: bytes, *, end: bool = False) -> None:
        """Send body bytes; returns when the server takes more."""
        if self._beat is not None:
            await self.settled()
        pacer = self._pacer
        pacer.sending_since = self._clock()
        self.bytes_out += len(data)
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": not end})
        except BaseException:
            self.interrupted = True
            raise
        pacer.wrote(self._clock())
        if end:
            self.finished = True

    def flow(self, sink: Callable[[bytes], None]) -> None:
        """From now on, after a `write`, *sink* may take what comes; where the server can be written to so."""
        if self._wire is not None:
            self.sink = sink

    def write_now(self, data: bytes) -> None:
        """Send body bytes, not empty, from within the `sink`, which tells the pacer."""
        assert self._wire is not None  # noqa: S101  else there is no sink
        self.bytes_out += len(data)
        if not self._wire.write(data):
            self.sink = None

    def background(self, sending: Coroutine[None, None, None], *, then: Callable[[], None]) -> None:
        """Run *sending* beside the application's task, and *then* when it is done; the next `write` waits for it."""
        self.sink = None
        self._pacer.sending_since = self._clock()
        self._beat = asyncio.get_running_loop().create_task(sending)
        self._beat.add_done_callback(lambda task: self._beaten(task, then))

    async def settled(self) -> None:
        """Wait for a heartbeat that is in flight; its failure is not the one's who waits, nor is his its end."""
        if self._beat is not None:
            try:
                await asyncio.wait({self._beat})
            except BaseException:
                self.interrupted = True  # whoever waits has something to send
                raise

    def drop(self) -> None:
        """Give the connection up, and what was not sent with it: the client does not read, or is not there.

        The socket is closed at once; an orderly close would wait for the client, for ever if need be.
        """
        self._give_up(self._abort)

    def detach(self) -> None:
        """Give the connection up as `drop` does, but go on without it: nothing that is written from now on waits.

        Whoever calls this sees to it that ``send`` takes messages and does nothing.
        """
        self.detached = True
        self._bytes_taken = self.bytes_out
        if self._wire is not None:
            self._wire = _Nowhere()
        if self._abort is not None:
            self._abort()
        self._abort = self._close = None

    def break_off(self) -> None:
        """End the connection, behind what was sent, without ending the response: nobody takes it for whole."""
        self._give_up(self._close)

    async def write_beat(self, heartbeat: bytes, *, data: bool) -> None:
        """Send a heartbeat, from within a `background` sending; *data* tells a no-op event from a comment."""
        self.bytes_out += len(heartbeat)
        await self._send({"type": "http.response.body", "body": heartbeat, "more_body": True})
        self._pacer.beat(self._clock(), data=data)

    def _give_up(self, end: Callable[[], None] | None) -> None:
        self.finished = True
        self.sink = None
        if self._beat is not None:
            self._beat.cancel()
        if end is not None:
            end()

    def _beaten(self, task: asyncio.Task[None], then: Callable[[], None]) -> None:
        self._beat = None
        if not self.finished:
            then()
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, OSError):
            asyncio.get_running_loop().call_exception_handler({"message": "a heartbeat failed", "exception": error})
