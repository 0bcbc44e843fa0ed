"""`Metrics` for Prometheus: INTERFACE § Metrics, to the letter.

Everything is fed and published on the event loop's thread; only the text is made in another one (`render_off_loop`),
since that takes milliseconds. Gaps are counted in a plain list (0.2 µs each; `Histogram.observe` costs 1.3 µs, 3 µs
with several processes) and published when a stream closes, when the loop's lag is reported, and before a scrape.

With ``PROMETHEUS_MULTIPROC_DIR`` set, prometheus_client keeps the values in files and any process answers for all.
Then there are no ``process_*`` and ``python_*`` metrics: prometheus_client has none in that mode.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from functools import cache

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from ..errors import Outcome
from ..lifecycle import Lifecycle
from ..version import version
from .base import StreamReport
from .buckets import DURATION_BUCKETS, FIRST_EVENT_BUCKETS, INTER_EVENT_BUCKETS, LAG_BUCKETS, SILENCE_BUCKETS
from .exposition import encode, merged_registry
from .load import LoadSeries
from .replay import ReplaySeries
from .series import BatchedHistogram, LabelSets

__all__ = ["PrometheusMetrics", "default_metrics"]

# The label values that are known beforehand, so that their series start at 0 and `rate` sees the first increment.
#: What nearly every proxy sees; the series of other dialects are made at their first stream.
_COMMON_DIALECTS = ("openai_chat", "openai_completions", "openai_responses", "anthropic", "generic")
_HEARTBEAT_MODES = ("comment", "comment-block", "data", "space")

#: Where counting one by one ends in a float. A larger "count" is an upstream's nonsense, and would raise or freeze the
#: counter.
_MAX_COUNT = 2**53


class PrometheusMetrics:
    """`Metrics` as series of *registry*; None: a registry of its own, with the process's metrics.

    Raises:
        ValueError: *registry* already has series of these names.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # prometheus_client's own variable, which it has obeyed already at its import: not a setting of ours.
        self._multiprocess_dir = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        self._registry = _process_registry() if registry is None else registry
        self._lifecycle: Lifecycle | None = None
        self._define_streams(self._registry)
        self._define_times(self._registry)
        self._define_process(self._registry)
        self._replay = ReplaySeries(self._registry)
        #: See `Metrics.resumed`, `Metrics.keeps`.
        self.resumed, self.keeps = self._replay.resumed, self._replay.watch
        self._load = LoadSeries(self._registry)
        #: See `Metrics.refused`, `Metrics.holds`.
        self.refused, self.holds = self._load.refused, self._load.watch
        #: See `Metrics.gap`. The histogram's own method, since a call in between would cost as much again.
        self.gap = self._inter_event.observe_later

    def _define_streams(self, registry: CollectorRegistry) -> None:
        def counter(name: str, documentation: str, *labels: str) -> Counter:
            return Counter(f"sse_proxy_{name}", documentation, labels, registry=registry)

        self._requests = LabelSets(counter("requests_total", "Requests answered.", "route", "code"))
        self._streams = LabelSets(
            counter("streams_total", "Streams finished, by how they ended.", "dialect", "outcome")
        )
        self._events = LabelSets(counter("events_total", "Payload events of finished streams.", "dialect"))
        #: Dialects whose series are there. All of them would be hundreds of lines in every scrape of a proxy that
        #: stands in front of one server.
        self._dialects: set[str] = set()
        for dialect in _COMMON_DIALECTS:
            self._begin(dialect)
        moved = counter(
            "stream_bytes_total",
            "Bytes read from upstreams (in), sent to clients (out), of finished streams.",
            "direction",
        )
        self._bytes_in, self._bytes_out = moved.labels("in"), moved.labels("out")
        self._heartbeats = LabelSets(
            counter("heartbeats_total", "Heartbeats sent to clients, of finished streams.", "mode"),
            [(mode,) for mode in _HEARTBEAT_MODES],
        )
        self._repairs = LabelSets(counter("repairs_total", "Repairs of malformed streams.", "kind"))
        self._tokens = LabelSets(
            counter("tokens_total", "Tokens in the usage reported by upstreams.", "type"), [("input",), ("output",)]
        )

    def _define_times(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, documentation: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"sse_proxy_{name}", documentation, labels, registry=registry, buckets=buckets)

        self._first_event = histogram(
            "time_to_first_event_seconds", "From the request to its first payload event.", FIRST_EVENT_BUCKETS
        )
        self._inter_event = BatchedHistogram(
            "sse_proxy_inter_event_seconds",
            "Between two payload events of a stream.",
            registry=registry,
            buckets=INTER_EVENT_BUCKETS,
        )
        self._durations = LabelSets(
            histogram("stream_duration_seconds", "From the request to the stream's end.", DURATION_BUCKETS, "outcome"),
            [(outcome.value,) for outcome in Outcome],
        )
        self._silence = histogram(
            "disconnect_silence_seconds",
            "Silence before a client left; a spike at 60 s is an idle timeout of a load balancer.",
            SILENCE_BUCKETS,
        )
        self._lag = histogram("event_loop_lag_seconds", "How late the event loop ran a timer.", LAG_BUCKETS)

    def _define_process(self, registry: CollectorRegistry) -> None:
        # "live": a process that has ended has no streams, and its drain is over (`exposition.merged_registry`).
        self._active = Gauge(
            "sse_proxy_streams_active", "Streams open now.", registry=registry, multiprocess_mode="livesum"
        )
        self._draining = Gauge(
            "sse_proxy_draining", "1 while draining, else 0.", registry=registry, multiprocess_mode="livemax"
        )
        # Not an Info: prometheus_client has none with several processes.
        build = Gauge(
            "sse_proxy_build_info",
            "Always 1; the version is the label.",
            ["version"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        build.labels(version()).set(1)

    def bind(self, lifecycle: Lifecycle) -> None:
        """Show the drain state of *lifecycle* as ``sse_proxy_draining`` from now on."""
        self._lifecycle = lifecycle

    def request(self, route: str, code: int) -> None:
        self._requests.child(route, str(code)).inc()

    def opened(self) -> None:
        self._active.inc()

    def closed(self, report: StreamReport, exemplar: Mapping[str, str] | None = None) -> None:
        self._active.dec()
        self._bytes_in.inc(report.bytes_in)
        self._bytes_out.inc(report.bytes_out)
        if report.outcome is not None:
            self._count(report, report.outcome, exemplar)
        self._publish()

    def _begin(self, dialect: str) -> None:
        """Make the series of *dialect*, all at 0, so that the first increase of each can be seen."""
        self._dialects.add(dialect)
        self._events.child(dialect)
        for outcome in Outcome:
            self._streams.child(dialect, outcome.value)

    def _count(self, report: StreamReport, outcome: Outcome, exemplar: Mapping[str, str] | None) -> None:
        if report.dialect not in self._dialects:
            self._begin(report.dialect)
        self._streams.child(report.dialect, outcome.value).inc()
        self._durations.child(outcome.value).observe(report.duration_seconds)
        self._events.child(report.dialect).inc(report.events)
        if report.first_event_seconds is not None:
            self._first_event.observe(report.first_event_seconds, None if exemplar is None else dict(exemplar))
        if report.disconnect_silence_seconds is not None:
            self._silence.observe(report.disconnect_silence_seconds)
        _add(self._heartbeats, report.heartbeats)
        _add(self._repairs, report.repairs)
        _add(self._tokens, report.tokens)

    def loop_lag(self, seconds: float) -> None:
        self._lag.observe(seconds)
        # With several processes another one may be asked for our numbers, so they are put where it finds them.
        self._publish()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The exposition text and its content type, in the format that the header value *accept* asks for.

        Blocks for milliseconds, and belongs on the thread that feeds this object.
        """
        self._publish()
        return self._encode(accept)

    async def render_off_loop(self, accept: str = "") -> tuple[bytes, str]:
        """As `render`, with the text made in a thread, so that no stream waits for a scrape."""
        self._publish()
        return await asyncio.to_thread(self._encode, accept)

    def _publish(self) -> None:
        """Bring the series up to date; on the feeding thread, since pending counts may not change meanwhile."""
        self._inter_event.publish()
        self._replay.publish()
        self._load.publish()
        if self._lifecycle is not None:
            self._draining.set(self._lifecycle.draining)

    def _encode(self, accept: str) -> tuple[bytes, str]:
        if self._multiprocess_dir is None:
            return encode(self._registry, accept)
        return encode(merged_registry(self._multiprocess_dir), accept)


@cache
def default_metrics() -> PrometheusMetrics:
    """The metrics of this process, on prometheus_client's default registry, beside the application's own.

    Made at the first call. `SSEMiddleware` uses them where it is given no others.

    Raises:
        ValueError: that registry already has series of these names.
    """
    return PrometheusMetrics(REGISTRY)


def _add(counters: LabelSets[Counter], counts: Mapping[str, int]) -> None:
    """Add each count to the counter of its label; zero, negative and absurd ones (an upstream's own) are left out."""
    for label, count in counts.items():
        if 0 < count < _MAX_COUNT:
            counters.child(label).inc(count)


def _process_registry() -> CollectorRegistry:
    """A registry with the collectors of prometheus_client's default one: process, platform, garbage collector."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry
