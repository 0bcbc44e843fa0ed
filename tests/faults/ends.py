"""One end of a connection, which carries the steps of the table out; and the moments that both ends of a cell share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from .messages import body_of_request, head_of_request
from .relay import reset
from .steps import Ask, Await, Close, Cut, Deaf, Do, Flood, HalfClose, Hang, Read, Reset, Send, Step, Trickle

__all__ = ["LIMIT_SECONDS", "End", "Stage"]

#: How long anything may take that is bound to happen; the machine may be busy.
LIMIT_SECONDS = 45.0

_READ_BYTES = 65536
_LOOK_SECONDS = 0.05
#: How many looks later than the other side of the proxy a deaf end may learn that all is over.
_GRACE_LOOKS = 40
_ESTABLISHED = 1  # tcpi_state, the first byte of TCP_INFO: anything else is on its way out


async def _nothing(action: str) -> None:
    raise KeyError(action)


@dataclass
class Stage:
    """The moments of one cell, for both of its ends."""

    #: Its name.
    cell: str
    #: Carries a `Do` out.
    do: Callable[[str], Awaitable[None]] = _nothing
    #: The upstream has the head of the request.
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    #: The client has something of the body.
    seen: asyncio.Event = field(default_factory=asyncio.Event)
    #: The upstream was left by the proxy.
    left: asyncio.Event = field(default_factory=asyncio.Event)
    #: The client has an interim answer (1xx), or the head of the final one.
    interim: asyncio.Event = field(default_factory=asyncio.Event)
    head: asyncio.Event = field(default_factory=asyncio.Event)


class End:
    """One end of one connection; what is read goes to *take*, the end of it as None.

    Attributes:
        gone: The other end has closed or reset the connection.
        how: In which way it did; empty where it has not.
        has_ended_it: This end has, before or after.
        is_stuck: Neither end has done anything more for `LIMIT_SECONDS`.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        stage: Stage,
        take: Callable[[bytes | None], None],
    ) -> None:
        self.reader, self.writer, self.stage = reader, writer, stage
        self.gone = asyncio.Event()
        self.how: Literal["", "end", "reset"] = ""
        self.has_ended_it = self.is_stuck = False
        #: Complete answers, counted by *take*.
        self.answers = asyncio.Condition()
        self.answers_complete = 0
        self._take = take
        self._pump: asyncio.Task[None] | None = None

    async def play(self, steps: tuple[Step, ...]) -> None:
        """Carry *steps* out, until the other end leaves, and close."""
        self._pump = asyncio.create_task(self._read())
        playing = asyncio.create_task(self.perform(steps))
        gone = asyncio.create_task(self.gone.wait())
        try:
            done, _ = await asyncio.wait({playing, gone}, timeout=LIMIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            self.is_stuck = self.is_stuck or not done
        finally:
            for task in (playing, gone, self._pump):
                task.cancel()
            await asyncio.gather(playing, gone, self._pump, return_exceptions=True)
            self.writer.close()

    async def perform(self, steps: tuple[Step, ...]) -> None:
        """Carry *steps* out, and read nothing meanwhile."""
        for step in steps:
            with suppress(ConnectionError):
                await self._do(step)

    async def _do(self, step: Step) -> None:
        match step:
            case Send(data):
                await self._send(data)
            case Ask(kind, fields):
                await self._send(head_of_request(kind, self.stage.cell, fields=fields))
                await self._send(body_of_request(kind))
            case Trickle() | Flood():
                await self._pour(step)
            case Await(moment):
                await getattr(self.stage, moment).wait()
            case Read(answers):
                async with self.answers:
                    await self.answers.wait_for(lambda: self.answers_complete >= answers or self.gone.is_set())
            case Deaf():
                await self._be_deaf()
            case Hang():
                await self.gone.wait()
            case Do(action):
                await self.stage.do(action)
            case Close() | Cut() | HalfClose() | Reset():
                await self._end(step)

    async def _pour(self, step: Trickle | Flood) -> None:
        if isinstance(step, Trickle):
            for byte in step.data:
                await self._send(bytes([byte]))
                await asyncio.sleep(step.pause_seconds)
        else:
            for _ in range(step.times):
                await self._send(step.data)
                await asyncio.sleep(step.pause_seconds)

    async def _end(self, step: Close | Cut | HalfClose | Reset) -> None:
        self.has_ended_it = True
        if isinstance(step, Reset):
            reset(self.writer)
        elif isinstance(step, HalfClose):
            self.writer.write_eof()
            await self.gone.wait()
        elif isinstance(step, Cut):
            handle: socket.socket = self.writer.get_extra_info("socket")
            handle.shutdown(socket.SHUT_WR)
            await self.gone.wait()
        else:
            self.writer.close()

    async def _send(self, data: bytes) -> None:
        if self.writer.is_closing():
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()

    async def _be_deaf(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]  # every socket's has it
        handle: socket.socket = self.writer.get_extra_info("socket")
        grace = _GRACE_LOOKS
        while handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED:
            grace -= self.stage.left.is_set()
            if not grace:
                self.is_stuck = True
                break
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            self.how = "reset"
        self.gone.set()

    async def _read(self) -> None:
        try:
            while data := await self.reader.read(_READ_BYTES):
                self._take(data)
                await self._announce()
            self.how = "end"
        except ConnectionError:
            self.how = "reset"
        self._take(None)
        self.gone.set()
        await self._announce()

    async def _announce(self) -> None:
        async with self.answers:
            self.answers.notify_all()
