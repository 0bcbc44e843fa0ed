"""The upstream of all cells: a raw server that plays, for each request, the steps of the cell which its path names."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from ..accepting import Accepting
from .ends import End, Stage
from .steps import Keep, Step

__all__ = ["Seen", "Upstream", "upstream"]

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")
_PATH = re.compile(rb"[A-Z]+ /([^/ ]+)")

#: Where nothing is asked of the system: what an upstream that does not read takes all the same.
_RECEIVE_BUFFER_BYTES = 65536


@dataclass(slots=True)
class Seen:
    """What the upstream saw of one cell."""

    #: Requests whose head came.
    requests: int = 0
    body_bytes: int = 0
    #: The bodies came to their end, as their framing says.
    whole_bodies: int = 0
    #: The proxy closed or reset a connection which the upstream had not ended.
    was_left: bool = False


@dataclass
class Upstream(Accepting):
    """The server; cells are put on and taken off while it runs."""

    port: int = 0
    scripts: dict[str, tuple[tuple[Step, ...], ...]] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    #: How much of a request's body is read; all of it where nothing is said.
    reads: dict[str, int] = field(default_factory=dict)
    #: Connections that are open.
    open: int = 0

    def put_on(self, cell: str, scripts: tuple[tuple[Step, ...], ...], *, reads: int | None = None) -> Stage:
        """Be ready for the requests of *cell*: the first is answered by the first script, and so on."""
        self.scripts[cell], self.seen[cell] = scripts, Seen()
        if reads is not None:
            self.reads[cell] = reads
        stage = self.stages[cell] = Stage(cell)
        return stage

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Play one script; whether the connection may serve another request."""
        head = await reader.readuntil(b"\r\n\r\n")
        named = _PATH.match(head)
        cell = named[1].decode() if named else ""
        if cell not in self.scripts:  # a readiness probe
            return False
        seen, stage = self.seen[cell], self.stages[cell]
        number = seen.requests
        seen.requests += 1
        stage.arrived.set()
        try:
            await self._read_body(cell, head, reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            seen.was_left = True
            return False
        steps = self.scripts[cell][min(number, len(self.scripts[cell]) - 1)]
        end = End(reader, writer, stage, lambda _data: None)
        if isinstance(steps[-1], Keep):  # what is read next is the next request
            await end.perform(steps)
            return True
        await end.play(steps)
        if end.how and not end.has_ended_it:
            seen.was_left = True
            stage.left.set()
        return False

    async def _read_body(self, cell: str, head: bytes, reader: asyncio.StreamReader) -> None:
        seen, limit = self.seen[cell], self.reads.get(cell)
        if length := _LENGTH.search(head):
            left = int(length[1]) if limit is None else min(limit, int(length[1]))
            while left:
                data = await reader.read(min(left, 65536))
                if not data:
                    raise ConnectionResetError
                seen.body_bytes += len(data)
                left -= len(data)
        elif _CHUNKED.search(head):
            while size := int((await reader.readline()).strip() or b"0", 16):
                await reader.readexactly(size + 2)
                seen.body_bytes += size
            await reader.readline()
        if limit is None:
            seen.whole_bodies += 1


@asynccontextmanager
async def upstream(*, context: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """An `Upstream` on a free port, over TLS where *context* says so."""
    playing = Upstream()
    handle = socket.socket()
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    handle.bind(("127.0.0.1", 0))
    # The limit is what is read ahead of need: an upstream that does not read is to be felt.
    server = await asyncio.start_server(playing.accept, sock=handle, ssl=context, backlog=256, limit=65536)
    playing.port = handle.getsockname()[1]
    try:
        yield playing
    finally:
        server.close()
        await playing.stop()
