"""What a process's ``/metrics`` tell of all its streams (INTERFACE § Metrics), and ``/-/streams`` of those still open.

The metrics count a stream's events, heartbeats and repairs at its end. Who looks at a process wants to see them grow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

__all__ = ["Bucket", "Totals", "totals_of", "with_open"]

_PREFIX = "sse_proxy_"

#: More than the first number, at most the second; None: there is no most.
Bucket = tuple[float, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Since the process began; a process that has no such series yet has 0, or none.

    Events, heartbeats and repairs are of streams that have ended, unless `with_open` has added the others.
    """

    version: str
    #: Unix time; 0 where the process does not tell.
    started: float
    draining: bool
    active: int
    #: Streams that have ended, by outcome; those that have none are left out.
    outcomes: dict[str, int]
    events: int
    heartbeats: int
    #: By kind; those that were never made are left out.
    repairs: dict[str, int]
    resident_bytes: int
    #: Of the time to the first event: the bucket that the median is in, and that of the 95th percentile.
    ttft_p50_seconds: Bucket | None
    ttft_p95_seconds: Bucket | None


def totals_of(exposition: str) -> Totals:
    """The totals in the text of ``/metrics``.

    Raises:
        ValueError: it is no such text.
    """
    samples: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            samples.setdefault(sample.name.removeprefix(_PREFIX), []).append(sample)
    buckets = _buckets(samples.get("time_to_first_event_seconds_bucket", ()))
    return Totals(
        version=next((sample.labels.get("version", "") for sample in samples.get("build_info", ())), ""),
        started=_sum(samples.get("process_start_time_seconds", ())),
        draining=_sum(samples.get("draining", ())) > 0,
        active=int(_sum(samples.get("streams_active", ()))),
        outcomes=_by(samples.get("streams_total", ()), "outcome"),
        events=int(_sum(samples.get("events_total", ()))),
        heartbeats=int(_sum(samples.get("heartbeats_total", ()))),
        repairs=_by(samples.get("repairs_total", ()), "kind"),
        resident_bytes=int(_sum(samples.get("process_resident_memory_bytes", ()))),
        ttft_p50_seconds=_holding(buckets, 0.5),
        ttft_p95_seconds=_holding(buckets, 0.95),
    )


def with_open(totals: Totals, streams: Iterable[Mapping[str, Any]]) -> Totals:
    """*totals* with the events, heartbeats and repairs of *streams*, which are open, as ``/-/streams`` tells them.

    One that ends between the two looks is counted twice, or not at all, until the next. Readers of a kept stream are
    not in the metrics, and not counted in here.
    """
    events, heartbeats, repairs = totals.events, totals.heartbeats, dict(totals.repairs)
    for row in streams:
        if row.get("route") == "resume":
            continue
        events += _whole(row.get("events"))
        heartbeats += _whole(row.get("heartbeats"))
        made = row.get("repairs")
        for kind, number in made.items() if isinstance(made, dict) else ():
            repairs[kind] = repairs.get(kind, 0) + _whole(number)
    return replace(totals, events=events, heartbeats=heartbeats, repairs=_ordered(repairs))


def _whole(value: object) -> int:
    """A number that another process tells, perhaps of another version; 0 where it is none."""
    return value if isinstance(value, int) else 0


def _sum(samples: Iterable[Sample]) -> float:
    return math.fsum(sample.value for sample in samples)


def _by(samples: Iterable[Sample], label: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for sample in samples:
        name = sample.labels.get(label, "")
        found[name] = found.get(name, 0) + int(sample.value)
    return _ordered(found)


def _ordered(numbers: Mapping[str, int]) -> dict[str, int]:
    """The largest first; without those that are 0."""
    pairs = sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))
    return {name: number for name, number in pairs if number}


def _buckets(samples: Iterable[Sample]) -> list[tuple[float, float]]:
    """Upper bounds with how many are at most so large."""
    return sorted((float(sample.labels["le"]), sample.value) for sample in samples)


def _holding(buckets: list[tuple[float, float]], share: float) -> Bucket | None:
    """The bucket with the quantile *share*; None without an observation.

    Where in it is not known. Prometheus's ``histogram_quantile`` takes a straight line through it, which makes 3.4 s of
    streams that all took 2.5 s.
    """
    if not buckets or not buckets[-1][1]:
        return None
    at = next(at for at, (_bound, count) in enumerate(buckets) if count >= share * buckets[-1][1])
    bound = buckets[at][0]
    return buckets[at - 1][0] if at else 0.0, None if math.isinf(bound) else bound
