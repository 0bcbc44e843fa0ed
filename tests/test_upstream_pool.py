"""Proves `sse_proxy.upstream.pool` with fake connections and a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sse_proxy.upstream.connection import Connection, Origin
from sse_proxy.upstream.pool import IDLE_SECONDS, MAX_IDLE_CONNECTIONS, Pool

HERE: Origin = ("http", "here", 80)
THERE: Origin = ("http", "there", 80)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class FakeConnection(Connection):
    """Idle; tells the pool when it is closed, as a real one does."""

    def __init__(self, pool: Pool, origin: Origin = HERE) -> None:
        super().__init__(origin, pool)
        self._pool = pool
        self.open = True
        self.silent = True

    def usable(self) -> bool:
        return self.open and self.silent

    def abort(self) -> None:
        self.open = False
        self._pool.discard(self)


def _put(pool: Pool, count: int = 1, origin: Origin = HERE) -> list[FakeConnection]:
    connections = [FakeConnection(pool, origin) for _ in range(count)]
    for connection in connections:
        pool.put(connection)
    return connections


async def test_the_latest_comes_first_and_each_once() -> None:
    """Last in, first out."""
    pool = Pool(Clock())
    first, second = _put(pool, 2)
    assert [second, first, None] == [pool.take(HERE) for _ in range(3)]
    pool.close()


async def test_connections_are_kept_by_origin() -> None:
    """A connection serves only what it was made for."""
    pool = Pool(Clock())
    (connection,) = _put(pool)
    assert pool.take(THERE) is None
    assert pool.take(("https", "here", 80)) is None
    assert pool.take(HERE) is connection
    pool.close()


async def test_what_has_been_idle_too_long_is_closed_not_taken() -> None:
    """At the very second; the younger ones stay."""
    clock = Clock()
    pool = Pool(clock)
    (old,) = _put(pool)
    clock.now += IDLE_SECONDS / 2
    (young,) = _put(pool)
    clock.now += IDLE_SECONDS / 2
    assert pool.take(HERE) is young
    assert pool.take(HERE) is None
    assert (old.open, young.open) == (False, True)
    pool.close()


def test_idle_connections_expire_before_the_engines_close_them() -> None:
    """DESIGN fact 9."""
    assert IDLE_SECONDS < 5


async def test_what_is_no_longer_usable_is_closed_and_the_next_is_taken() -> None:
    """A FIN, or bytes that nobody asked for, since it became idle."""
    pool = Pool(Clock())
    good, noisy = _put(pool, 2)
    noisy.silent = False
    assert pool.take(HERE) is good
    assert not noisy.open
    pool.close()


async def test_a_connection_that_closes_while_idle_is_forgotten() -> None:
    """The pool holds nothing dead."""
    pool = Pool(Clock())
    first, second = _put(pool, 2)
    first.abort()
    assert len(pool) == 1
    assert pool.take(HERE) is second
    pool.close()


async def test_only_so_many_are_kept_and_the_oldest_goes() -> None:
    """The number is named."""
    pool = Pool(Clock())
    connections = _put(pool, MAX_IDLE_CONNECTIONS + 1)
    assert len(pool) == MAX_IDLE_CONNECTIONS
    assert [connection.open for connection in connections] == [False] + [True] * MAX_IDLE_CONNECTIONS
    pool.close()


async def test_closing_closes_all_and_keeps_none_that_comes_later() -> None:
    """A response may end after the pool was closed. Closing twice is fine."""
    pool = Pool(Clock())
    before = [*_put(pool, 3), *_put(pool, 2, THERE)]
    pool.close()
    pool.close()
    (after,) = _put(pool)
    assert len(pool) == 0
    assert not any(connection.open for connection in [*before, after])


async def test_idle_connections_expire_without_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one timer, which is there only while something is idle."""
    timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        timers.append((seconds, callback))
        loop = asyncio.get_running_loop()
        return asyncio.TimerHandle(loop.time(), callback, [], loop)

    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", call_later)
    clock = Clock()
    pool = Pool(clock)
    (first,) = _put(pool)
    clock.now += IDLE_SECONDS / 2
    (second,) = _put(pool)
    clock.now += IDLE_SECONDS / 2
    timers[0][1]()
    assert (first.open, second.open) == (False, True)
    clock.now += IDLE_SECONDS
    timers[1][1]()
    assert not second.open
    assert [seconds for seconds, _ in timers] == [IDLE_SECONDS] * 2
    _put(pool)
    assert len(timers) == 3
    pool.close()
