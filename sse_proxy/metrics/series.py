"""Two things that prometheus_client lacks: a bounded number of label sets, and observations at the price of a list.

Both are fed on one thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram

__all__ = ["MAX_LABEL_SETS", "OTHER", "BatchedHistogram", "LabelSets"]

#: Label sets of one metric; what comes above it is counted under `OTHER`. The callers' sets are closed: this is the
#: second lock on the door, since one raw path as a label value costs memory here and in Prometheus for ever.
MAX_LABEL_SETS = 512
OTHER = "other"

#: So many observations wait to be sorted, at most.
_MAX_UNSORTED = 1024

_M = TypeVar("_M", Counter, Histogram)


class LabelSets(Generic[_M]):
    """The children of one labelled metric: looked up without prometheus_client's lock, bounded in number."""

    def __init__(self, metric: _M, known: Sequence[tuple[str, ...]] = ()) -> None:
        self._metric: _M = metric
        self._children: dict[tuple[str, ...], _M] = {}
        for values in known:
            self.child(*values)

    def __len__(self) -> int:
        return len(self._children)

    def child(self, *values: str) -> _M:
        """The metric of these label *values*, or that of `OTHER` once `MAX_LABEL_SETS` are in use."""
        found = self._children.get(values)
        if found is None:
            if len(self) >= MAX_LABEL_SETS:
                values = (OTHER,) * len(values)
            found = self._children[values] = self._metric.labels(*values)
        return found


class BatchedHistogram(Histogram):
    """A histogram without labels whose observations are counted first and published later, all at once."""

    def __init__(self, name: str, documentation: str, *, registry: CollectorRegistry, buckets: Sequence[float]) -> None:
        super().__init__(name, documentation, registry=registry, buckets=buckets)
        self._edges = tuple(buckets)
        # One more than edges: the last is what is above all of them (+Inf).
        self._pending = [0] * (len(buckets) + 1)
        self._pending_sum = 0.0
        #: Single observations, not yet sorted into the buckets: in a row that costs a fraction.
        self._unsorted: list[float] = []

    def observe_later(self, seconds: float, times: int = 1) -> None:
        """Count one observation, or *times* the same, to be seen after the next `publish`."""
        if times > 1:
            self._sort(seconds, times)
            return
        self._unsorted.append(seconds)
        if len(self._unsorted) >= _MAX_UNSORTED:
            self._sort_all()

    def publish(self) -> None:
        """Hand what was counted to prometheus_client."""
        # `_buckets` and `_sum` are private there, and the one way to add many observations at once with several
        # processes too; a test compares the outcome with `observe`, so a change of theirs cannot pass unseen.
        self._sort_all()
        if not any(self._pending):
            return
        for index, count in enumerate(self._pending):
            if count:
                self._buckets[index].inc(count)
                self._pending[index] = 0
        self._sum.inc(self._pending_sum)
        self._pending_sum = 0.0

    def _sort_all(self) -> None:
        for seconds in self._unsorted:
            self._sort(seconds, 1)
        self._unsorted.clear()

    def _sort(self, seconds: float, times: int) -> None:
        # A bucket's upper bound is inclusive: the first edge that is not below the value.
        self._pending[bisect_left(self._edges, seconds)] += times
        self._pending_sum += seconds * times
