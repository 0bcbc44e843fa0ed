"""One client: asks, reads what comes to its end (or leaves, stalls, comes back), and says how that ended for it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from dataclasses import dataclass, field

from ..response import BadResponse
from .answer import Answer
from .errands import Errand, Kind, request
from .expected import Fault, Verdict
from .place import Place, connection
from .reading import BodyReading, EventReading, LineReading, Reading, TextReading
from .script import ask_of, blocks_of, document, records, whole_body

__all__ = ["Result", "perform", "reading_of"]

_READ_BYTES = 65_536
#: A client that is slow takes so much at a time, and then a rest.
_SLOW_BYTES, _SLOW_SECONDS = 2800, 0.02
#: No time to wait: the connection is reset (socket(7), SO_LINGER).
_RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True, kw_only=True)
class Result:
    """What became of an errand.

    *statuses*: of all answers that came, by the path that was asked: more than one where a reader came back.
    *is_late*: its reader had read nothing for so long that nothing had to be kept: its own fault, or the machine's.
    *events*: of the upstream's, that came; None where a client cannot count them, unless it got all: in framings
    without, and where a bridge tells them in words of its own.
    """

    errand: Errand
    name: str
    began: float
    ended: float = 0.0
    verdict: Verdict = Verdict.STUCK
    detail: str = ""
    statuses: list[int] = field(default_factory=list)
    requests: int = 0
    events: int | None = None
    heartbeats: int = 0
    is_late: bool = False


def reading_of(errand: Errand) -> Reading:
    """What reads the answer to *errand*."""
    if errand.kind is Kind.BRIDGE:
        return TextReading(ask_of(errand).text)
    if not errand.kind.is_stream:
        return BodyReading(document(errand), is_spaced=False)
    framing = errand.api.framing
    if framing.startswith("sse") or errand.kind is Kind.REFRAMED:
        return EventReading(records(errand))
    if framing in {"ndjson", "lines"}:
        return LineReading(records(errand))
    return BodyReading(whole_body(errand), is_spaced=framing in {"array", "nul"})


async def perform(errand: Errand, place: Place, name: str) -> Result:
    """Do *errand*, once, by requests whose ids begin with *name*."""
    result = Result(errand=errand, name=name, began=time.monotonic())
    reading = reading_of(errand)
    visit = _Visit(result, reading, place)
    try:
        async with asyncio.timeout(place.limit_seconds):
            await visit.make(request(errand, name))
    except TimeoutError:
        result.verdict = Verdict.STUCK
    except BadResponse as fault:
        result.verdict, result.detail = Verdict.WRONG, str(fault)
    except OSError as error:
        result.verdict, result.detail = Verdict.WRONG, f"no connection: {error}"
    finally:
        visit.end()
    if reading.wrong:
        result.verdict, result.detail = Verdict.WRONG, reading.wrong
    result.events, result.heartbeats, result.ended = _events(result, reading), reading.heartbeats, time.monotonic()
    return result


def _events(result: Result, reading: Reading) -> int | None:
    if not isinstance(reading, (BodyReading, TextReading)):
        return reading.count + reading.blank
    return sum(block.events for block in blocks_of(result.errand)) if result.verdict is Verdict.WHOLE else None


class _Visit:
    """One request and its answer."""

    def __init__(self, result: Result, reading: Reading, place: Place) -> None:
        self._result = result
        self._errand = result.errand
        self._reading = reading
        self._place = place
        self._answer = Answer()
        self._last = 0.0
        self._is_alive = False

    def end(self) -> None:
        """It is over, however."""
        self._place.alive -= self._is_alive
        self._is_alive = False

    async def make(self, data: bytes) -> None:
        """Ask, read, and judge."""
        errand, result = self._errand, self._result
        is_slow = errand.fault in {Fault.SLOW, Fault.STALLED}
        async with connection(self._place, errand.number, is_slow=is_slow) as (reader, writer):
            self._last = time.monotonic()
            result.requests += 1
            writer.write(data)
            if errand.fault is Fault.STALLED:
                await asyncio.sleep(self._place.stall_seconds)
            try:
                has_left = await self._read(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                result.verdict, result.detail = self._of_lost_line(), str(error)
                return
            finally:
                if self._answer.status is not None:
                    result.statuses.append(self._answer.status)
        result.verdict = Verdict.LEFT if has_left else self._verdict()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether it has left before the end."""
        errand, answer = self._errand, self._answer
        leaves = errand.fault in {Fault.LEAVE, Fault.LEAVE_RESET}
        leaves_at = time.monotonic() + (errand.after_seconds or 1e9)
        by_bytes = leaves and errand.after_seconds is None
        while not answer.is_complete:
            size = _SLOW_BYTES if errand.fault is Fault.SLOW else _READ_BYTES
            if by_bytes:
                size = errand.at - answer.got_bytes
            try:
                async with asyncio.timeout_at(self._when(leaves_at) if leaves and not by_bytes else None):
                    data = await reader.read(size)
            except TimeoutError:
                self._leave(writer)
                return True
            if not data:
                return False
            self._took(answer.feed(data))
            is_due = self._place.is_over or (by_bytes and answer.got_bytes >= errand.at)
            if is_due and not answer.is_complete:
                self._leave(writer)
                return True
            if errand.fault is Fault.SLOW:
                await asyncio.sleep(_SLOW_SECONDS)
        return False

    @staticmethod
    def _when(monotonic: float) -> float:
        """The loop's clock is not promised to be `time.monotonic`."""
        return asyncio.get_running_loop().time() + monotonic - time.monotonic()

    def _leave(self, writer: asyncio.StreamWriter) -> None:
        if self._errand.fault is Fault.LEAVE_RESET:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _took(self, payload: bytes) -> None:
        if not payload:
            return
        reading, place, now = self._reading, self._place, time.monotonic()
        if self._answer.status != 200:
            self._reading.error = self._reading.error or _is_error(payload)
            return
        count, beats = reading.count, reading.heartbeats
        reading.feed(payload)
        if not self._is_alive and reading.count:
            self._is_alive = True
            place.alive += 1
            place.first_seconds.append(now - self._last)
        elif place.heartbeat_seconds and reading.heartbeats > beats and reading.count == count:
            place.late_seconds.append(now - self._last - place.heartbeat_seconds)
        self._last = now

    def _of_lost_line(self) -> Verdict:
        return Verdict.CUT if self._answer.status is not None else Verdict.WRONG

    def _verdict(self) -> Verdict:
        status, reading = self._answer.status, self._reading
        if status is None:
            self._result.detail = "closed without an answer"
            return Verdict.WRONG
        if status >= 400:
            return Verdict.TOLD
        if not self._answer.is_complete:
            return Verdict.CUT
        if reading.is_whole():
            return Verdict.WHOLE
        if not reading.error:
            self._result.detail = f"{status}, {reading.count} events"
        return Verdict.TOLD if reading.error else Verdict.SILENT


def _is_error(payload: bytes) -> bool:
    try:
        return isinstance(json.loads(payload), dict)
    except ValueError:
        return False
