"""What one measurement per event costs: ours, published later, beside prometheus_client's own."""

from __future__ import annotations

import timeit

from prometheus_client import CollectorRegistry, Histogram

from sse_proxy.metrics.buckets import INTER_EVENT_BUCKETS
from sse_proxy.metrics.series import BatchedHistogram

_NUMBER = 200_000
_ROUNDS = 5


def main() -> None:
    """Print the table."""
    registry = CollectorRegistry()
    batched = BatchedHistogram("gap_seconds", "Gaps.", registry=registry, buckets=INTER_EVENT_BUCKETS)
    plain = Histogram("plain_seconds", "Gaps.", registry=registry, buckets=INTER_EVENT_BUCKETS)
    ours = min(timeit.repeat(lambda: batched.observe_later(0.031), number=_NUMBER, repeat=_ROUNDS))
    theirs = min(timeit.repeat(lambda: plain.observe(0.031), number=_NUMBER, repeat=_ROUNDS))
    print("| | us a call |")
    print("|---|---|")
    print(f"| BatchedHistogram.observe_later | {ours / _NUMBER * 1e6:.2f} |")
    print(f"| Histogram.observe | {theirs / _NUMBER * 1e6:.2f} |")


if __name__ == "__main__":
    main()
