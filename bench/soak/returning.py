"""A reader that leaves its kept stream again and again, and comes back with the last id that it has."""

from __future__ import annotations

import asyncio
import random
import time

from ..response import BadResponse
from .answer import Answer
from .client import Result
from .errands import Errand, request
from .expected import Verdict
from .place import Place, connection
from .reading import EventReading
from .script import records

__all__ = ["come_back"]

_READ_BYTES = 65_536
#: How long it stays, and how often it leaves before it stays to the end.
_STAY_SECONDS = (0.1, 0.8)
_VISITS = 4
_PAUSE_SECONDS = 0.2
#: Answers that are the end of it: told, and not to be asked again at once.
_REFUSED = 400


async def come_back(errand: Errand, place: Place, name: str) -> Result:
    """Read the stream of *errand* over several connections to its end."""
    result = Result(errand=errand, name=name, began=time.monotonic())
    reader = _Reader(errand, place, result)
    try:
        async with asyncio.timeout(place.limit_seconds):
            while not await reader.visit():  # noqa: ASYNC110  it comes back after a pause, as a client does
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        result.verdict = Verdict.STUCK
    except BadResponse as fault:
        result.verdict, result.detail = Verdict.WRONG, str(fault)
    except OSError as error:
        result.verdict, result.detail = Verdict.WRONG, f"no connection: {error}"
    if reader.reading.wrong:
        result.verdict, result.detail = Verdict.WRONG, reader.reading.wrong
    result.events, result.heartbeats = reader.reading.count + reader.reading.blank, reader.reading.heartbeats
    result.ended = time.monotonic()
    return result


class _Reader:
    def __init__(self, errand: Errand, place: Place, result: Result) -> None:
        self.reading = EventReading(records(errand))
        self._errand = errand
        self._place = place
        self._result = result
        self._path = ""
        self._heard_at = time.monotonic()
        self._dice = random.Random(errand.number)  # noqa: S311  when it leaves

    async def visit(self) -> bool:
        """One connection; whether it was the last one."""
        result, answer = self._result, Answer()
        result.requests += 1
        may_leave = result.requests <= _VISITS
        has_left = False
        async with connection(self._place, self._errand.number) as (reader, writer):
            writer.write(self._request())
            try:
                has_left = await self._stay(answer, reader, self._dice.uniform(*_STAY_SECONDS) if may_leave else None)
            except ConnectionError:
                pass  # what has come decides
            finally:
                self.reading.cut()
                if answer.status is not None:
                    result.statuses.append(answer.status)
        return not has_left and self._judged(answer)

    def _heard(self, *, is_back: bool) -> None:
        """Something came, on a new connection if it *is_back*.

        From the last that it has read, and not from when it has left: where this process was kept from reading, its
        stream may have ended long before that.
        """
        now = time.monotonic()
        if is_back and now - self._heard_at > self._place.kept_seconds:
            self._result.is_late = True
        self._heard_at = now

    async def _stay(self, answer: Answer, reader: asyncio.StreamReader, seconds: float | None) -> bool:
        """Whether it has left before the end; it does not without a place to come back to."""
        try:
            async with asyncio.timeout(seconds):
                await self._read(answer, reader)
                return False
        except TimeoutError:
            if self._path:
                return True
        await self._read(answer, reader)
        return False

    def _request(self) -> bytes:
        name = f"{self._result.name}.{self._result.requests}"
        if not self._path:
            return request(self._errand, name, headers=("X-SSE-Resume: on",))
        told = b"Last-Event-ID: %b\r\n" % self.reading.last_id if self.reading.last_id else b""
        head = f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: {name}\r\nAccept: text/event-stream\r\n"
        return head.encode() + told + b"\r\n"

    async def _read(self, answer: Answer, reader: asyncio.StreamReader) -> None:
        while not answer.is_complete and (data := await reader.read(_READ_BYTES)):
            self._heard(is_back=answer.status is None and bool(self._result.statuses))
            payload = answer.feed(data)
            if answer.status == 200:
                self._path = answer.headers.get("location", self._path)
                self.reading.feed(payload)

    def _judged(self, answer: Answer) -> bool:
        """Whether nothing is to be had any more; then the verdict stands."""
        reading, result = self.reading, self._result
        if reading.is_whole():
            result.verdict = Verdict.WHOLE
        elif reading.error and (reading.error_has_id or not self._path):
            result.verdict = Verdict.TOLD
        elif reading.error:
            # An error without an id: the connection has ended, the stream has not.
            reading.error = False
            return False
        elif (answer.status or 0) >= _REFUSED:
            result.verdict = Verdict.TOLD
        elif answer.is_complete:
            result.verdict, result.detail = Verdict.SILENT, f"{answer.status}, {reading.count} events"
        elif self._path:
            return False
        else:
            result.verdict = Verdict.CUT if answer.status is not None else Verdict.WRONG
        return True
