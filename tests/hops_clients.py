"""Requests over TLS in both protocols that browsers speak, in the same words: HTTP/1.1 is `wire.Call`, HTTP/2 is here.

HTTP/2 is spoken by the h2 library, which has no socket, so that a test can do what clients of it do: cancel one stream
and keep the connection, which is what a page does when a fetch is aborted.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal, Protocol

import h2.config
import h2.connection
import h2.errors
import h2.events
import httpx

from .wire import Answer, Call

__all__ = ["NAME", "Calling", "H2Call", "Http", "Trust", "calling", "fetch"]

_LIMIT_SECONDS = 20.0
_GOAWAY = 7
#: The name in the shipped configurations, and so in certificates and requests.
NAME = "llm.example.com"

Http = Literal["h1", "h2"]
#: Protocol → a context that offers it alone and trusts the certificate of the test.
Trust = Mapping[Http, ssl.SSLContext]


class Calling(Protocol):
    """One request and its response; `wire.Call` tells what each does."""

    status: int
    headers: httpx.Headers
    complete: bool | None

    async def head(self) -> int: ...
    async def until(self, mark: bytes) -> bytes: ...
    async def rest(self) -> bytes: ...
    async def answer(self) -> Answer: ...
    def leave(self) -> None: ...


class _Frames:
    """Leaves out GOAWAY with NO_ERROR, after which streams go on (RFC 9113 § 6.8), though not in the h2 library."""

    def __init__(self) -> None:
        self._pending = b""
        #: Streams with a higher number were not looked at.
        self.last_stream = (1 << 31) - 1

    def feed(self, data: bytes) -> bytes:
        """The whole frames that there are now, without that one."""
        self._pending += data
        kept = b""
        while len(self._pending) >= 9 and len(self._pending) >= (end := 9 + int.from_bytes(self._pending[:3])):
            frame, self._pending = self._pending[:end], self._pending[end:]
            if frame[3] == _GOAWAY and frame[13:17] == bytes(4):
                self.last_stream = int.from_bytes(frame[9:13]) & 0x7FFFFFFF
            else:
                kept += frame
        return kept


class H2Call:
    """One request on an HTTP/2 connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._frames = _Frames()
        self._buffer = b""
        self.status = 0
        self.headers = httpx.Headers()
        #: None while the response goes on; False: reset, or the connection broke.
        self.complete: bool | None = None

    async def begin(self, fields: list[tuple[str, str]], body: bytes) -> None:
        """Send the request."""
        self._connection.initiate_connection()
        self._connection.send_headers(1, fields, end_stream=not body)
        if body:
            self._connection.send_data(1, body, end_stream=True)
        await self._flush()

    async def head(self) -> int:
        while not self.status and self.complete is None:
            await self._step()
        return self.status

    async def until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            assert self.complete is None, f"ended without {mark!r}: {self._buffer!r}"
            await self._step()
        end = self._buffer.index(mark) + len(mark)
        found, self._buffer = self._buffer[:end], self._buffer[end:]
        return found

    async def rest(self) -> bytes:
        while self.complete is None:
            await self._step()
        found, self._buffer = self._buffer, b""
        return found

    async def answer(self) -> Answer:
        body = await self.rest()
        return Answer(self.status, self.headers, body, bool(self.complete))

    @property
    def sent_back(self) -> bool:
        """Whether the server said that it did not look at the request, so that every client sends it again."""
        return self._frames.last_stream < 1

    def leave(self) -> None:
        """Cancel the stream; the connection stays."""
        self._connection.reset_stream(1, h2.errors.ErrorCodes.CANCEL)
        self._writer.write(self._connection.data_to_send())

    async def _flush(self) -> None:
        self._writer.write(self._connection.data_to_send())
        async with asyncio.timeout(_LIMIT_SECONDS):
            await self._writer.drain()

    async def _step(self) -> None:
        async with asyncio.timeout(_LIMIT_SECONDS):
            try:
                data = await self._reader.read(65536)
            except OSError:
                data = b""
        if not data:
            self.complete = False
            return
        for event in self._connection.receive_data(self._frames.feed(data)):
            self._take(event)
        with contextlib.suppress(OSError):  # answers to a peer that is gone
            await self._flush()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived(headers=headers):
                fields = [(str(name), str(value)) for name, value in headers or ()]
                self.status = int(dict(fields)[":status"])
                self.headers = httpx.Headers([pair for pair in fields if not pair[0].startswith(":")])
            case h2.events.DataReceived(data=data, flow_controlled_length=length):
                self._buffer += data or b""
                if length:
                    self._connection.acknowledge_received_data(length, 1)
            case h2.events.StreamEnded():
                self.complete = True
            case h2.events.StreamReset() | h2.events.ConnectionTerminated() if self.complete is None:
                self.complete = False


@asynccontextmanager
async def calling(
    port: int,
    trust: Trust,
    http: Http,
    target: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> AsyncIterator[Calling]:
    """Send a request to `NAME` at 127.0.0.1:*port*, on a connection of its own that is closed at the end."""
    fields = {**({"Content-Length": str(len(body))} if body else {}), **(headers or {})}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust[http], server_hostname=NAME)
    try:
        spoken = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        assert spoken == ("h2" if http == "h2" else "http/1.1")
        if http == "h2":
            h2_call = H2Call(reader, writer)
            pseudo = [(":method", method), (":scheme", "https"), (":authority", NAME), (":path", target)]
            await h2_call.begin([*pseudo, *((name.lower(), value) for name, value in fields.items())], body)
            yield h2_call
        else:
            call = Call(reader, writer, method)
            lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": NAME, **fields}.items())
            await call.write(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body)
            yield call
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def fetch(
    port: int, trust: Trust, target: str, *, http: Http = "h1", method: str = "GET",
    headers: Mapping[str, str] | None = None, body: bytes = b"",
) -> Answer:  # fmt: skip
    """The whole answer to a request."""
    async with calling(port, trust, http, target, method=method, headers=headers, body=body) as call:
        return await call.answer()
