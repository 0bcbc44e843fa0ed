"""The text of a registry, and what is left of processes that have ended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from sse_proxy.metrics.exposition import encode, merged_registry


class _CachingCollector(Collector):
    """Hands out the very same metric each time."""

    def __init__(self) -> None:
        self.metric = Metric("cached", "Cached.", "counter")
        self.metric.add_sample("cached_total", {}, 1)
        self.metric.add_sample("cached_created", {}, 2)

    def collect(self) -> Iterator[Metric]:
        yield self.metric


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("things_total", "Things.", registry=registry).inc()
    return registry


def test_plain_text_is_the_default() -> None:
    """Without a wish the classic text format is given, and it says so."""
    text, content_type = encode(_registry(), "")
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert text == b"# HELP things_total Things.\n# TYPE things_total counter\nthings_total 1.0\n"


def test_openmetrics_is_given_where_it_is_asked_for() -> None:
    """What Prometheus sends as Accept gets OpenMetrics, which OpenMetrics' own parser takes."""
    accept = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    text, content_type = encode(_registry(), accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = text_string_to_metric_families(text.decode())  # type: ignore[no-untyped-call]
    assert [family.name for family in families] == ["things"]


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text"])
def test_created_series_are_left_out_of_the_text_only(accept: str) -> None:
    """No ``_created`` sample is shown, and the collector's own metric stays whole."""
    collector = _CachingCollector()
    text, _ = encode(collector, accept)
    assert b"_created" not in text
    assert b"cached_total 1.0" in text
    assert len(collector.metric.samples) == 2


def test_live_gauges_of_dead_processes_are_removed(tmp_path: Path) -> None:
    """What an ended process had open is forgotten; its counts, other processes' gauges and unknown files stay."""
    child = subprocess.Popen(["true"])
    child.wait()
    dead, alive = child.pid, os.getpid()
    kept = {f"gauge_livesum_{alive}.db", f"counter_{dead}.db", f"gauge_all_{dead}.db", "gauge_livesum_odd.db"}
    gone = {f"gauge_livesum_{dead}.db", f"gauge_livemax_{dead}.db"}
    for name in kept | gone:
        (tmp_path / name).touch()
    merged_registry(str(tmp_path))
    assert {file.name for file in tmp_path.iterdir()} == kept


def test_a_process_of_another_user_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EPERM means that the process is there."""

    def forbidden(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbidden)
    (tmp_path / "gauge_livesum_1.db").touch()
    merged_registry(str(tmp_path))
    assert (tmp_path / "gauge_livesum_1.db").exists()


def test_merging_needs_a_directory(tmp_path: Path) -> None:
    """A directory that is not there is an error that names the variable it came from."""
    with pytest.raises(ValueError, match="PROMETHEUS_MULTIPROC_DIR"):
        merged_registry(str(tmp_path / "nowhere"))
