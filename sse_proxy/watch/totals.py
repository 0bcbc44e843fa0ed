"""What a process's ``/metrics`` tell of all its streams so far (INTERFACE § Metrics)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

__all__ = ["Bucket", "Totals", "totals_of"]

_PREFIX = "sse_proxy_"

#: More than the first number, at most the second; None: there is no most.
Bucket = tuple[float, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Since the process began; a process that has no such series yet has 0, or none."""

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


def _sum(samples: Iterable[Sample]) -> float:
    return math.fsum(sample.value for sample in samples)


def _by(samples: Iterable[Sample], label: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for sample in samples:
        if sample.value:
            name = sample.labels.get(label, "")
            found[name] = found.get(name, 0) + int(sample.value)
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


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
