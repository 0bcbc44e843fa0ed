"""Plays a case against a proxy on real sockets, and says what came back."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass

import h11

from .case import AFTER_BYTES, RequestCase, ResponseCase, Seen

__all__ = ["Answers", "Played", "play_request", "play_response", "victim_is_well"]

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
#: The echo of `AFTER`; in a body that was echoed the quotes are escaped.
_AFTER_ANSWERED = b'"target": "/after"'
_UPLOAD_BYTES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What the client of a request case saw."""

    statuses: tuple[int, ...]
    #: The proxy has closed the connection.
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the client of a response case saw: its own answer, and the next one on the same connection."""

    status: int  # 0 where it was cut off, or none came
    body: bytes
    fields: tuple[tuple[str, str], ...]
    #: None: the connection was closed.
    after: bytes | None


async def play_request(port: int, case: RequestCase, *, step: int, patience: float) -> Played:
    """Send *case* and `AFTER` in pieces of *step* bytes, and read until that is answered or the connection ends.

    *patience*: how long to wait for something more, in seconds.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = case.sent + AFTER_BYTES
    received, closed = b"", False
    try:
        for at in range(0, len(sent), step):
            if writer.transport.is_closing():
                break
            writer.write(sent[at : at + step])
            await asyncio.sleep(0)
        while _AFTER_ANSWERED not in received:
            async with asyncio.timeout(patience):
                data = await reader.read(65536)
            if not data:
                closed = True
                break
            received += data
    except TimeoutError:
        pass
    except OSError:
        closed = True
    finally:
        writer.transport.abort()
    return Played(statuses=tuple(int(code) for code in _STATUS.findall(received)), closed=closed)


async def play_response(port: int, case: ResponseCase, answered: asyncio.Event, *, patience: float) -> Answers:
    """Ask for ``/case``, read the answer to its end, then ask for ``/after`` on the same connection if it is open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = h11.Connection(h11.CLIENT)
    try:
        async with asyncio.timeout(patience):
            length = [("Content-Length", str(_UPLOAD_BYTES))] if case.method == "POST" else []
            fields = [("Host", "test"), *length]
            writer.write(client.send(h11.Request(method=case.method, target="/case", headers=fields)) or b"")
            if case.method == "POST":
                writer.write(client.send(h11.Data(data=b"x" * 100)) or b"")  # and no more
            else:
                client.send(h11.EndOfMessage())
            status, told, body = await _answer(reader, client)
            await answered.wait()
            after = await _after(reader, writer, client) if client.states[h11.CLIENT] is h11.DONE else None
    finally:
        writer.transport.abort()
    return Answers(status=status, body=body, fields=told, after=after)


async def _after(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: h11.Connection) -> bytes | None:
    try:
        client.start_next_cycle()
        writer.write(client.send(h11.Request(method="GET", target="/after", headers=[("Host", "test")])) or b"")
        client.send(h11.EndOfMessage())
    except h11.LocalProtocolError:  # the answer said that it was the last, or more came than that
        return None
    status, _, body = await _answer(reader, client)
    return body if status else None


async def _answer(
    reader: asyncio.StreamReader, client: h11.Connection
) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
    status, body = 0, b""
    fields: tuple[tuple[str, str], ...] = ()
    try:
        while not isinstance(event := client.next_event(), (h11.EndOfMessage, h11.ConnectionClosed)):
            if event is h11.NEED_DATA:
                client.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
                fields = tuple((name.decode(), value.decode("latin-1")) for name, value in event.headers)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
    except (h11.RemoteProtocolError, OSError):
        return 0, fields, body
    return status, fields, body


async def victim_is_well(port: int, *, patience: float) -> bool:
    """Whether another client's request gets its own answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /victim HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(patience):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    except OSError:
        return False
    finally:
        writer.transport.abort()
    own = Seen("GET", "/victim")
    return b" 200 " in head[:13] and json.loads(body) == {"method": own.method, "target": own.target, "body": ""}
