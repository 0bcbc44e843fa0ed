"""Proves `ResponseBody` of `sse_proxy.upstream.body` without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from sse_proxy.core.ledger import Ledger
from sse_proxy.upstream.body import MAX_BUFFERED_BYTES, ResponseBody


class FakeSource:
    """Counts what a body asks of its connection."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def abort(self) -> None:
        self.calls.append("abort")

    async def aclose(self) -> None:
        self.calls.append("aclose")


def _body() -> tuple[ResponseBody, FakeSource]:
    source = FakeSource()
    return ResponseBody(source, asyncio.get_running_loop()), source


def _give(body: ResponseBody, *pieces: bytes) -> None:
    body.pieces.extend(pieces)
    body.wake(sum(map(len, pieces)))


async def test_all_that_is_buffered_comes_as_one_piece() -> None:
    """One item a wake-up; the same object when there is one piece."""
    body, source = _body()
    piece = b"one" * 100
    _give(body, piece)
    assert await anext(body) is piece
    _give(body, b"a", b"b")
    _give(body, b"c")
    body.finish()
    assert [data async for data in body] == [b"abc"]
    assert source.calls == []


async def test_a_waiting_reader_is_woken_by_content_and_not_by_framing() -> None:
    """Half a chunk header is no reason to run the consumer."""
    body, _ = _body()
    reading = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    body.wake(3)
    await asyncio.sleep(0)
    assert not reading.done()
    _give(body, b"x")
    _give(body, b"y")  # before the reader has run
    assert await reading == b"xy"


async def test_reading_pauses_above_the_limit_and_resumes_when_all_is_taken() -> None:
    """The limit is on unread bytes, and each change is told once."""
    body, source = _body()
    _give(body, b"x" * MAX_BUFFERED_BYTES)
    assert source.calls == []
    _give(body, b"x")
    _give(body, b"x")
    assert source.calls == ["pause"]
    assert len(await anext(body)) == MAX_BUFFERED_BYTES + 2
    assert source.calls == ["pause", "resume"]


async def test_framing_without_content_never_pauses() -> None:
    """Nobody would ever read it, and so resume."""
    body, source = _body()
    body.wake(MAX_BUFFERED_BYTES + 1)
    assert source.calls == []


async def test_a_complete_body_pauses_and_resumes_no_more() -> None:
    """Its connection may serve another by then."""
    body, source = _body()
    _give(body, b"x" * (MAX_BUFFERED_BYTES + 1))
    body.finish()
    await anext(body)
    with pytest.raises(StopAsyncIteration):
        await anext(body)
    assert source.calls == ["pause"]


async def test_an_error_comes_behind_what_is_buffered_and_stays() -> None:
    """The first error counts."""
    body, _ = _body()
    _give(body, b"x")
    body.fail(httpx.ReadError("first"))
    body.fail(httpx.ReadError("second"))
    assert await anext(body) == b"x"
    for _ in range(2):
        with pytest.raises(httpx.ReadError, match="first"):
            await anext(body)


async def test_a_waiting_reader_gets_the_error() -> None:
    """Failing wakes it."""
    body, _ = _body()
    reading = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    body.fail(httpx.ReadError("gone"))
    with pytest.raises(httpx.ReadError):
        await reading


async def test_closing_drops_the_buffer_wakes_the_reader_and_closes_the_connection_once() -> None:
    """`aclose` is idempotent."""
    body, source = _body()
    reading = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    await body.aclose()
    await body.aclose()
    with pytest.raises(httpx.StreamClosed):
        await reading
    assert source.calls == ["aclose"]


async def test_closing_a_complete_body_that_is_not_read_leaves_its_connection_alone() -> None:
    """The connection is in the pool, or in use again."""
    body, source = _body()
    _give(body, b"x")
    body.finish()
    await body.aclose()
    with pytest.raises(httpx.StreamClosed):
        await anext(body)
    assert source.calls == []


