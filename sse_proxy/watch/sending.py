"""One request over a connection of its own, and its response as the bytes that come, when they come.

Over the proxy's own upstream transport: it hands bytes on as they are read, adds nothing to the request, follows no
redirect and takes no proxy of the environment. HTTP/1.1 only, as the proxy itself.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from ..core.decoding import decoder_for
from ..core.headers import first
from ..errors import UpstreamProtocolError
from ..upstream import HTTPTransport, IncompleteMessage

__all__ = ["Broken", "Unreachable", "chunks", "sent"]

_CONNECT_TIMEOUT_SECONDS = 10.0


class Unreachable(Exception):
    """There is no response; `str` of it says why, as a phrase."""


class Broken(Exception):
    """The body did not end as it should; `str` of it says how, as a phrase."""


@asynccontextmanager
async def sent(request: httpx.Request, ssl_context: ssl.SSLContext | None) -> AsyncIterator[httpx.Response]:
    """The response to *request* once its head is there; the connection is closed behind the block.

    Raises:
        Unreachable: see there.
    """
    async with HTTPTransport(ssl_context=ssl_context, connect_timeout_seconds=_CONNECT_TIMEOUT_SECONDS) as transport:
        try:
            response = await transport.handle_async_request(request)
        except httpx.TransportError as error:
            raise Unreachable(_why_not(error)) from error
        try:
            yield response
        finally:
            await response.aclose()


async def chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """The content as it comes, each read one piece, its content coding undone.

    Raises:
        Broken: see there.
    """
    try:
        decoder = decoder_for(first(response.headers.raw, b"content-encoding") or b"")
        stream = response.stream
        if not isinstance(stream, httpx.AsyncByteStream):  # the transport makes no other
            raise TypeError("an asynchronous response is needed")
        async for data in stream:
            for piece in (data,) if decoder is None else decoder.feed(data):
                yield piece
    except UpstreamProtocolError as error:
        raise Broken(str(error).replace("the upstream", "the server")) from error
    except IncompleteMessage as error:
        raise Broken("the connection was closed before the end of the body") from error
    except httpx.TransportError as error:
        broken_framing = isinstance(error, httpx.ProtocolError)
        raise Broken("the body breaks HTTP's framing" if broken_framing else "the connection was reset") from error


def _why_not(error: httpx.TransportError) -> str:
    """Why there is no response."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    match cause:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not trusted: {cause.verify_message}"
        case ssl.SSLError():
            return "no TLS connection can be made: the port may speak plain HTTP"
        case socket.gaierror() | UnicodeError():
            return "the name cannot be resolved"
        case TimeoutError():
            return f"no connection within {_CONNECT_TIMEOUT_SECONDS:g} seconds"
        case OSError(strerror=str(words)):
            return words.lower()
    return str(cause)
