"""`Detachment`: a response whose client is gone goes on for as long as its record has patience."""

from __future__ import annotations

import asyncio

from starlette.types import Message

from sse_proxy.core.pacing import Action, Limits, Pacer
from sse_proxy.streaming.client import Client
from sse_proxy.streaming.detachment import Abandoned, Detachment

from .streaming import event


class Recorded:
    """A `Record` whose patience is a list of answers."""

    def __init__(self, *patience: float, takes: bool = True) -> None:
        self.answers = list(patience)
        self.takes = takes

    def detach(self) -> bool:
        return self.takes

    def patience(self) -> float:
        return self.answers.pop(0)


class Half:
    """What a `Detachment` needs of a `Transfer`."""

    def __init__(self) -> None:
        self.detached = 0
        self.client = self
        self.finished = False

    def detach(self) -> None:
        self.detached += 1


async def _detached(record: Recorded) -> tuple[bool, int, list[Exception]]:
    """Whether it began, how often the client was cut off, and what it ended with, once it has."""
    half, ended, over = Half(), [], asyncio.Event()

    def end(cause: Exception) -> None:
        ended.append(cause)
        over.set()

    began = Detachment(record, half, end).begin()  # type: ignore[arg-type]
    if began:
        await event(over)
    return began, half.detached, ended


async def test_it_ends_when_the_patience_of_the_record_is_over() -> None:
    """And not before: somebody may have come meanwhile."""
    record = Recorded(0.01, 0.01, 0.0)
    began, cut_off, ended = await _detached(record)
    assert (began, cut_off, record.answers) == (True, 1, [])
    assert [type(cause) for cause in ended] == [Abandoned]


async def test_it_does_not_begin_where_nobody_could_come_back() -> None:
    """The response ends with its client, as without a record."""
    assert await _detached(Recorded(takes=False)) == (False, 0, [])


async def test_a_response_that_has_ended_is_not_ended_again() -> None:
    """What the application still does behind it is no business of the record's."""
    half, ended = Half(), list[Exception]()
    half.finished = True
    assert Detachment(Recorded(0.0), half, ended.append).begin()  # type: ignore[arg-type]
    assert ended == []


async def test_nothing_is_left_of_a_response_that_is_over() -> None:
    """No timer, and nobody is called."""
    ended: list[Exception] = []
    detachment = Detachment(Recorded(0.001, 0.0), Half(), ended.append)  # type: ignore[arg-type]
    detachment.begin()
    detachment.release()
    await asyncio.sleep(0.01)
    assert ended == []


def test_without_a_client_only_the_upstream_can_be_late() -> None:
    """No heartbeat, and no client that is slow to read, whatever limits come later."""
    pacer = Pacer(Limits(heartbeat=1, client_stall=1, idle=100), 0.0)
    pacer.sent(0.0)
    pacer.committed(0.0)
    pacer.event(0.0)
    assert pacer.due(50.0) is Action.HEARTBEAT
    pacer.leave_alone()
    assert (pacer.due(50.0), pacer.due(100.0)) == (None, Action.IDLE_TIMEOUT)
    pacer.limit(Limits(heartbeat=1, client_stall=1, idle=10))
    assert pacer.due(9.0) is None
    pacer.sending_since = 0.0
    assert pacer.due(9.0) is None


class _Lent:
    """Our own server's ``send``, and what it lends to a response."""

    def __init__(self) -> None:
        self.wire = self
        self.written = b""
        self.aborted = 0

    async def __call__(self, message: Message) -> None: ...

    def write(self, data: bytes) -> bool:
        self.written += data
        return False

    def abort(self) -> None:
        self.aborted += 1


async def test_a_client_that_is_detached_takes_everything() -> None:
    """The connection is given up at once; what is written afterwards goes nowhere, waits for nobody, is not counted."""
    lent = _Lent()
    client = Client(
        {"type": "http", "extensions": {"sse_proxy.abort": lent.abort}}, lent, Pacer(Limits(), 0.0), lambda: 0.0
    )
    await client.start(200, [])
    await client.write(b"123")
    client.flow(client.write_now)
    client.write_now(b"45")
    assert (client.sink, client.bytes_taken) == (None, 5)
    client.detach()
    await client.write(b"678")
    client.flow(client.write_now)
    client.write_now(b"9")
    assert (client.sink, lent.written, lent.aborted) == (client.write_now, b"45", 1)
    assert (client.bytes_out, client.bytes_taken) == (9, 5)
    client.drop()
    assert (client.finished, lent.aborted) == (True, 1)
