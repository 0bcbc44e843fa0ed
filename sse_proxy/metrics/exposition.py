"""How a registry becomes text, and how the files of several processes become one registry.

There are no ``_created`` series in the text: they double the counters and histograms, and nobody asks for them. They
are left out here, since prometheus_client's switch for it would change the metrics of the whole application.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

__all__ = ["encode", "merged_registry"]


def encode(registry: Collector, accept: str) -> tuple[bytes, str]:
    """The text of *registry* and its content type: OpenMetrics where the header value *accept* asks for it."""
    encoder, content_type = choose_encoder(accept)
    return encoder(_WithoutCreated(registry)), content_type


def merged_registry(directory: str) -> CollectorRegistry:
    """A registry over the files that prometheus_client's processes keep in *directory*.

    Raises:
        ValueError: *directory* is not one.
    """
    registry = CollectorRegistry()
    MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
    _forget_dead_processes(Path(directory))
    return registry


class _WithoutCreated(Collector):
    def __init__(self, registry: Collector) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            # A copy: a collector may keep its metric and hand out the same one again.
            kept = copy.copy(metric)
            kept.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield kept


def _forget_dead_processes(directory: Path) -> None:
    """Remove the "live" gauges of processes that have ended.

    prometheus_client leaves that to a hook of the server (`mark_process_dead`), which uvicorn does not have and which
    SIGKILL would skip: streams of a dead worker would count as open for ever.
    """
    for file in directory.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdecimal() and not _is_running(int(pid)):
            # Another process may be doing the same.
            file.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # there, and another user's
        return True
    return True
