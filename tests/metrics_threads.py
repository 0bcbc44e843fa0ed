"""A collector that tells on which thread metrics are rendered."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

__all__ = ["ThreadCollector"]


class ThreadCollector(Collector):
    """Collects nothing, and notes the thread that it is asked on."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def collect(self) -> Iterator[Metric]:
        self.threads.append(threading.get_ident())
        return iter(())
