"""`metrics.replay`: the series of what is kept for replay."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from sse_proxy.metrics.base import Resumed
from sse_proxy.metrics.replay import ReplaySeries
from sse_proxy.replay.base import Stats


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry of the test's own."""
    return CollectorRegistry()


def _numbers(registry: CollectorRegistry) -> list[float | None]:
    names = ("replay_streams", "replay_bytes", "replay_evictions_total", "store_errors_total")
    return [registry.get_sample_value(f"sse_proxy_{name}") for name in names]


def test_every_answer_has_its_series_from_the_start(registry: CollectorRegistry) -> None:
    """So that the first increase of each can be seen."""
    series = ReplaySeries(registry)
    series.resumed(Resumed.REPLAYED)
    found = {result: registry.get_sample_value("sse_proxy_resumes_total", {"result": result}) for result in Resumed}
    assert found == {result: float(result is Resumed.REPLAYED) for result in Resumed}


def test_nothing_is_kept_before_there_is_a_journal(registry: CollectorRegistry) -> None:
    """The series are there all the same: alerts need them."""
    ReplaySeries(registry).publish()
    assert _numbers(registry) == [0, 0, 0, 0]


def test_what_the_journal_tells_is_shown(registry: CollectorRegistry) -> None:
    """Gauges as they are, counts by what was added, though the journal goes on in the same object."""
    series, stats = ReplaySeries(registry), Stats()
    series.watch(lambda: stats)
    stats.streams, stats.bytes, stats.evictions, stats.store_errors = 3, 400, 5, 1
    series.publish()
    assert _numbers(registry) == [3, 400, 5, 1]
    stats.streams, stats.bytes, stats.evictions = 1, 100, 7
    series.publish()
    assert _numbers(registry) == [1, 100, 7, 1]


def test_the_counts_of_another_journal_are_added(registry: CollectorRegistry) -> None:
    """A counter never falls."""
    series = ReplaySeries(registry)
    for _ in range(2):
        series.watch(lambda: Stats(evictions=2))
        series.publish()
    assert _numbers(registry) == [0, 0, 4, 0]
