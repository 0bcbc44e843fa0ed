"""What an event loop does not tell of a connection: asked of the socket itself, below the transport."""

from __future__ import annotations

import asyncio
import os
import select
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Iterator
from typing import cast

__all__ = ["enable_keep_alive", "has_input", "unread"]

_READ_BYTES = 65536


def enable_keep_alive(transport: asyncio.Transport) -> None:
    """Have the kernel notice, some day, a peer that is gone without a word (SO_KEEPALIVE)."""
    _socket(transport).setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def has_input(transport: asyncio.Transport) -> bool:
    """Whether bytes, an end or an error lie in the socket that the event loop has not got round to."""
    poll = select.poll()  # select() fails with descriptors above 1023
    poll.register(_socket(transport).fileno(), select.POLLIN)
    return bool(poll.poll(0))


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
