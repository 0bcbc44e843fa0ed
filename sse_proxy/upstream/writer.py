"""A request on its way out of a connection: what is in memory at once, the rest as the upstream takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .request import OutgoingRequest, Upload

__all__ = ["RequestWriter"]

# Above this a body goes to the transport by itself: copying it behind the head would cost more than a system call.
_JOIN_BYTES = 65536


class RequestWriter:
    """Writes one request after the other to *transport*."""

    __slots__ = ("_drained", "_loop", "_paused", "_transport", "_upload")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._drained: asyncio.Future[None] | None = None
        self._upload: asyncio.Task[None] | None = None  # there while the body is not all written

    @property
    def complete(self) -> bool:
        """Whether the kernel has all of the request."""
        return self._upload is None and self._transport.get_write_buffer_size() == 0

    def start(self, request: OutgoingRequest, fail: Callable[[Exception], None]) -> asyncio.Task[None] | None:
        """Write what there is of *request*; the task that sends the rest, which raises nothing, or None without any.

        *fail* is told what the request's stream raises, so that the one who awaits the response gets it; it is not kept
        longer, for it is the connection's, which would be in a cycle.

        Raises:
            httpx.LocalProtocolError: the body is all there, and not as long as announced; nothing was written.
        """
        body, upload = request.body, request.upload
        if upload is not None and (whole := upload.at_hand(_JOIN_BYTES)) is not None:
            body, upload = whole, None
        if len(body) <= _JOIN_BYTES:
            self._transport.write(request.head + body)
        else:
            self._transport.write(request.head)
            self._transport.write(body)
        if upload is not None:
            # A task, since an answer must get through while the request's stream has nothing to send.
            self._upload = self._loop.create_task(self._send(upload, fail))
        return self._upload

    def pause(self) -> None:
        """The transport's buffer is full."""
        self._paused = True

    def resume(self) -> None:
        """The transport's buffer has room again."""
        self._paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def cancel(self) -> None:
        """Send no more; the request's stream is released a little later."""
        if self._upload is not None:
            self._upload.cancel()

    async def aclose(self) -> None:
        """As `cancel`; returns when the request's stream is no longer read."""
        if self._upload is not None:
            self._upload.cancel()
            await asyncio.wait({self._upload})

    async def _send(self, upload: Upload, fail: Callable[[Exception], None]) -> None:
        try:
            await upload.send(self._write)
        except Exception as exc:  # noqa: BLE001 - whatever the request's stream raises is for the one who awaits
            fail(exc)
        self._upload = None

    async def _write(self, data: bytes) -> None:
        # Closing: it takes no more, and `cancel` will end this wait. A stream that never waits itself would keep the
        # event loop from telling us, for ever.
        if not self._transport.is_closing():
            self._transport.write(data)
        if self._paused or self._transport.is_closing():
            self._drained = self._loop.create_future()
            await self._drained
