"""A server that records what reaches it, connection by connection, read by h11, and answers with what it has read.

What no strict sender may write is noted besides, since h11 takes some of it: a line that ends in a bare LF, a control
character in a head, two framings of one message.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import h11

from .case import ResponseCase, Seen

__all__ = ["Recorder", "recording"]

_SLOPPY = re.compile(rb"(?<!\r)\n|\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
#: No head of the corpus is larger: what is too large is the proxy's to say.
_MAX_HEAD_BYTES = 1 << 20
#: How long after an answer the rest comes that belongs to nobody.
_LATE_SECONDS = 0.02


@dataclass
class Recorder:
    """What has come since the last `reset`."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    #: The fields of each request, names in lower case.
    fields: list[list[tuple[str, str]]] = field(default_factory=list)
    #: What a strict reader would refuse.
    faults: list[str] = field(default_factory=list)
    #: How to answer ``/case``; None: as anything else.
    answer: ResponseCase | None = None
    #: A connection that had *answer* was used again.
    reused: bool = False
    #: All of *answer* is sent.
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    #: Counts the cases, so that a connection of an earlier one is told from one of this.
    round: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def reset(self, answer: ResponseCase | None = None) -> None:
        """Forget, and answer ``/case`` with *answer* from now on."""
        self.seen, self.fields, self.faults = [], [], []
        self.answer, self.reused = answer, False
        self.answered.clear()
        self.round += 1

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task that ends with the recorder."""
        task = asyncio.create_task(_Connection(self, reader, writer).serve())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class _Connection:
    def __init__(self, recorder: Recorder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._recorder = recorder
        self._reader = reader
        self._writer = writer
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES)
        #: The bytes since the end of the message before.
        self._raw = b""
        #: The round in which it had an answer of the corpus.
        self._tainted = 0

    async def serve(self) -> None:
        try:
            while await self._exchange():
                pass
        except h11.RemoteProtocolError as error:
            # A proxy that refuses in the middle of the content can only leave a request that has no end.
            if self._raw and not self._reader.at_eof():
                self._recorder.faults.append(f"no request: {error}: {self._raw!r}")
        except OSError:
            pass
        finally:
            self._writer.close()

    async def _exchange(self) -> bool:
        """Take a request and answer it; False: none may follow."""
        request = await self._event()
        if not isinstance(request, h11.Request):
            return False
        recorder = self._recorder
        recorder.reused |= self._tainted == recorder.round
        self._judge(request)
        method, target = request.method.decode(), request.target.decode("latin-1")
        fields = [(name.decode().lower(), value.decode("latin-1")) for name, value in request.headers]
        if recorder.answer is not None and target == "/case":
            return await self._say(recorder.answer)
        body = b""
        while isinstance(event := await self._event(), h11.Data):
            body += bytes(event.data)
        recorder.seen.append(Seen(method, target, body))
        recorder.fields.append(fields)
        self._echo(method, target, body)
        await self._writer.drain()
        self._raw = self._parser.trailing_data[0]
        self._parser.start_next_cycle()
        return True

    async def _event(self) -> object:
        while (event := self._parser.next_event()) is h11.NEED_DATA:
            data = await self._reader.read(65536)
            self._raw += data
            self._parser.receive_data(data)
        return event

    def _judge(self, request: h11.Request) -> None:
        head, end, _ = self._raw.partition(b"\r\n\r\n")
        framings = [name for name, _ in request.headers if name in _FRAMING]
        if not end or _SLOPPY.search(head.replace(b"\r\n", b"")):
            self._recorder.faults.append(f"sloppy head: {head!r}")
        if len(framings) > 1:
            self._recorder.faults.append(f"several framings: {head!r}")

    def _echo(self, method: str, target: str, body: bytes) -> None:
        document = json.dumps({"method": method, "target": target, "body": body.decode("latin-1")}).encode()
        fields = [("Content-Type", "application/json"), ("Content-Length", str(len(document)))]
        send = self._parser.send
        head = send(h11.Response(status_code=200, headers=fields))
        content = send(h11.Data(data=b"" if method == "HEAD" else document))
        self._writer.write(b"".join(filter(None, (head, content, send(h11.EndOfMessage())))))

    async def _say(self, answer: ResponseCase) -> bool:
        self._tainted = self._recorder.round
        self._writer.write(answer.sent)
        with suppress(OSError):
            await self._writer.drain()
        if answer.late:
            await asyncio.sleep(_LATE_SECONDS)
            self._writer.write(answer.late)
        self._recorder.answered.set()
        if answer.closes:
            return False
        if answer.method == "POST":  # what is left of its content is no request
            while await self._reader.read(65536):
                pass
            return False
        self._parser, self._raw = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD_BYTES), b""
        return True


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    """A `Recorder` on a free port."""
    recorder = Recorder()
    server = await asyncio.start_server(recorder.accept, "127.0.0.1", 0)
    recorder.port = server.sockets[0].getsockname()[1]
    try:
        yield recorder
    finally:
        server.close()
        for task in recorder.tasks:
            task.cancel()
        await asyncio.gather(*recorder.tasks, return_exceptions=True)
