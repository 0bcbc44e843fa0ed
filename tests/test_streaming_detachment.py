"""`Detachment`: a response whose client is gone goes on for as long as its record has patience."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from starlette.types import Message

from sse_proxy.core.pacing import Action, Limits, Pacer
from sse_proxy.streaming.client import Client
from sse_proxy.streaming.detachment import SLOW_SECONDS, Abandoned, Detachment

from .streaming import event


class Recorded:
    """A `Record` whose patience is a list of answers."""

    def __init__(self, *patience: float, takes: bool = True) -> None:
        self.answers = list(patience)
        self.takes = takes
        self.heard = 0.0

    def detach(self) -> bool:
        return self.takes

    def patience(self) -> float:
        return self.answers.pop(0)


class Half:
    """What a `Detachment` needs of a `Transfer`, its client and a `Receiver`."""

    def __init__(self) -> None:
        self.detached = 0
        self.client = self
        self.finished = False
        self.can_be_dropped = True
        self.complete = True
        self.gone = False
        self.pacer = Pacer(Limits(), 0.0)

    def detach(self) -> None:
        self.detached += 1


def detachment(record: Recorded, half: Half, on_end: Callable[[Exception], None]) -> Detachment:
    """One of *half*'s response."""
    return Detachment(record, half, half, on_end)  # type: ignore[arg-type]


async def _detached(record: Recorded) -> tuple[bool, int, list[Exception]]:
    """Whether it began, how often the client was cut off, and what it ended with, once it has."""
    half, ended, over = Half(), [], asyncio.Event()

    def end(cause: Exception) -> None:
        ended.append(cause)
        over.set()

    began = detachment(record, half, end).begin()
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


@pytest.mark.parametrize(
    ("dropped", "gone", "complete", "begins"),
    [(True, False, True, True), (False, True, True, True), (False, False, True, False), (True, True, False, False)],
)
async def test_what_cannot_go_on_without_its_client(dropped: bool, gone: bool, complete: bool, begins: bool) -> None:
    """A send to one that is there and cannot be dropped would wait; and half a request is none."""
    half = Half()
    half.can_be_dropped, half.gone, half.complete = dropped, gone, complete
    of = detachment(Recorded(10.0), half, lambda _cause: None)
    assert (of.begin(), half.detached) == (begins, int(begins))
    of.release()


@pytest.mark.parametrize(
    ("since", "heard", "begins"),
    [
        (None, 100.0, False),
        (10.0, 10.0 + SLOW_SECONDS, True),
        (10.0, 9.9 + SLOW_SECONDS, False),
        # Nobody has come since the send began.
        (10.0, 5.0, False),
    ],
)
async def test_a_client_that_does_not_read_is_cut_off_for_others(
    since: float | None, heard: float, begins: bool
) -> None:
    """Who listens to the record gets what its producer makes, and that waits for its own client first."""
    half, record = Half(), Recorded(10.0)
    of = detachment(record, half, lambda _cause: None)
    half.pacer.sending_since, record.heard = since, heard
    for _ in range(2):
        of.look()
        assert half.detached == begins
    of.release()


def test_somebody_looks_often_enough() -> None:
    """Where no other deadline is near, too."""
    pacer = Pacer(Limits(heartbeat=100), 0.0)
    pacer.look_every(SLOW_SECONDS)
    assert pacer.next(10.0) == 10.0 + SLOW_SECONDS
    pacer.limit(Limits(heartbeat=1))
    assert pacer.next(10.0) == 11.0


async def test_a_response_that_has_ended_is_not_ended_again() -> None:
    """What the application still does behind it is no business of the record's."""
    half, ended = Half(), list[Exception]()
    half.finished = True
    assert detachment(Recorded(0.0), half, ended.append).begin()
    assert ended == []


async def test_nothing_is_left_of_a_response_that_is_over() -> None:
    """No timer, and nobody is called."""
    ended: list[Exception] = []
    of = detachment(Recorded(0.001, 0.0), Half(), ended.append)
    assert of.begin()
    of.release()
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


async def test_a_client_of_another_server_is_detached_too() -> None:
    """Once it has left; there is nothing of the connection's to let go of."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    client = Client({"type": "http"}, send, Pacer(Limits(), 0.0), lambda: 0.0)
    client.detach()
    assert not client.can_be_dropped
    await client.write(b"1", end=True)
    assert (len(sent), client.finished, client.bytes_taken) == (1, True, 0)
