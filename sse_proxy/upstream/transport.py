"""`HTTPTransport`: HTTP/1.1 to one upstream through httpx's transport interface."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

import httpx

from ..core.ledger import Ledger
from .connection import Connection, Origin
from .dial import connect_first, resolve
from .pool import Pool
from .request import OutgoingRequest, prepare

__all__ = ["HTTPTransport"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class HTTPTransport(httpx.AsyncBaseTransport):
    """Connections without limit, kept for reuse while idle; for one event loop.

    *unix_path*: all requests go to this socket, whatever their URL says. *ssl_context*: for ``https``, which is refused
    without one. *connect_timeout_seconds*: resolving, connecting and the TLS handshake together, where the request's
    ``timeout`` extension has no ``connect``; None is no limit. *clock*: monotonic seconds, for the expiry of idle
    connections. *ledger*: where what is unread is counted. Other timeouts of the extension are the caller's business,
    for it watches the stream anyway.
    """

    def __init__(
        self,
        *,
        unix_path: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        connect_timeout_seconds: float | None = 5.0,
        clock: Callable[[], float] = time.monotonic,
        ledger: Ledger | None = None,
    ) -> None:
        self._ledger = ledger
        self._unix_path = unix_path
        self._ssl_context = ssl_context
        self._connect_timeout_seconds = connect_timeout_seconds
        self._pool = Pool(clock)

    @property
    def idle_connections(self) -> int:
        """How many connections are kept for reuse."""
        return len(self._pool)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response to *request* as soon as its head is there; its ``stream`` is a `ResponseBody`.

        A request is never sent twice. Cancelling closes the connection at once.

        Raises:
            httpx.LocalProtocolError, httpx.UnsupportedProtocol: the request cannot be sent; nothing was.
            httpx.ConnectError, httpx.ConnectTimeout: no connection; nothing was sent.
            httpx.RemoteProtocolError, httpx.ReadError: no proper response; the upstream may have had the request.
            Any error of the request's own stream.
        """
        origin = self._origin(request.url)
        outgoing = await prepare(request)
        try:
            connection = self._pool.take(origin) or await self._connect(origin, self._timeout(request))
        except BaseException:
            if outgoing.upload is not None:
                await outgoing.upload.aclose()
            raise
        return await _exchange(connection, outgoing)

    async def aclose(self) -> None:
        """Close the idle connections; one in use is closed at the end of its response."""
        self._pool.close()
        await asyncio.sleep(0)  # the event loop closes the sockets one turn later

    def _origin(self, url: httpx.URL) -> Origin:
        port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
        # The resolver would take a port above this modulo 65536.
        if url.scheme not in _DEFAULT_PORTS or not url.raw_host or port > 65535:
            raise httpx.UnsupportedProtocol("the upstream's URL is not http:// or https:// with a host")
        if url.scheme == "https" and self._ssl_context is None:
            raise httpx.UnsupportedProtocol("https:// without TLS settings")
        return url.scheme, url.raw_host.decode("ascii"), port

    def _timeout(self, request: httpx.Request) -> float | None:
        seconds: float | None = request.extensions.get("timeout", {}).get("connect", self._connect_timeout_seconds)
        return seconds

    async def _connect(self, origin: Origin, timeout_seconds: float | None) -> Connection:
        try:
            async with asyncio.timeout(timeout_seconds):
                if self._unix_path is not None:
                    return await self._open(origin, self._unix_path)
                addresses = await resolve(origin[1], origin[2])
                return await connect_first(addresses, lambda address: self._open(origin, address), Connection.abort)
        except TimeoutError as exc:
            raise httpx.ConnectTimeout("no connection in time") from exc
        except (OSError, UnicodeError) as exc:
            raise httpx.ConnectError("no connection") from exc

    async def _open(self, origin: Origin, address: str) -> Connection:
        """A connection for *origin* at *address*, a literal or the path of a socket."""
        loop = asyncio.get_running_loop()
        scheme, host, port = origin
        context = self._ssl_context if scheme == "https" else None
        name = host if context is not None else None
        connection = Connection(origin, self._pool, self._ledger)
        try:
            # Not with a socket of our own: uvloop loses track of one when it closes in the moment of being connected.
            if self._unix_path is not None:
                await loop.create_unix_connection(lambda: connection, address, ssl=context, server_hostname=name)
            else:
                await loop.create_connection(lambda: connection, address, port, ssl=context, server_hostname=name)
        except BaseException:
            connection.abort()  # it may be connected already; closing in good order would wait for the upstream
            raise
        if connection.closed:  # already; as good as refused, for nothing was sent
            raise ConnectionResetError
        return connection


async def _exchange(connection: Connection, outgoing: OutgoingRequest) -> httpx.Response:
    head, body = await connection.exchange(outgoing)
    return httpx.Response(
        head.status,
        headers=head.headers,
        stream=body,
        extensions={"http_version": head.http_version, "reason_phrase": head.reason_phrase},
    )
