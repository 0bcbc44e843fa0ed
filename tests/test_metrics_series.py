"""Bounded label sets and batched observations mean the same as prometheus_client's own, within their bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram

from sse_proxy.metrics.buckets import INTER_EVENT_BUCKETS
from sse_proxy.metrics.series import MAX_LABEL_SETS, OTHER, BatchedHistogram, LabelSets

_SECONDS = st.one_of(st.sampled_from(INTER_EVENT_BUCKETS), st.floats(min_value=0, max_value=1e6))


def _samples(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.lists(st.tuples(_SECONDS, st.integers(1, 4)))))
def test_batches_add_up_to_what_observing_each_gives(batches: list[list[tuple[float, int]]]) -> None:
    """However observations are cut into batches, edges included, every bucket and the sum are those of `observe`."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    batched = BatchedHistogram("gap_seconds", "Gaps.", registry=ours, buckets=INTER_EVENT_BUCKETS)
    plain = Histogram("gap_seconds", "Gaps.", registry=theirs, buckets=INTER_EVENT_BUCKETS)
    for batch in batches:
        for seconds, times in batch:
            batched.observe_later(seconds, times)
            for _ in range(times):
                plain.observe(seconds)
        batched.publish()
    assert pytest.approx(_samples(theirs)) == _samples(ours)


def test_nothing_is_seen_before_it_is_published_and_nothing_twice() -> None:
    """Observations show after `publish`, once."""
    registry = CollectorRegistry()
    batched = BatchedHistogram("gap_seconds", "Gaps.", registry=registry, buckets=INTER_EVENT_BUCKETS)
    batched.observe_later(0.02)
    assert registry.get_sample_value("gap_seconds_count") == 0
    batched.publish()
    batched.publish()
    assert registry.get_sample_value("gap_seconds_count") == 1
    assert registry.get_sample_value("gap_seconds_sum") == 0.02


def test_label_sets_are_bounded() -> None:
    """Label values that nobody bounded end up under `OTHER`, in the metric and in our own table."""
    registry = CollectorRegistry()
    counter = Counter("requests_total", "Requests.", ["route", "code"], registry=registry)
    sets = LabelSets(counter, [("known", "200")])
    for number in range(10_000):
        sets.child(f"/users/{number}", "200").inc()
    sets.child("known", "200").inc()
    series = [sample for metric in registry.collect() for sample in metric.samples if sample.name == "requests_total"]
    assert len(series) == MAX_LABEL_SETS + 1
    assert sum(sample.value for sample in series) == 10_001
    assert registry.get_sample_value("requests_total", {"route": "known", "code": "200"}) == 1
    assert registry.get_sample_value("requests_total", {"route": OTHER, "code": OTHER}) == 10_000 - MAX_LABEL_SETS + 1
    assert len(sets) <= MAX_LABEL_SETS + 1
