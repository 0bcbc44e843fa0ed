"""The series of streams that are kept for replay: ``resumes_total``, ``replay_*``, ``store_errors_total``."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from ..replay.base import Stats
from .base import Resumed
from .series import LabelSets

__all__ = ["ReplaySeries"]


class ReplaySeries:
    """Series of *registry*, all at 0 until something is kept."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._resumes = LabelSets(
            Counter("sse_proxy_resumes_total", "Requests for a kept stream, by answer.", ["result"], registry=registry),
            [(result.value,) for result in Resumed],
        )

        def gauge(name: str, documentation: str) -> Gauge:
            # "live": what a process kept in memory is gone with it.
            return Gauge(f"sse_proxy_{name}", documentation, registry=registry, multiprocess_mode="livesum")

        self._streams = gauge("replay_streams", "Streams that this process keeps for replay.")
        self._bytes = gauge("replay_bytes", "Bytes that this process holds for replay.")
        self._evictions = Counter(
            "sse_proxy_replay_evictions_total", "Events dropped for want of room.", registry=registry
        )
        self._store_errors = Counter("sse_proxy_store_errors_total", "Failures of the store.", registry=registry)
        self._stats: Callable[[], Stats] | None = None
        #: What of the journal's counts is counted here.
        self._counted = Stats()

    def resumed(self, result: Resumed) -> None:
        """Count one answer."""
        self._resumes.child(result.value).inc()

    def watch(self, stats: Callable[[], Stats]) -> None:
        """Show what *stats* tells from now on."""
        self._stats, self._counted = stats, Stats()

    def publish(self) -> None:
        """Bring the series up to date."""
        if self._stats is None:
            return
        now, counted = self._stats(), self._counted
        self._streams.set(now.streams)
        self._bytes.set(now.bytes)
        self._evictions.inc(now.evictions - counted.evictions)
        self._store_errors.inc(now.store_errors - counted.store_errors)
        # A copy: a journal may go on counting in the same object.
        self._counted = Stats(evictions=now.evictions, store_errors=now.store_errors)
