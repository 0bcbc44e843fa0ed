"""The shortest way of body bytes to a client of our own server: no message, no task, no task switch."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

__all__ = ["Wire"]


class Wire:
    """The way of body bytes to the client; only for a response without ``Content-Length``, once that has begun.

    Holds the transport and not the protocol, which would be a reference cycle for as long as the connection is open.
    """

    __slots__ = ("_chunked", "_flow", "_transport")

    def __init__(self, transport: asyncio.Transport, flow: FlowControl, *, chunked: bool) -> None:
        self._transport = transport
        self._flow = flow
        self._chunked = chunked

    def write(self, data: bytes) -> bool:
        """Send *data*, not empty, while nobody is inside ASGI's ``send``; False: the client takes no more for now."""
        if self._transport.is_closing():
            return False
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        return not self._flow.write_paused
