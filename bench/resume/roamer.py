"""A client that never stays: it begins a stream, leaves it after a while, and comes back to whatever replica.

It does what a good client does: it takes whole events only, tells the last id that it has, waits a little after a
refusal and asks again, and believes an answer that says that nothing follows. Its first request has an idempotency key,
so that it may be sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..load import request_for
from ..peers import CHAT
from ..response import BadResponse, ResponseReader
from .ledger import Ledger

__all__ = ["GAVE_UP", "NOTHING_LEFT", "SILENT_END", "WHOLE", "Roamer"]

WHOLE = "complete"
#: It was told nothing for too long, nor why.
GAVE_UP = "gave up"
#: It was told that it has everything, which it has not.
NOTHING_LEFT = "204 without its end"
#: What comes in between where a response ends as if the answer were whole.
SILENT_END = "a clean end without a word"
#: What comes in between where an error says that the connection ends, and the stream does not.
_PASSING = "passing error: "
#: How long it stays on one connection.
_STAY_SECONDS = (0.5, 1.5)
#: After a replica was not there, or has sent it away.
_PAUSE_SECONDS = (0.1, 0.4)
#: For a connection, and for the head of an answer.
_ANSWER_SECONDS = 10.0
_READ_BYTES = 65_536
#: What ends the search: the status, by what the reader was told.
_FINAL = {204: NOTHING_LEFT, 404: "404", 410: "410"}


@dataclass(slots=True)
class Roamer:
    """See the module header.

    Args:
        name: Of its request, unlike all others.
        ports: Of the replicas; the caller may change them.
        dice: Its own.
        tokens: How many the answer has.
        patience_seconds: It gives up after this time without any event.
        stay_seconds: How long it stays on one connection, least and most.

    Attributes:
        begun: Done when it has its stream's first event.
        verdict: How it ended; None until then.
        troubles: What came in between, by name.
        visits: How many connections it had an answer on.
        cut_at: When connections were lost, by the loop's clock.
        path: Where its stream is to be had again; empty until it knows.
    """

    name: str
    ports: Sequence[int]
    dice: random.Random
    tokens: int
    patience_seconds: float
    stay_seconds: tuple[float, float] = _STAY_SECONDS
    ledger: Ledger = field(init=False)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    verdict: str | None = None
    troubles: Counter[str] = field(default_factory=Counter)
    visits: int = 0
    cut_at: list[float] = field(default_factory=list)
    path: str = ""

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.tokens)

    async def run(self) -> None:
        """Read the stream to its end, by as many connections as it takes."""
        loop = asyncio.get_running_loop()
        had, progress, told = 0, loop.time(), ""
        while self.verdict is None:
            trouble = await self._visit(self.dice.choice(self.ports))
            if trouble == "cut":
                self.cut_at.append(loop.time())
            if trouble is not None:
                self.troubles[trouble] += 1
                told = trouble if trouble.isdigit() or trouble.startswith(_PASSING) else told
                await asyncio.sleep(self.dice.uniform(*_PAUSE_SECONDS))
            if self.ledger.last > had:
                had, progress, told = self.ledger.last, loop.time(), ""
            elif loop.time() - progress > self.patience_seconds:
                self._give_up(told)

    def _give_up(self, told: str) -> None:
        self.verdict = self.verdict or (f"gave up after {told}" if told else GAVE_UP)

    async def _visit(self, port: int) -> str | None:
        """One connection; returns what went wrong with it."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return "refused"
        try:
            writer.write(self._request())
            async with asyncio.timeout(_ANSWER_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            return await self._answered(head, reader)
        except TimeoutError:
            return "no answer"
        except (OSError, asyncio.IncompleteReadError):
            return "cut"
        finally:
            self.ledger.cut()
            writer.transport.abort()

    def _request(self) -> bytes:
        if not self.path:
            own = ("X-SSE-Resume: on", f"Idempotency-Key: {self.name}")
            return request_for(CHAT, max_tokens=self.tokens, headers=own)
        told = b"Last-Event-ID: %b\r\n" % self.ledger.last_id if self.ledger.last_id else b""
        head = f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
        return head.encode() + told + b"\r\n"

    async def _answered(self, head: bytes, reader: asyncio.StreamReader) -> str | None:
        status = int(head.split(b" ", 2)[1])
        if status != 200:
            self.verdict = _FINAL.get(status)
            return str(status)
        self.visits += 1
        if not self.path:
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
            if "location" not in headers:
                return f"not kept: {headers.get('x-sse-resume')}"
            self.path = headers["location"]
        body = ResponseReader()
        body.feed(head)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.dice.uniform(*self.stay_seconds)):
                return await self._read(body, reader)
        return None

    async def _read(self, body: ResponseReader, reader: asyncio.StreamReader) -> str | None:
        ledger = self.ledger
        while not body.is_complete:
            data = await reader.read(_READ_BYTES)
            if not data:
                return "cut"
            try:
                ledger.feed(body.feed(data))
            except BadResponse:
                return "garbled"
            if ledger.last:
                self.begun.set()
            if ledger.passing is not None:
                trouble, ledger.passing = f"{_PASSING}{ledger.passing}", None
                return trouble
            if ledger.is_over:
                self.verdict = WHOLE if ledger.is_whole else f"error: {ledger.error}"
                return None
        return SILENT_END
