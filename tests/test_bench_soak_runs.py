"""The soak itself, short and whole; and real leaks and a real silent truncation, planted for it to find."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from bench.soak import kill, storm
from bench.soak.books import Books
from bench.soak.census import grown
from bench.soak.client import perform
from bench.soak.errands import QUICK, Errand, Kind, errand
from bench.soak.expected import Fault, Verdict
from bench.soak.found import Plan
from bench.soak.page import of_soak, of_storm
from bench.soak.place import Place
from bench.soak.processes import Proxy, UpstreamProcess, proxy, upstream
from bench.soak.soak import soak

from .conftest import require_component

_SEED = 5


def test_a_short_soak_finds_nothing_wrong() -> None:
    """Every check is on, over all dialects, faults and disturbances, in memory and on Redis."""
    require_component("redis-server")
    found = soak(Plan(seconds=2.5, warm_seconds=0.4, load=60, every_seconds=0.6, mix="quick", seed=_SEED))
    assert [side.books.faults for side in found.sides] == [[], []]
    seen = {fault for side in found.sides for _, fault, _ in side.books.seen}
    assert len(seen) >= len(Fault) - 3
    assert sum(found.disturbances.values()) >= 1
    assert sum(side.books.seen.total() for side in found.sides) > 100
    assert of_soak(found)[0].count("- met: ") == 4


@pytest.fixture(scope="module")
def faulty() -> Iterator[UpstreamProcess]:
    """The upstream that fails as it is told to."""
    with upstream("quick", _SEED) as running:
        yield running


@pytest.fixture(scope="module")
def watched(faulty: UpstreamProcess) -> Iterator[Proxy]:
    """A proxy that can be looked into."""
    with proxy("watched", faulty.port) as running:
        yield running


def _of(fault: Fault) -> Errand:
    every = (errand(QUICK, _SEED, number) for number in itertools.count())
    return next(each for each in every if (each.fault, each.kind, each.api.framing) == (fault, Kind.STREAM, "sse"))


async def test_a_planted_silent_truncation_is_caught(faulty: UpstreamProcess) -> None:
    """Asked without the proxy, the upstream ends cleanly in the middle: that is what the client must not let pass."""
    books, place = Books(), Place(port=faulty.port, limit_seconds=30)
    for fault in (Fault.NONE, Fault.DIE, Fault.TRUNCATE):
        books.add(await perform(_of(fault), place, fault.name))
    assert [verdict for _, _, verdict in books.seen] == [Verdict.WHOLE, Verdict.CUT, Verdict.SILENT]
    assert len(books.faults) == 1
    assert books.faults[0].startswith("TRUNCATE ")


@pytest.mark.parametrize("what", ["task", "timer", "descriptor"])
def test_a_planted_leak_is_caught(watched: Proxy, what: str) -> None:
    """In a real process: one task, timer or file that stays is told by name, and nothing where nothing does."""
    before = watched.census()
    while grown(before, after := watched.census()):  # a process that has just begun starts its own timers still
        before = after
    watched.plant(what)
    told = grown(before, watched.census())
    assert told
    # A sleeping task has a timer, too.
    assert all(each.startswith((f"{what}s: ", "timers: ")) for each in told)


def test_a_planted_leak_of_memory_is_seen(watched: Proxy) -> None:
    """What a process keeps is in its resident memory, by at least so much."""
    before = watched.resident_kib
    watched.plant("memory")
    assert watched.resident_kib - before > 7 * 1024


@pytest.mark.shows
def test_a_small_storm_is_weathered() -> None:
    """Streams come and go, and all of them are accounted for."""
    seen = storm.storm(storm.Plan(streams=100, seconds=15.0, seed=_SEED))
    assert (seen.books.faults, "missed" in of_storm(seen)[0]) == ([], False)
    assert seen.place.late_seconds
    assert seen.hit.total() > 0


@pytest.mark.shows
def test_few_readers_survive_every_kill() -> None:
    """Whoever is killed, readers are told, and what is in Redis is replayed."""
    require_component("redis-server")
    plan = kill.Plan(readers=9, tokens=30, kill_after_seconds=1.0)
    tolls = kill.kill(plan)
    assert [told for toll in tolls for told in kill.is_met(toll, plan)] == []
    assert [toll.replayed is None for toll in tolls] == [True, True, False, False, False]


def test_streams_are_ended_with_the_test(watched: Proxy, faulty: UpstreamProcess) -> None:
    """The rig itself leaves no request behind: what a client leaves, the upstream is left by."""
    place = Place(port=watched.port, limit_seconds=30)
    result = asyncio.run(perform(_of(Fault.LEAVE_RESET), place, "left"))
    assert result.verdict in {Verdict.LEFT, Verdict.WHOLE}

    async def streams() -> int:
        async with asyncio.timeout(30):
            while told := (await faulty.order(do="idle"))["streams"]:
                await asyncio.sleep(0.05)
            return told

    assert asyncio.run(streams()) == 0
