"""Answers on a client's connection that no application gives, as there is no request for one; the connection ends.

In JSON, as every other error of ours.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from uuid import uuid4

from .core.admission import MESSAGES, Refusal
from .errors import Refused, SSEProxyError
from .errors_http import error_response, render_plain

__all__ = ["refuse", "turn_away"]

logger = logging.getLogger("sse_proxy")

#: What a client may have sent before it is turned away, as far as it is taken from the kernel.
_UNREAD_BYTES = 65_536


def turn_away(transport: asyncio.Transport, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Answer 503 before any request, and close *transport*: there are no descriptors for one."""
    handle = socket.socket(fileno=transport.get_extra_info("socket").fileno())
    with suppress(OSError):  # closing on what was not read is a reset, which may overtake the answer
        handle.recv(_UNREAD_BYTES, socket.MSG_DONTWAIT)
    handle.detach()
    refuse(transport, Refused(MESSAGES[Refusal.OPEN_FILES]), headers)


def refuse(transport: asyncio.Transport, error: SSEProxyError, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Answer with *error*, and with the server's own *headers*, and close *transport*."""
    start, message = error_response(error, body=render_plain(error))
    fields = [*headers, *start["headers"], (b"connection", b"close"), (b"x-request-id", uuid4().hex.encode())]
    head = b"".join(b"%s: %s\r\n" % field for field in fields)
    status = HTTPStatus(start["status"])
    line = f"HTTP/1.1 {status.value} {status.phrase}".encode()
    logger.warning("%s", f"answered by the server itself: {status.value} ({error})")  # a flood is summed up (`logs`)
    transport.write(b"%s\r\n%s\r\n%s" % (line, head, message["body"]))
    transport.close()
