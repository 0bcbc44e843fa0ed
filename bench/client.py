"""One stream as a client sees it: asks, meters every token that arrives, and knows whether all of them did."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from .events import LAST_CHUNK, MARK, MARK_SIGN
from .meter import Meter
from .response import BadResponse, ResponseReader

__all__ = ["CountingClient", "StreamClient", "whole_events"]

#: Ways in which an event may end: as it was written, or with other line ends.
_ENDS = (b"\n\n", b"\n\r\n")


def whole_events(data: bytes) -> int:
    """How many of *data* are whole events; the rest is the beginning of the next one."""
    return max(data.rfind(end) + len(end) if end in data else 0 for end in _ENDS)


class _Client(asyncio.Protocol):
    """What all clients do: send the request as soon as they are connected, tell when it began and how it ended."""

    __slots__ = ("_meter", "_request", "_sent", "_transport", "began", "ended")

    _transport: asyncio.Transport

    def __init__(self, request: bytes, meter: Meter) -> None:
        self._request = request
        self._meter = meter
        self._sent = 0
        loop = asyncio.get_running_loop()
        #: Done with the first byte of the body, or with the end if there is none.
        self.began: asyncio.Future[None] = loop.create_future()
        #: Done when the response is complete, or the connection lost.
        self.ended: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour only
        self._sent = time.monotonic_ns()
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self._fail(f"the connection was lost: {exc or 'closed'}")

    def leave(self) -> None:
        """Close the connection, whatever is still to come."""
        self._end()

    def _begin(self, now: int) -> None:
        self._meter.first_bytes.append(now - self._sent)
        self.began.set_result(None)

    def _fail(self, fault: str) -> None:
        self._meter.faults.append(fault)
        self._end()

    def _end(self) -> None:
        for told in (self.began, self.ended):
            if not told.done():
                told.set_result(None)
        self._transport.close()


class StreamClient(_Client):
    """Reads all of it: when each token was written, and that none is missing, doubled or out of order."""

    __slots__ = ("_delay", "_expected", "_reader", "_rest")

    def __init__(self, request: bytes, meter: Meter) -> None:
        super().__init__(request, meter)
        self._reader = ResponseReader()
        #: The beginning of an event.
        self._rest = b""
        self._expected = 0
        self._delay = 0

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        try:
            payload = self._reader.feed(data)
        except BadResponse as fault:
            self._fail(str(fault))
            return
        if not payload:
            if self._reader.is_complete:
                self._end()
            return
        if not self.began.done():
            self._begin(now)
        if self._rest or not payload.endswith(_ENDS):
            payload = self._rest + payload
            whole = whole_events(payload)
            payload, self._rest = payload[:whole], payload[whole:]
        self._read(payload, now)
        if self._reader.is_complete:
            self._end()

    def _read(self, events: bytes, now: int) -> None:
        meter = self._meter
        for number, nanoseconds in MARK.findall(events):
            if int(number) != self._expected:
                self._fail(f"token {int(number)} came where {self._expected} was due")
                return
            self._expected += 1
            meter.events += 1
            delay = now - int(nanoseconds)
            if meter.is_recording:
                meter.delays.append(delay)
                meter.jitters.append(abs(delay - self._delay))
            self._delay = delay


class CountingClient(_Client):
    """Only counts the tokens, so that it can take them faster than they are sent."""

    __slots__ = ("_tail",)

    def __init__(self, request: bytes, meter: Meter) -> None:
        super().__init__(request, meter)
        self._tail = b""

    def data_received(self, data: bytes) -> None:
        if not self.began.done():
            if not data.startswith(b"HTTP/1.1 200"):
                self._fail(data.partition(b"\r\n")[0].decode(errors="replace"))
                return
            self._begin(time.monotonic_ns())
        self._meter.events += data.count(MARK_SIGN)
        self._tail = (self._tail + data[-len(LAST_CHUNK) :])[-len(LAST_CHUNK) :]
        if self._tail == LAST_CHUNK:
            self._end()
