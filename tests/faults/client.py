"""The client of all cells: it sends what its steps say, and tells what it was given as facts that can be compared."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Literal

import h11

from .ends import End, Stage
from .steps import Step

__all__ = ["Answers", "Ending", "Got", "play_client"]

#: How an answer ended for its client: as its framing promised, before that, it never began, or never ended.
Ending = Literal["whole", "cut", "none", "open"]

#: What each event or document of the upstream's has in it.
TOKEN = re.compile(rb"token [0-9]+ ")
_CODE = re.compile(rb'"code": ?"?([a-z_0-9]+)"?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What a client was given in answer to its last request."""

    #: Final statuses, of all answers.
    statuses: tuple[int, ...]
    ending: Ending
    #: The code of the error in place of the answer or in the stream; empty without one.
    code: str
    #: Tokens that came.
    tokens: int
    #: The body ends with the terminator of the API, or is a JSON document.
    is_complete: bool
    #: ``x-should-retry``; None where nothing is said.
    may_retry: bool | None
    interim: tuple[int, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()


class Answers:
    """The answers on one connection, read by an HTTP/1.1 parser that is not ours."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        self._ask()
        self.statuses: list[int] = []
        self.interim: list[int] = []
        self.fields: list[tuple[str, str]] = []
        self.body = bytearray()
        self.ending: Ending = "none"
        self.complete = 0

    def feed(self, data: bytes | None) -> None:
        """Take what came, or the end."""
        try:
            self._parser.receive_data(data or b"")
            self._parse()
        except h11.RemoteProtocolError:
            pass  # `ending` says what was missing, which is nothing between two answers

    def got(self) -> Got:
        """The facts."""
        fields = dict(self.fields)
        retry = fields.get("x-should-retry")
        code = _CODE.search(self.body)
        return Got(
            statuses=tuple(self.statuses),
            interim=tuple(self.interim),
            ending=self.ending,
            code=code[1].decode() if code else "",
            tokens=len(TOKEN.findall(self.body)),
            is_complete=self.body.endswith(b"data: [DONE]\n\n") or _is_json(bytes(self.body)),
            may_retry=None if retry is None else retry == "true",
            fields=tuple(self.fields),
        )

    def _parse(self) -> None:
        while True:
            event = self._parser.next_event()
            if isinstance(event, h11.InformationalResponse):
                self.interim.append(event.status_code)
                self._stage.interim.set()
            elif isinstance(event, h11.Response):
                self.statuses.append(event.status_code)
                self.fields = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
                self.body.clear()
                self.ending = "cut"
                self._stage.head.set()
            elif isinstance(event, h11.Data):
                self.body += event.data
                if TOKEN.search(self.body) or b"token" in self.body or b'"id"' in self.body:
                    self._stage.seen.set()
            elif isinstance(event, h11.EndOfMessage):
                self.ending = "whole"
                self.complete += 1
                if self._parser.states[h11.SERVER] is not h11.DONE:
                    return
                self._parser.start_next_cycle()
                self._ask()
            else:
                return

    def _ask(self) -> None:
        # Tells the parser what it is to expect an answer to; what it makes of it is not sent.
        self._parser.send(h11.Request(method="POST", target="/", headers=[("Host", "test")]))
        self._parser.send(h11.EndOfMessage())


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


async def play_client(
    port: int,
    steps: tuple[Step, ...],
    stage: Stage,
    *,
    receive_buffer_bytes: int = 0,
    context: ssl.SSLContext | None = None,
) -> Got:
    """Connect to *port*, carry *steps* out, and tell what came; *receive_buffer_bytes*: a small one fills up early."""
    handle = socket.socket()
    if receive_buffer_bytes:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    handle.setblocking(False)
    await asyncio.get_running_loop().sock_connect(handle, ("127.0.0.1", port))
    name = "localhost" if context is not None else None
    reader, writer = await asyncio.open_connection(sock=handle, ssl=context, server_hostname=name)
    answers = Answers(stage)

    def take(data: bytes | None) -> None:
        answers.feed(data)
        end.answers_complete = answers.complete

    end = End(reader, writer, stage, take)
    await end.play(steps)
    if end.is_stuck:
        answers.ending = "open"
    return answers.got()
