"""A client that says exactly what a test wants and reads answers with h11, an HTTP/1.1 parser that is not ours."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import h11
import httpx

__all__ = ["Answer", "Call", "ask", "calling", "chat"]

_LIMIT_SECONDS = 20.0

Fields = Sequence[tuple[str, str]] | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to its end."""

    status: int
    headers: httpx.Headers
    body: bytes
    #: The framing says that this is all; False: the connection broke before.
    complete: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


class Call:
    """One request and its response, which is read only when the test asks for it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str) -> None:
        self._reader = reader
        self._writer = writer
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        self._method = method
        self._buffer = b""
        #: Interim responses (1xx) that came before the final one.
        self.interim: list[int] = []
        self._ask(method)

    async def write(self, data: bytes) -> None:
        """Send more; returns when the kernel has most of it."""
        self._writer.write(data)
        async with asyncio.timeout(_LIMIT_SECONDS):
            await self._writer.drain()

    def again(self) -> None:
        """Expect the answer to another request on this connection, which the test writes."""
        self._parser.start_next_cycle()
        self._ask(self._method)

    async def head(self) -> int:
        """The status of the final response."""
        while not self.status and self.complete is None:
            await self.step()
        return self.status

    async def until(self, mark: bytes) -> bytes:
        """The body up to and including *mark*."""
        while mark not in self._buffer:
            assert self.complete is None, f"ended without {mark!r}: {self._buffer!r}"
            await self.step()
        end = self._buffer.index(mark) + len(mark)
        found, self._buffer = self._buffer[:end], self._buffer[end:]
        return found

    async def some(self) -> bytes:
        """What has come of the body since; empty at its end."""
        while not self._buffer and self.complete is None:
            await self.step()
        found, self._buffer = self._buffer, b""
        return found

    async def rest(self) -> bytes:
        """The body from here to the end; `complete` then tells what kind of end it was."""
        while self.complete is None:
            await self.step()
        found, self._buffer = self._buffer, b""
        return found

    async def answer(self) -> Answer:
        """The response, which has not been read yet."""
        body = await self.rest()
        return Answer(self.status, self.headers, body, bool(self.complete))

    def leave(self) -> None:
        """Close the connection at once, as a client that is killed."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """Close the connection with a reset (RST)."""
        handle: socket.socket = self._writer.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    @property
    def address(self) -> tuple[str, int]:
        """Where the client is."""
        found: tuple[str, int] = self._writer.get_extra_info("sockname")
        return found

    def _ask(self, method: str) -> None:
        # Tells the parser what it is to expect an answer to; what it makes of it is not sent.
        self._parser.send(h11.Request(method=method, target="/", headers=[("Host", "test")]))
        self._parser.send(h11.EndOfMessage())
        self.status = 0
        self.headers = httpx.Headers()
        #: None while the response goes on.
        self.complete: bool | None = None

    async def step(self) -> None:
        """Take in what comes next."""
        try:
            event = self._parser.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(_LIMIT_SECONDS):
                    self._parser.receive_data(await self._reader.read(65536))
                return
        except TimeoutError:  # an OSError, too
            raise
        except (h11.RemoteProtocolError, OSError):
            self.complete = False
            return
        if isinstance(event, h11.InformationalResponse):
            self.interim.append(event.status_code)
        elif isinstance(event, h11.Response):
            self.status, self.headers = event.status_code, httpx.Headers(event.headers.raw_items())
        elif isinstance(event, h11.Data):
            self._buffer += event.data
        else:
            self.complete = isinstance(event, h11.EndOfMessage)


@asynccontextmanager
async def calling(
    port: int,
    method: str = "GET",
    target: str = "/",
    *,
    headers: Fields = (),
    body: bytes | None = b"",
    receive_buffer_bytes: int = 0,
) -> AsyncIterator[Call]:
    """Send a request on a connection of its own, which is closed at the end.

    *body* None: the test writes it, and says in *headers* how it is framed. *receive_buffer_bytes*: a small one makes
    the proxy feel early that nothing is read.
    """
    handle = socket.socket()
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer_bytes:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    handle.setblocking(False)
    await asyncio.get_running_loop().sock_connect(handle, ("127.0.0.1", port))
    # The limit is what the reader takes off the socket unasked: (nearly) nothing.
    reader, writer = await asyncio.open_connection(sock=handle, limit=1 if receive_buffer_bytes else 1 << 16)
    try:
        call = Call(reader, writer, method)
        await call.write(_head(method, target, headers, body) + (body or b""))
        yield call
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def chat(port: int, target: str = "/v1/chat/completions", **document: Any) -> AbstractAsyncContextManager[Call]:
    """`calling` with a JSON POST, ``"stream": true`` unless told otherwise; ``headers`` may be among *document*."""
    headers: dict[str, str] = dict(document.pop("headers", {}))
    options = {"receive_buffer_bytes": document.pop("receive_buffer_bytes", 0)}
    payload = json.dumps({"model": "m", "stream": True, **document}).encode()
    fields = {"Content-Type": "application/json", **headers}
    return calling(port, "POST", target, headers=fields, body=payload, **options)


async def ask(port: int, method: str = "GET", target: str = "/", *, headers: Fields = (), body: bytes = b"") -> Answer:
    """The whole answer to a request."""
    async with calling(port, method, target, headers=headers, body=body) as call:
        return await call.answer()


def _head(method: str, target: str, headers: Fields, body: bytes | None) -> bytes:
    fields = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if not any(name.lower() == "host" for name, _ in fields):
        fields.insert(0, ("Host", "test"))
    if body:
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
    return "\r\n".join(lines).encode("latin-1")
