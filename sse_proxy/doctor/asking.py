"""Sends the doctor's requests, each on a connection of its own, and notes when which bytes came back.

HTTP/1.1, also where the server would speak HTTP/2: hops hold streams back in either, and here each read of the socket
can be seen. Whether HTTP/2 is offered is asked for by a TLS handshake alone (`Asker.offers_http2`). Neither proxy
variables of the environment nor redirects are followed, no connection is used twice, and a request is never sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable
from urllib.parse import SplitResult, urlsplit

import httptools

from .observed import Answer, End, Read, Request

__all__ = ["Asker"]

CONNECT_SECONDS = 10.0
#: More of a body is not read.
MAX_BODY_BYTES = 33_554_432
_READ_BYTES = 65_536

#: What went wrong before there was a response, by the error; the first that fits.
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "the TLS certificate is not trusted"),
    (ssl.SSLError, "TLS failed"),
    (TimeoutError, "no connection within 10 seconds"),
    (ConnectionRefusedError, "the connection was refused"),
    (OSError, "no connection could be made"),
)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Asker:
    """*ssl_context*: makes what TLS is made with, for one connection to ``https``."""

    def __init__(self, ssl_context: Callable[[], ssl.SSLContext | None] = ssl.create_default_context) -> None:
        self._ssl_context = ssl_context

    async def ask(self, request: Request, *, seconds: float) -> Answer:
        """The answer to *request*, read to its end or for so many *seconds*; what fails is told in it."""
        parts = urlsplit(request.url)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._connect(parts)
        except (OSError, TimeoutError) as error:
            return Answer(request=request, failure=_reason(error))
        async with _closing(connection):
            return await _Exchange(request, connection).run(_head(request, parts) + request.body, seconds)

    async def offers_http2(self, url: str) -> bool | None:
        """Whether the server at *url* would speak HTTP/2; None where that cannot be told: no TLS, or no connection."""
        parts = urlsplit(url)
        if parts.scheme != "https":
            return None
        context = self._ssl_context()
        if context is None:
            return None
        context.set_alpn_protocols(["h2", "http/1.1"])
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
        except (OSError, TimeoutError):
            return None
        async with _closing(connection):
            tls: ssl.SSLObject = connection[1].get_extra_info("ssl_object")
            return tls.selected_alpn_protocol() == "h2"

    async def _connect(self, parts: SplitResult) -> Connection:
        context = self._ssl_context() if parts.scheme == "https" else None
        port = parts.port or (80 if context is None else 443)
        return await asyncio.open_connection(parts.hostname, port, ssl=context)


class _Exchange:
    """One request on one connection; httptools calls the methods with ``on_`` in front."""

    def __init__(self, request: Request, connection: Connection) -> None:
        self._request = request
        self._reader, self._writer = connection
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[str, str]] = []
        self._status = 0
        self._version = ""
        self._head_at = 0.0
        self._reads: list[Read] = []
        self._body: list[bytes] = []
        self._size = 0
        self._end: End | None = None
        self._failure = ""
        self._start = 0.0

    async def run(self, request: bytes, seconds: float) -> Answer:
        """Send *request* and read the response."""
        self._start = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                self._writer.write(request)
                await self._writer.drain()
                while self._end is None:
                    self._take(await self._reader.read(_READ_BYTES))
        except TimeoutError:
            self._finish(End.LEFT, f"no response within {seconds:g} seconds")
        except OSError:
            self._finish(End.CUT, "the connection was reset before there was a response")
        return Answer(
            request=self._request,
            status=self._status,
            http_version=self._version,
            headers=tuple(self._headers),
            head_at=self._head_at,
            reads=tuple(self._reads),
            end=self._end or End.NONE,
            ended_at=self._now(),
            failure=self._failure,
        )

    def _now(self) -> float:
        return time.monotonic() - self._start

    def _take(self, data: bytes) -> None:
        now = self._now()
        if not data:
            self._finish(self._end_at_close(), "the connection was closed before there was a response")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish(End.LEFT, "the server changed the protocol")
        except httptools.HttpParserError as error:
            self._finish(End.CUT, f"what came is no HTTP/1 response: {error}")
        if self._body:
            self._reads.append(Read(now, b"".join(self._body)))
            self._size += len(self._reads[-1].data)
            self._body.clear()
        if self._size > MAX_BODY_BYTES:
            self._finish(End.LEFT, "")

    def _finish(self, end: End, failure: str) -> None:
        """Stop reading; without a head the *failure* is what there is to tell."""
        if self._end is None:
            self._end, self._failure = (end, "") if self._head_at else (End.NONE, failure)

    def _end_at_close(self) -> End:
        """What the server's close is at this point (RFC 9112 § 6.3)."""
        names = {name for name, _value in self._headers}
        return End.CUT if names & {"transfer-encoding", "content-length"} else End.CLOSED

    def on_status(self, _reason: bytes) -> None:
        # Here, since an interim response (1xx) comes before the final one.
        self._headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1").strip()))

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._version = self._parser.get_http_version()
        if self._status >= 200:
            self._head_at = self._now()

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._status >= 200:
            self._end = End.COMPLETE


def _head(request: Request, parts: SplitResult) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{request.method} {target} HTTP/1.1"]
    if request.header("host") is None:
        lines.append(f"Host: {parts.netloc.rpartition('@')[2]}")
    lines += [f"{name}: {value}" for name, value in request.headers]
    if request.body or request.method not in {"GET", "HEAD", "OPTIONS", "DELETE"}:
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _reason(error: BaseException) -> str:
    reason = next(text for kind, text in _REASONS if isinstance(error, kind))
    detail = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else ""
    return f"{reason}: {detail}" if detail else reason


@contextlib.asynccontextmanager
async def _closing(connection: Connection) -> AsyncIterator[None]:
    try:
        yield
    finally:
        connection[1].transport.abort()  # the end was seen, or is not waited for: nothing is to be flushed
        with contextlib.suppress(OSError):
            await connection[1].wait_closed()
