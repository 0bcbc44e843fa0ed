"""What the picture of the dashboard works out before anything is drawn: units, single buckets, Grafana's variables."""

from __future__ import annotations

import pytest

from bench.observability.picture import single_buckets, used
from bench.observability.prometheus import Series, expanded
from bench.observability.units import shown


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "s", "0 s"),
        (0.00025, "s", "250 µs"),
        (0.0125, "s", "12.5 ms"),
        (1.5, "s", "1.5 s"),
        (600.0, "s", "10 min"),
        (0.9861, "percentunit", "98.6 %"),
        (1536.0, "bytes", "1.5 KiB"),
        (2.5e6, "Bps", "2.5 MB/s"),
        (5.0, "bytes", "5 B"),
        (12.34, "short", "12.3"),
    ],
)
def test_numbers_carry_their_unit(value: float, unit: str, text: str) -> None:
    """Three digits and the sign of the unit that fits the size."""
    assert text == shown(value, unit)


def _bucket(le: str, *values: float) -> Series:
    return Series(labels={"le": le}, points=tuple(enumerate(map(float, values))))


def test_a_bucket_is_shown_without_those_below_it() -> None:
    """Prometheus counts into every bucket from a value's own upwards; a heatmap shows each value once, in order."""
    cumulative = [_bucket("+Inf", 6, 9), _bucket("0.5", 1, 1), _bucket("10.0", 4, 9)]
    assert [("0.5", {0: 1, 1: 1}), ("10.0", {0: 3, 1: 8}), ("+Inf", {0: 2, 1: 0})] == single_buckets(cumulative)


def test_the_heatmap_begins_and_ends_where_something_was() -> None:
    """Empty buckets at either end are left out, those in between stay."""
    buckets = single_buckets([_bucket("1", 0), _bucket("2", 3), _bucket("3", 3), _bucket("4", 4), _bucket("+Inf", 4)])
    assert ["2", "3", "4"] == [le for le, _ in used(buckets)]
    assert used(single_buckets([_bucket("1", 0), _bucket("+Inf", 0)])) == []


def test_a_query_is_sent_as_grafana_would() -> None:
    """Everything chosen, and both of Grafana's windows filled in."""
    asked = 'sum (rate(a{namespace=~"$namespace",job=~"$job",pod=~"$pod"}[$__rate_interval])) + rate(b[$__range])'
    sent = 'sum (rate(a{namespace=~".*",job=~".*",pod=~".*"}[4m])) + rate(b[6h])'
    assert sent == expanded(asked, window="4m", whole="6h")
