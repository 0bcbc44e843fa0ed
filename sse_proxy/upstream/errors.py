"""Failures of a transport, ours or a plugged one, told in the terms of `sse_proxy.errors`.

No message of a foreign exception goes on: it may name the upstream's address. The exception itself stays reachable for
the log through ``raise … from``.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx

from .. import errors
from ..sockets import OUT_OF_DESCRIPTORS

__all__ = ["IncompleteMessage", "translate"]


class IncompleteMessage(httpx.RemoteProtocolError):
    """The upstream closed the connection in good order, but before its response was complete."""


# First match wins. What is raised by a request that was never sent comes first, whatever `sent` says.
_NEVER_SENT: tuple[tuple[tuple[type[Exception], ...], type[errors.SSEProxyError]], ...] = (
    ((httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL), errors.BadRequest),
    ((httpx.ConnectTimeout, httpx.PoolTimeout), errors.ConnectTimeout),
    ((httpx.ConnectError, httpx.ProxyError), errors.ConnectFailed),
)
_BEFORE_SENT: tuple[tuple[tuple[type[Exception], ...], type[errors.SSEProxyError]], ...] = (
    ((httpx.TimeoutException, TimeoutError), errors.ConnectTimeout),
    ((httpx.TransportError, OSError), errors.ConnectFailed),
)
_AFTER_SENT: tuple[tuple[tuple[type[Exception], ...], type[errors.SSEProxyError]], ...] = (
    ((httpx.TimeoutException, TimeoutError), errors.IdleTimeout),
    ((IncompleteMessage, httpx.NetworkError, httpx.StreamError, OSError), errors.UpstreamClosed),
    ((httpx.ProtocolError, httpx.DecodingError), errors.UpstreamProtocolError),
)


def translate(exc: Exception, *, sent: bool) -> errors.SSEProxyError:
    """Our error for *exc*; raise it ``from exc``. An error of ours comes back as it is.

    *sent*: at least one byte of the request may have reached the upstream, so a failure is not one of connecting.
    """
    if isinstance(exc, errors.SSEProxyError):
        return exc
    for kinds, ours in (*_NEVER_SENT, *(_AFTER_SENT if sent else _BEFORE_SENT)):
        if isinstance(exc, kinds):
            return ours(_reason(exc)) if ours is errors.ConnectFailed else ours()
    return errors.UpstreamError()


def _reason(exc: BaseException) -> str:
    """What kept us from connecting, in fixed words; empty for the usual refusal."""
    for cause in _causes(exc):
        if isinstance(cause, OSError) and cause.errno in OUT_OF_DESCRIPTORS:
            return "the proxy has no descriptor left for a connection"
        if isinstance(cause, ssl.SSLError):
            return "no TLS connection to the upstream could be made"
        if isinstance(cause, (socket.gaierror, UnicodeError)):
            return "the name of the upstream cannot be resolved"
    return ""


def _causes(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__