async def test_closing_a_body_that_was_read_to_its_end_changes_nothing() -> None:
    """It stays ended, not closed."""
    body, source = _body()
    body.finish()
    await body.aclose()
    assert [data async for data in body] == []
    assert source.calls == []


async def test_a_read_that_is_cancelled_as_the_body_ends_leaves_the_connection_alone() -> None:
    """It is back in the pool by then, and may be another request's before this reader has run."""
    body, source = _body()
    reading = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    body.finish()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert source.calls == []


async def test_cancelling_a_read_closes_the_connection() -> None:
    """Even where nobody calls `aclose`."""
    body, source = _body()
    reading = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert source.calls == ["abort"]
    _give(body, b"late")  # the waiter is cancelled: nothing to wake
    body.finish()


class Outlet:
    """Takes what it is given, while it is open."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.open = True
        self.error: Exception | None = None

    @property
    def sink(self) -> Callable[[bytes], None] | None:
        return self._take if self.open else None

    def _take(self, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.taken.append(data)


async def test_an_open_outlet_gets_what_comes_while_the_reader_waits() -> None:
    """At once and in one piece; whatever it does not get the reader does, in order."""
    body, source = _body()
    outlet = Outlet()
    body.offer_to(outlet)
    _give(body, b"1")  # nobody waits yet
    assert await anext(body) == b"1"
    reading = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    piece = b"2" * 100
    _give(body, piece)
    _give(body, b"3", b"4")
    assert (outlet.taken[0] is piece, outlet.taken[1:], reading.done()) == (True, [b"34"], False)
    outlet.open = False
    _give(body, b"5")
    outlet.open = True
    _give(body, b"6")  # the reader is on its way to what came before
    assert await reading == b"56"
    last = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    _give(body, b"7")
    body.finish()
    with pytest.raises(StopAsyncIteration):
        await last
    assert (outlet.taken[2:], source.calls) == ([b"7"], [])


async def test_what_the_outlet_takes_never_pauses_reading() -> None:
    """It has been sent: nothing is unread."""
    body, source = _body()
    outlet = Outlet()
    body.offer_to(outlet)
    reading = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    for _ in range(3):
        _give(body, b"x" * MAX_BUFFERED_BYTES)
    assert (len(outlet.taken), source.calls) == (3, [])
    reading.cancel()


async def test_an_error_of_the_outlet_is_the_readers() -> None:
    """And the connection is closed, as if the reader had given up."""
    body, source = _body()
    outlet = Outlet()
    outlet.error = ValueError("too large")
    body.offer_to(outlet)
    reading = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    _give(body, b"x")
    with pytest.raises(ValueError, match="too large"):
        await reading
    assert source.calls == ["abort"]


async def test_a_cancelled_reader_takes_its_outlet_with_it() -> None:
    """What comes after that is for nobody."""
    body, source = _body()
    outlet = Outlet()
    body.offer_to(outlet)
    reading = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    _give(body, b"x")
    assert (outlet.taken, source.calls) == ([], ["abort"])


async def test_while_all_buffers_are_full_anything_unread_stops_the_upstream() -> None:
    """What is with the reader counts until it asks for more; afterwards nothing is on the books."""
    ledger, source = Ledger(10), FakeSource()
    body = ResponseBody(source, asyncio.get_running_loop(), ledger)
    _give(body, b"x" * 8)
    assert (source.calls, ledger.bytes) == ([], 8)
    _give(body, b"x" * 8)
    assert (source.calls, ledger.bytes) == (["pause"], 16)
    assert await anext(body) == b"x" * 16
    assert (source.calls, ledger.bytes) == (["pause", "resume"], 16)
    _give(body, b"y")
    assert (source.calls[2:], ledger.bytes) == (["pause"], 17)
    assert await anext(body) == b"y"
    assert ledger.bytes == 1
    _give(body, b"z")
    await body.aclose()
    assert ledger.bytes == 0
