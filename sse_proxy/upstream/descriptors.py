"""What an event loop does not tell of a connection: asked of the socket itself, below the transport."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import ssl
import struct
import sys
from asyncio.trsock import TransportSocket
from collections.abc import Iterator
from typing import cast

from ..sockets import reset_when_closed

__all__ = ["enable_keep_alive", "has_input", "is_vouched_for", "reset_if_unsent", "unread"]

_READ_BYTES = 65536

_SIOCOUTQ = 0x5411  # <linux/sockios.h>: bytes in the send queue that the peer has not acknowledged


def enable_keep_alive(transport: asyncio.Transport) -> None:
    """Have the kernel notice, some day, a peer that is gone without a word (SO_KEEPALIVE)."""
    _socket(transport).setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def has_input(transport: asyncio.Transport) -> bool:
    """Whether bytes, an end or an error lie in the socket that the event loop has not got round to."""
    poll = select.poll()  # select() fails with descriptors above 1023
    poll.register(_socket(transport).fileno(), select.POLLIN)
    return bool(poll.poll(0))


def is_vouched_for(transport: asyncio.Transport) -> bool:
    """Whether the end that has come is the peer's own; for `eof_received`.

    Under TLS anybody on the way can end the connection, but not say so (RFC 8446 § 6.1, "close_notify"): a body that
    only the end of the connection ends may have been cut there (RFC 9112 § 9.8).
    """
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return tls.read(1) == b""
    except ssl.SSLError as error:
        return isinstance(error, ssl.SSLZeroReturnError)


def reset_if_unsent(transport: asyncio.Transport) -> None:
    """Have the close that follows reset the connection, if the peer has not taken all that was written (Linux).

    Else the end would queue up behind that: a peer that does not read would never learn that it has been left, and the
    kernel would keep the bytes for it.
    """
    if sys.platform != "linux":
        return
    import fcntl  # noqa: PLC0415 -- does not exist on Windows

    handle: TransportSocket | None = transport.get_extra_info("socket")
    if handle is None:  # uvloop's, once it is lost
        return
    try:
        queued = struct.unpack("i", fcntl.ioctl(handle.fileno(), _SIOCOUTQ, bytes(4)))[0]
        if queued or transport.get_write_buffer_size():
            reset_when_closed(handle)
    except (OSError, ValueError):
        return  # it is closed already, or no TCP


def unread(transport: asyncio.Transport) -> Iterator[bytes]:
    """What came before the connection broke and was not read; for `connection_lost`. Nothing under TLS.

    A write that fails makes the event loop drop the connection, although an answer (a 413 to an upload, mostly) may lie
    in the socket: Linux keeps it through the reset.
    """
    if transport.get_extra_info("sslcontext") is not None:
        return
    descriptor = _socket(transport).fileno()
    try:
        while data := os.read(descriptor, _READ_BYTES):
            yield data
    except OSError:
        return  # nothing more: the reset itself, or nothing at all


def _socket(transport: asyncio.Transport) -> TransportSocket:
    return cast("TransportSocket", transport.get_extra_info("socket"))
