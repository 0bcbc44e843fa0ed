"""`PrometheusMetrics` shows what INTERFACE § Metrics promises, in one process and in several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from sse_proxy.errors import Outcome
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics import prometheus
from sse_proxy.metrics.base import Metrics, StreamReport
from sse_proxy.metrics.prometheus import PrometheusMetrics

from .conftest import require_component
from .metrics_threads import ThreadCollector

_ROOT = Path(__file__).resolve().parent.parent
_DIALECTS = {"openai_chat", "openai_completions", "openai_responses", "anthropic", "generic"}
# Name and labels of all that INTERFACE lists; and the last two, which it does not forbid: why streams are refused, and
# how much is held, could be told by nothing else.
_FAMILIES = {
    ("sse_proxy_requests_total", "counter"): {"route", "code"},
    ("sse_proxy_streams_active", "gauge"): set(),
    ("sse_proxy_streams_total", "counter"): {"dialect", "outcome"},
    ("sse_proxy_time_to_first_event_seconds", "histogram"): {"le"},
    ("sse_proxy_inter_event_seconds", "histogram"): {"le"},
    ("sse_proxy_stream_duration_seconds", "histogram"): {"outcome", "le"},
    ("sse_proxy_events_total", "counter"): {"dialect"},
    ("sse_proxy_stream_bytes_total", "counter"): {"direction"},
    ("sse_proxy_heartbeats_total", "counter"): {"mode"},
    ("sse_proxy_repairs_total", "counter"): {"kind"},
    ("sse_proxy_tokens_total", "counter"): {"type"},
    ("sse_proxy_disconnect_silence_seconds", "histogram"): {"le"},
    ("sse_proxy_resumes_total", "counter"): {"result"},
    ("sse_proxy_replay_streams", "gauge"): set(),
    ("sse_proxy_replay_bytes", "gauge"): set(),
    ("sse_proxy_replay_evictions_total", "counter"): set(),
    ("sse_proxy_store_errors_total", "counter"): set(),
    ("sse_proxy_event_loop_lag_seconds", "histogram"): {"le"},
    ("sse_proxy_draining", "gauge"): set(),
    ("sse_proxy_build_info", "gauge"): {"version"},
    ("sse_proxy_refusals_total", "counter"): {"reason"},
    ("sse_proxy_buffer_bytes", "gauge"): set(),
}
_EXEMPLAR = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"}
_REPORT = StreamReport(
    dialect="openai_chat",
    outcome=Outcome.CLIENT_DISCONNECTED,
    first_event_seconds=0.2,
    duration_seconds=61.5,
    events=7,
    bytes_in=700,
    bytes_out=900,
    heartbeats={"comment": 2, "data": 1},
    repairs={"bom": 1},
    tokens={"input": 11, "output": 7},
    disconnect_silence_seconds=60.1,
)


def _series(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def _value(metrics: PrometheusMetrics, name: str, **labels: str) -> float | None:
    return _series(metrics.render()[0]).get((f"sse_proxy_{name}", frozenset(labels.items())))


@pytest.fixture
def metrics() -> PrometheusMetrics:
    """Metrics that nobody has fed yet."""
    return PrometheusMetrics()


def _feed(metrics: PrometheusMetrics) -> None:
    metrics.request("proxy", 200)
    metrics.opened()
    metrics.gap(0.03)
    metrics.closed(_REPORT, _EXEMPLAR)
    metrics.loop_lag(0.002)


def test_names_types_and_labels_are_the_contracts(metrics: PrometheusMetrics) -> None:
    """Every name of INTERFACE is there with just its labels, and nothing else with our prefix."""
    _feed(metrics)
    found = {}
    for family in text_string_to_metric_families(metrics.render()[0].decode()):
        if family.name.startswith("sse_proxy_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name, family.type] = {label for sample in family.samples for label in sample.labels}
    assert found == _FAMILIES


def test_known_label_sets_start_at_zero(metrics: PrometheusMetrics) -> None:
    """The series of each outcome of each dialect, each mode and each direction exist before anything happened."""
    series = _series(metrics.render()[0])
    for dialect in _DIALECTS:
        for outcome in Outcome:
            labels = frozenset({("dialect", dialect), ("outcome", outcome.value)})
            assert series["sse_proxy_streams_total", labels] == 0
        assert series["sse_proxy_events_total", frozenset({("dialect", dialect)})] == 0
    for outcome in Outcome:
        assert series["sse_proxy_stream_duration_seconds_count", frozenset({("outcome", outcome.value)})] == 0
    for mode in ("comment", "comment-block", "data"):
        assert series["sse_proxy_heartbeats_total", frozenset({("mode", mode)})] == 0
    for direction in ("in", "out"):
        assert series["sse_proxy_stream_bytes_total", frozenset({("direction", direction)})] == 0


def test_a_finished_stream_is_counted_in_every_series(metrics: PrometheusMetrics) -> None:
    """Each field of a report ends up where its name says, and the stream is open no longer."""
    protocol: Metrics = metrics
    protocol.opened()
    assert _value(metrics, "streams_active") == 1
    protocol.gap(0.03)
    protocol.closed(_REPORT)
    assert _value(metrics, "streams_active") == 0
    assert _value(metrics, "streams_total", dialect="openai_chat", outcome="client_disconnected") == 1
    assert _value(metrics, "stream_duration_seconds_sum", outcome="client_disconnected") == 61.5
    assert _value(metrics, "time_to_first_event_seconds_sum") == 0.2
    assert _value(metrics, "inter_event_seconds_bucket", le="0.05") == 1
    assert _value(metrics, "inter_event_seconds_bucket", le="0.025") == 0
    assert _value(metrics, "events_total", dialect="openai_chat") == 7
    assert _value(metrics, "stream_bytes_total", direction="in") == 700
    assert _value(metrics, "stream_bytes_total", direction="out") == 900
    assert _value(metrics, "heartbeats_total", mode="comment") == 2
    assert _value(metrics, "heartbeats_total", mode="data") == 1
    assert _value(metrics, "repairs_total", kind="bom") == 1
    assert _value(metrics, "tokens_total", type="input") == 11
    assert _value(metrics, "tokens_total", type="output") == 7
    assert _value(metrics, "disconnect_silence_seconds_bucket", le="59.5") == 0
    assert _value(metrics, "disconnect_silence_seconds_bucket", le="61.0") == 1


def test_an_ordinary_response_counts_bytes_and_activity_only(metrics: PrometheusMetrics) -> None:
    """A stream candidate that was answered without a stream is no stream in any total."""
    metrics.opened()
    metrics.closed(StreamReport(dialect="generic", outcome=None, bytes_in=5, bytes_out=6, duration_seconds=3, events=1))
    series = _series(metrics.render()[0])
    changed = {name: value for (name, labels), value in series.items() if name.startswith("sse_proxy_") and value}
    assert changed == {
        "sse_proxy_stream_bytes_total": changed["sse_proxy_stream_bytes_total"],
        "sse_proxy_build_info": 1,
    }
    assert _value(metrics, "stream_bytes_total", direction="in") == 5
    assert _value(metrics, "stream_bytes_total", direction="out") == 6


def test_what_did_not_happen_is_not_observed(metrics: PrometheusMetrics) -> None:
    """A stream without a first event and without a disconnect leaves both histograms alone."""
    metrics.opened()
    metrics.closed(StreamReport(dialect="generic", outcome=Outcome.FIRST_EVENT_TIMEOUT))
    assert _value(metrics, "time_to_first_event_seconds_count") == 0
    assert _value(metrics, "disconnect_silence_seconds_count") == 0


def test_requests_and_lag_are_counted(metrics: PrometheusMetrics) -> None:
    """One request, one tick."""
    metrics.request("gate", 503)
    metrics.loop_lag(0.3)
    assert _value(metrics, "requests_total", route="gate", code="503") == 1
    assert _value(metrics, "event_loop_lag_seconds_sum") == 0.3


@pytest.mark.parametrize("count", [0, -1, 2**53, 10**400])
def test_absurd_usage_of_an_upstream_is_left_out(metrics: PrometheusMetrics, count: int) -> None:
    """No number that an upstream reports makes `closed` raise, or a counter fall or freeze."""
    metrics.opened()
    metrics.closed(StreamReport(dialect="generic", outcome=Outcome.COMPLETED, tokens={"input": count}))
    assert _value(metrics, "tokens_total", type="input") == 0


def test_the_drain_state_is_that_of_the_bound_lifecycle(metrics: PrometheusMetrics) -> None:
    """``draining`` follows the lifecycle both ways, and is 0 before there is one."""
    assert _value(metrics, "draining") == 0
    lifecycle = Lifecycle()
    metrics.bind(lifecycle)
    lifecycle.drain()
    assert _value(metrics, "draining") == 1
    lifecycle.undrain()
    assert _value(metrics, "draining") == 0


def test_the_version_is_the_installed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """``build_info`` names the installed distribution."""
    monkeypatch.setattr(prometheus, "version", lambda: "1.2.3")
    assert _value(PrometheusMetrics(), "build_info", version="1.2.3") == 1


def test_a_registry_takes_the_metrics_once() -> None:
    """The registry that was given holds the series; a second object on it is an error."""
    registry = CollectorRegistry()
    PrometheusMetrics(registry)
    assert registry.get_sample_value("sse_proxy_streams_active") == 0
    assert registry.get_sample_value("python_info") is None
    with pytest.raises(ValueError, match="sse_proxy_"):
        PrometheusMetrics(registry)


def test_the_process_is_shown_beside_the_streams(metrics: PrometheusMetrics) -> None:
    """Without a registry of the caller there are process, platform and garbage collector metrics."""
    names = {name for name, _ in _series(metrics.render()[0])}
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info", "python_gc_collections_total"} <= names


async def test_the_text_is_made_off_the_loop() -> None:
    """`render_off_loop` collects in another thread, and gives what `render` gives."""
    registry, collector = CollectorRegistry(), ThreadCollector()
    registry.register(collector)
    metrics = PrometheusMetrics(registry)
    metrics.gap(0.03)
    rendered = await metrics.render_off_loop("application/openmetrics-text")
    assert len(collector.threads) == 1
    assert threading.get_ident() not in collector.threads
    assert rendered == metrics.render("application/openmetrics-text")
    assert _value(metrics, "inter_event_seconds_count") == 1


def test_both_formats_are_well_formed(metrics: PrometheusMetrics) -> None:
    """OpenMetrics passes its strict parser, the text format ``promtool check metrics`` without a remark."""
    promtool = require_component("promtool")
    _feed(metrics)
    openmetrics = metrics.render("application/openmetrics-text")[0].decode()
    assert list(parse_openmetrics(openmetrics))  # type: ignore[no-untyped-call]
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=metrics.render()[0], capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


# A worker: feeds, says so, then waits for its input to end, as a worker that serves would.
_WORKER = """
import sys
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.prometheus import PrometheusMetrics
from tests.test_metrics_prometheus import _feed
metrics = PrometheusMetrics()
metrics.bind(Lifecycle())
metrics.opened()
_feed(metrics)
print("fed", flush=True)
sys.stdin.read()
sys.stdout.buffer.write(metrics.render()[0])
"""


def _worker(directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=_ROOT,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
    )


def test_several_processes_answer_as_one(tmp_path: Path) -> None:
    """Any worker shows the sum of all, gaps included; one that was killed keeps its counts but has no streams open."""
    first, second, third = workers = [_worker(tmp_path) for _ in range(3)]
    with first, second, third:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"fed\n"
        text, _ = first.communicate()
        assert _totals(text) == {"streams_active": 3.0, "draining": 0.0, "inter_event_seconds_count": 3.0}
        third.send_signal(signal.SIGKILL)
        third.wait()
        text, _ = second.communicate()
        assert _totals(text) == {"streams_active": 1.0, "draining": 0.0, "inter_event_seconds_count": 3.0}
    series = _series(text)
    chat = frozenset({("dialect", "openai_chat"), ("outcome", "client_disconnected")})
    assert series["sse_proxy_streams_total", chat] == 3
    assert [value for (name, _), value in series.items() if name == "sse_proxy_build_info"] == [1]
    assert "_created" not in text.decode()


def _totals(text: bytes) -> dict[str, float]:
    series = _series(text)
    names = ("streams_active", "draining", "inter_event_seconds_count")
    return {name: series[f"sse_proxy_{name}", frozenset()] for name in names}
