"""What a connection of our own server lends to a response.

- `Wire`: the shortest way of body bytes to the client, with no message, no task and no task switch. It belongs to
  ``send`` (`WiredSend`), so that who puts a ``send`` of his own before the server's, to see what goes out, sees it all.
- `Endings`: two ways to end the connection without ending the response.
- `Flow`: uvicorn's `FlowControl`, an eighth as heavy; it knows what waits for the client.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from types import MethodType
from typing import Protocol, cast

from starlette.types import Message, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from .core.ledger import Account, Ledger
from .errors import BadRequest
from .flag import Flag

__all__ = ["Endable", "Endings", "Flow", "Wire", "WiredSend"]

#: The first lines of chunks (RFC 9112 § 7.1) as long as most events are: formatting costs more than all the rest here.
_SIZE_LINES = tuple(b"%x\r\n" % size for size in range(1024))


class Flow(FlowControl):
    """Whether the client takes more, and whether we do; what waits for one that does not is counted in *ledger*.

    Not what waits for others: at most the 64 KiB from which on a client is waited for. *timed_out*: the kernel has
    given the client up, which took nothing of what was sent for TCP_USER_TIMEOUT. *fault*: makes the error of the
    request that is being received, once the server finds that it can come to nothing; None until then.
    """

    __slots__ = (
        "_is_writable_event", "_ledger", "_room", "_transport", "fault", "read_paused", "timed_out", "write_paused",
    )  # fmt: skip

    def __init__(self, transport: asyncio.Transport, ledger: Ledger | None = None) -> None:
        # not the parent's: it is to have another kind of event
        self._transport = transport
        self._ledger = Ledger() if ledger is None else ledger
        self._room = Account(self._ledger)
        self.read_paused = False
        self.write_paused = False
        self.timed_out = False
        self.fault: Callable[[], BadRequest] | None = None
        self._is_writable_event = Flag()
        self._is_writable_event.set()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._ledger.measured.add(self)
        self.measure()

    def resume_writing(self) -> None:  # called at the end of the connection, too
        super().resume_writing()
        self._ledger.measured.discard(self)
        self._room.close()

    def measure(self) -> None:
        """`Measured`: count what is left for the client to take."""
        self._room.set(self._transport.get_write_buffer_size())


class Wire:
    """The way of body bytes to the client; only for a response without ``Content-Length``, once that has begun.

    Holds the transport and not the protocol, which would be a reference cycle for as long as the connection is open.
    """

    __slots__ = ("_chunked", "_flow", "_transport")

    def __init__(self, transport: asyncio.Transport, flow: FlowControl, *, chunked: bool) -> None:
        self._transport = transport
        self._flow = flow
        self._chunked = chunked

    @property
    def timed_out(self) -> bool:
        """The client is gone, as it took nothing for too long."""
        return getattr(self._flow, "timed_out", False)

    @property
    def fault(self) -> Callable[[], BadRequest] | None:
        """Makes the error of a request that can come to nothing; None: there is none."""
        return getattr(self._flow, "fault", None)

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


class WiredSend:
    """uvicorn's *send* of one response, and the `Wire` beside it."""

    __slots__ = ("_send", "wire")

    def __init__(self, send: Send) -> None:
        self._send = send
        cycle = cast("RequestResponseCycle", cast("MethodType", send).__self__)
        # Known now for HTTP/1.0, which has no chunks; else not before the response begins.
        self.wire = Wire(cycle.transport, cycle.flow, chunked=cycle.chunked_encoding is not False)

    def __call__(self, message: Message) -> Awaitable[None]:
        return self._send(message)


class Endable(Protocol):
    """A connection, as `Endings` sees it."""

    def abort(self) -> None:
        """Reset it now."""

    def close(self) -> None:
        """Close it behind what was sent."""


class Endings:
    """The endings of *connection*, as long as it lives; a strong reference would leave each one to the gc."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Endable) -> None:
        self._connection = weakref.ref(connection)

    def abort(self) -> None:
        if (connection := self._connection()) is not None:
            connection.abort()

    def close(self) -> None:
        if (connection := self._connection()) is not None:
            connection.close()
