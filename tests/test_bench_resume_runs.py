"""The three shows of resume, each run small: real replicas, a real redis-server, and goals that are met."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from bench.resume import cost, finished, roam
from bench.resume.faults import FAULTS
from bench.resume.store import Store, store

from .conftest import require_component


@pytest.fixture(autouse=True)
def _has_redis() -> None:
    require_component("redis-server")


@pytest.fixture
def running() -> Iterator[Store]:
    """A Redis that writes its data down."""
    with store(min(os.sched_getaffinity(0)), "--appendonly", "yes") as server:
        yield server


def test_a_store_is_stopped_filled_and_counted(running: Store) -> None:
    """Its data outlives a restart; full, it takes nothing; and it tells which keys are for ever."""
    running.client.set("a", 1, px=60_000)
    running.stop()
    running.start()
    running.client.set("b", 1)
    running.count_from_here()
    lives = running.lifetimes()
    assert (lives["b"], sorted(lives)) == (-1, ["a", "b"])
    assert 0 < lives["a"] <= 60_000
    assert running.commands()["pttl"] == 2
    running.fill(is_full=True)
    with pytest.raises(Exception, match="maxmemory"):
        running.client.set("c", "x" * 2**20)
    running.fill(is_full=False)
    running.client.set("c", 1)


@pytest.mark.shows
def test_roamers_lose_nothing_when_nothing_happens() -> None:
    """Five of them on three replicas; with one of those killed, each is told how its stream ends."""
    few = roam.Plan(clients=5, tokens=25, fault_after_seconds=0.1, seed=3)
    chosen = [fault for fault in FAULTS if fault.name in {"nothing", "killed"}]
    text = roam.roam(few, chosen)
    assert text.count("- met: ") == 4, text
    assert "| nothing | 5 complete | 0 | 0 | 0 |" in text


@pytest.mark.shows
def test_finished_streams_leave_nothing() -> None:
    """In memory, and in Redis."""
    few = finished.Plan(streams=20, tokens=2, at_once=10, ttl_seconds=1.0, settle_seconds=1.0)
    text = finished.finished(few)
    assert "missed" not in text


def test_costs_are_measured_for_every_variant() -> None:
    """In one short round; what they are is not for a test."""
    text = cost.cost(cost.Plan(rounds=1, streams=2, window_seconds=0.3, settle_seconds=0.1))
    assert text.count("| `resume = ") == 5
    assert "`evalsha`" in text
