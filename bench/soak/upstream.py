"""A fake LLM server that fails as it is told to: ``python -m bench.soak.upstream MIX SEED``.

The number in a request's ``X-Soak`` header says what to do (`errands`, `script`). Requests without it are health checks
and get ``{}``. Lines of JSON on stdin are orders, each of which gets one line back: ``{"do": "tell"}`` what is open,
``{"do": "idle"}`` closes connections that nobody uses, ``{"do": "refuse", "seconds": N}`` is not there for a while.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import socket
import struct
import sys
from typing import Any, cast

import uvloop

from ..descriptors import raise_open_files_limit
from ..request import request_length
from .errands import MIXES, NUMBER_HEADER, Mix, errand
from .script import Break, Wait, Write, script

__all__ = ["Upstream"]

_NUMBER = re.compile(rb"\r\n%b: *(\d+)" % NUMBER_HEADER.encode(), re.IGNORECASE)
_SMALL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_BACKLOG = 4096
#: No time to wait: the connection is reset (socket(7), SO_LINGER).
_RESET = struct.pack("ii", 1, 0)


class Upstream:
    """The listener, and what its connections share."""

    def __init__(self, mix: Mix, seed: int) -> None:
        self.mix = mix
        self.seed = seed
        self.requests = 0
        self.connections: set[_Connection] = set()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Listen, on the same port as before if there was one."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), sock=listening, backlog=_BACKLOG)

    async def obey(self, order: dict[str, Any]) -> dict[str, int]:
        """Do what *order* says, and return what there is to tell."""
        match order["do"]:
            case "idle":
                for connection in tuple(self.connections):
                    connection.close_if_idle()
                await asyncio.sleep(0)
            case "refuse":
                if self._server is not None:
                    self._server.close()
                await asyncio.sleep(order["seconds"])
                await self.listen()
        playing = sum(not connection.is_idle for connection in self.connections)
        return {"requests": self.requests, "connections": len(self.connections), "streams": playing}


class _Connection(asyncio.Protocol):
    """One connection, and the task that plays the answer on it, if any."""

    _transport: asyncio.Transport

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._data = bytearray()
        self._playing: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    @property
    def is_idle(self) -> bool:
        """Nothing is asked of it."""
        return self._playing is None and not self._data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour only
        self._upstream.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._upstream.connections.discard(self)
        if self._playing is not None:
            self._playing.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def close_if_idle(self) -> None:
        """Close it if nothing is asked of it."""
        if self.is_idle:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._data += data
        length = request_length(bytes(self._data))
        if length is None:
            return
        request = bytes(self._data[:length])
        del self._data[:length]
        number = _NUMBER.search(request)
        if number is None:
            self._transport.write(_SMALL)
            return
        self._upstream.requests += 1
        self._playing = asyncio.get_running_loop().create_task(self._play(int(number[1])))

    async def _play(self, number: int) -> None:
        try:
            for step in script(errand(self._upstream.mix, self._upstream.seed, number)):
                match step:
                    case Write(data):
                        self._transport.write(data)
                        await self._may_write.wait()
                    case Wait(seconds) if seconds:
                        await asyncio.sleep(seconds)
                    case Break(is_reset):
                        self._end(is_reset=is_reset)
                        return
        finally:
            self._playing = None

    def _end(self, *, is_reset: bool) -> None:
        if is_reset:
            # What has been written is in the socket by now, but for what it did not take.
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.close()


async def _serve(mix: Mix, seed: int) -> None:
    upstream = Upstream(mix, seed)
    await upstream.listen()
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    _tell({"port": upstream.port})
    while line := await orders.readline():
        _tell(await upstream.obey(json.loads(line)))


def _tell(document: object) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until stdin ends."""
    raise_open_files_limit()
    gc.freeze()
    uvloop.run(_serve(MIXES[sys.argv[1]], int(sys.argv[2])))


if __name__ == "__main__":
    main()
