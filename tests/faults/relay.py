"""A TCP relay that does to bytes what networks and dying peers do; it stands between any two parts.

    relay = Relay(port)           async with relay: … connect to relay.port
    relay.manner = Manner(…)      from then on, for connections that are open and for those to come

Latency, jitter, pieces and black holes are a `Manner`, which may be changed at any moment; resets, ends and refusals
are calls. Nothing is lost that the manner does not say is lost.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self

__all__ = ["LINGER_RESET", "PASSING", "Manner", "Relay", "Side", "reset"]

#: struct linger: on, zero seconds. A close then resets the connection.
LINGER_RESET = struct.pack("ii", 1, 0)

#: Of a relay: who connected to it, or whom it connected to.
Side = Literal["caller", "target"]

_READ_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How bytes are passed on."""

    #: What every piece is late by, and the most that chance adds to it.
    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    #: The largest piece that is passed on at once; 0: as it came.
    piece_bytes: int = 0
    #: Between two pieces.
    pause_seconds: float = 0.0
    #: Nothing more reaches this side, which is told nothing.
    is_hole_towards: frozenset[Side] = frozenset()
    #: Put in front of the next bytes for the caller, once a connection.
    noise: bytes = b""
    #: What a new connection meets, before anything else: a reset, an end, or a word that nobody asked for.
    welcome: Literal["", "reset", "close", "noise"] = ""


PASSING = Manner()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a reset (RST), and what was not sent with it."""
    handle: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    writer.transport.abort()


class _Pair:
    """One connection through the relay."""

    def __init__(self, relay: Relay, caller: asyncio.StreamWriter, target: asyncio.StreamWriter) -> None:
        self.relay = relay
        self.writers: dict[Side, asyncio.StreamWriter] = {"caller": caller, "target": target}
        self.has_made_noise = False
        #: Nothing more is said to this side.
        self.has_ended: dict[Side, bool] = {"caller": False, "target": False}

    async def pump(self, reader: asyncio.StreamReader, towards: Side) -> None:
        """Pass on what *reader* gets, until that ends; the end is passed on as what it is."""
        writer = self.writers[towards]
        with suppress(OSError):
            try:
                while data := await reader.read(_READ_BYTES):
                    await self._pass(data, writer, towards)
            except OSError:
                reset(writer)
                return
            if towards not in self.relay.manner.is_hole_towards:
                self.end(towards)

    def end(self, towards: Side) -> None:
        """Say no more to this side."""
        writer = self.writers[towards]
        if not self.has_ended[towards] and writer.can_write_eof() and not writer.is_closing():
            self.has_ended[towards] = True
            writer.write_eof()

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter, towards: Side) -> None:
        manner = self.relay.manner
        if manner.noise and towards == "caller" and not self.has_made_noise:
            self.has_made_noise = True
            data = manner.noise + data
        step = manner.piece_bytes or len(data)
        for start in range(0, len(data), step):
            manner = self.relay.manner
            late = manner.latency_seconds + self.relay.chance.random() * manner.jitter_seconds
            if wait := late * (start == 0) + manner.pause_seconds:
                await asyncio.sleep(wait)
            if towards not in self.relay.manner.is_hole_towards and not self.has_ended[towards]:
                writer.write(data[start : start + step])
                await writer.drain()


class Relay:
    """Relays connections to *target_port* of this machine.

    *seed*: of the jitter.
    """

    def __init__(self, target_port: int, *, seed: int = 7) -> None:
        self.target_port = target_port
        self.manner = PASSING
        self.chance = random.Random(seed)
        self.port = 0
        #: Connections that were accepted since the beginning.
        self.accepted = 0
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def open(self) -> int:
        """Connections that are relayed now."""
        return len(self._pairs)

    async def listen(self) -> None:
        """Accept connections, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Accept no more: whoever connects is refused. What is open goes on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def reset(self) -> None:
        """Reset all connections, on both sides."""
        for pair in self._pairs:
            for writer in pair.writers.values():
                reset(writer)

    def half_close(self, towards: Side) -> None:
        """Tell one side of all connections that nothing more comes; it may go on talking."""
        for pair in self._pairs:
            pair.end(towards)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.create_task(self._relay(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        manner = self.manner
        if manner.welcome == "reset":
            reset(writer)
            return
        if manner.welcome:
            writer.write(manner.noise if manner.welcome == "noise" else b"")
            writer.close()
            return
        try:
            target_reader, target = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            reset(writer)
            return
        pair = _Pair(self, writer, target)
        self._pairs.add(pair)
        try:
            await asyncio.gather(pair.pump(reader, "target"), pair.pump(target_reader, "caller"))
        finally:
            self._pairs.discard(pair)
            for each in (writer, target):
                each.close()
