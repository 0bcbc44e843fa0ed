"""Proves `sse_proxy.upstream.dial`: the order of addresses, the race between them, and that no loser is left over."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from sse_proxy.upstream.dial import connect_first, interleave, resolve

from .conftest import LIMIT_SECONDS
from .upstream_calls import other_tasks
from .upstream_peers import both_loops

V4, V6 = socket.AF_INET, socket.AF_INET6
FOREVER = 10 * LIMIT_SECONDS


def test_families_take_turns_and_the_first_stays_first() -> None:
    """RFC 8305 § 4; the order within a family is the resolver's."""
    assert interleave([(V6, "a"), (V6, "b"), (V6, "c"), (V4, "1"), (V4, "2")]) == ["a", "1", "b", "2", "c"]
    assert interleave([(V4, "1"), (V6, "a")]) == ["1", "a"]
    assert interleave([]) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%1"])
async def test_a_literal_needs_no_resolver(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver is a thread, and may be slow. A zone stays."""
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", None)
    assert await resolve(host, 80) == [host]


@both_loops
async def test_a_name_is_resolved_to_each_of_its_addresses_once() -> None:
    """For TCP only."""
    addresses = await resolve("localhost", 80)
    assert "127.0.0.1" in addresses
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize("host", ["a" * 64, ".."])
@both_loops
async def test_what_cannot_be_a_name_is_an_error_of_the_documented_kind(*, host: str) -> None:
    """No other exception gets out."""
    with pytest.raises((OSError, UnicodeError)):
        await resolve(host, 80)


class Attempts:
    """Connects to addresses named for what happens: ``ok…`` connects, ``bad…`` fails, ``silent…`` does nothing."""

    def __init__(self) -> None:
        self.answer: Callable[[str], Awaitable[None]] = self.by_name
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.discarded: list[str] = []

    async def connect(self, address: str) -> str:
        self.begun.append(address)
        try:
            await self.answer(address)
        finally:
            self.ended.append(address)
        return address

    async def by_name(self, address: str) -> None:
        await asyncio.sleep(0)
        if address.startswith("bad"):
            raise ConnectionRefusedError(address)
        if address.startswith("silent"):
            await asyncio.Event().wait()

    async def first(self, *addresses: str, delay_seconds: float = FOREVER) -> str:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await connect_first(addresses, self.connect, self.discarded.append, delay_seconds=delay_seconds)


async def test_the_first_that_answers_at_once_is_the_only_attempt() -> None:
    """In the given order."""
    attempts = Attempts()
    assert await attempts.first("ok1", "ok2") == "ok1"
    assert await attempts.first("ok3") == "ok3"
    assert attempts.begun == ["ok1", "ok3"]


async def test_a_refused_address_gives_way_to_the_next_at_once() -> None:
    """The delay is for silence only."""
    attempts = Attempts()
    assert await attempts.first("bad1", "bad2", "ok") == "ok"


async def test_a_silent_address_gives_way_after_the_delay_and_is_ended() -> None:
    """RFC 8305 § 5."""
    attempts = Attempts()
    assert await attempts.first("silent1", "silent2", "ok", delay_seconds=0.001) == "ok"
    assert sorted(attempts.begun) == sorted(attempts.ended)
    assert not other_tasks()


async def test_a_silent_address_may_still_win() -> None:
    """When the later ones fail: it is not given up, just not waited for."""
    attempts = Attempts()
    go = asyncio.Event()

    async def late(address: str) -> None:
        if address == "late":
            await go.wait()
        else:
            go.set()
            raise ConnectionRefusedError(address)

    attempts.answer = late
    assert await attempts.first("late", "bad1", "bad2", delay_seconds=0.001) == "late"


async def test_when_all_fail_the_last_failure_is_told() -> None:
    """One address or several; none at all is a failure too."""
    attempts = Attempts()
    for addresses in (["bad"], ["bad1", "bad"]):
        with pytest.raises(ConnectionRefusedError, match=r"^bad$"):
            await attempts.first(*addresses)
    with pytest.raises(OSError, match="no address"):
        await attempts.first()


@pytest.mark.parametrize("addresses", [["silent"], ["silent1", "silent2", "silent3"]])
async def test_cancelling_ends_every_attempt(addresses: list[str]) -> None:
    """One attempt or several."""
    attempts = Attempts()
    connecting = asyncio.create_task(attempts.first(*addresses, delay_seconds=0))
    while len(attempts.begun) < len(addresses):
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert sorted(attempts.ended) == addresses
    assert not other_tasks()


def _stubborn(gate: asyncio.Event) -> Callable[[str], Awaitable[None]]:
    async def answer(address: str) -> None:
        try:
            await gate.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # slow to end, and then it succeeds all the same

    return answer


async def test_a_second_winner_is_discarded() -> None:
    """Two attempts that succeed in the same turn of the event loop."""
    attempts, gate = Attempts(), asyncio.Event()
    attempts.answer = _stubborn(gate)
    racing = asyncio.create_task(attempts.first("1", "2", delay_seconds=0))
    while len(attempts.begun) < 2:
        await asyncio.sleep(0)
    gate.set()
    winner = await racing
    assert {winner, *attempts.discarded} == {"1", "2"}


async def test_a_loser_that_succeeds_after_a_second_cancellation_is_discarded() -> None:
    """Nobody waits for it any more."""
    attempts = Attempts()
    attempts.answer = _stubborn(asyncio.Event())
    racing = asyncio.create_task(attempts.first("1", "2", delay_seconds=0))
    while len(attempts.begun) < 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    racing.cancel()
    await asyncio.sleep(0)
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing
    while len(attempts.discarded) < 2:
        await asyncio.sleep(0)
