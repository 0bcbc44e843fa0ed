"""The shortest way of body bytes to a client of our own server: no message, no task, no task switch."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

__all__ = ["Wire"]

#: The first lines of chunks (RFC 9112 § 7.1) as long as most events are: formatting costs more than all the rest here.
_SIZE_LINES = tuple(b"%x\r\n" % size for size in range(1024))


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
        size = len(data)
        if not self._chunked:
            self._transport.write(data)
        elif size < len(_SIZE_LINES):
            self._transport.write(_SIZE_LINES[size] + data + b"\r\n")
        else:
            self._transport.writelines((b"%x\r\n" % size, data, b"\r\n"))
        return not self._flow.write_paused
