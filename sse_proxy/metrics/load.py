"""The series of what the process has to bear: ``refusals_total``, ``buffer_bytes``."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from ..core.admission import Refusal
from ..core.ledger import Ledger
from .series import LabelSets

__all__ = ["LoadSeries"]


class LoadSeries:
    """Series of *registry*, all at 0 at first."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refusals = LabelSets(
            Counter(
                "sse_proxy_refusals_total", "Streams and connections refused, by reason.", ["reason"], registry=registry
            ),
            [(reason.value,) for reason in Refusal],
        )
        # "live": what a process held is gone with it.
        self._bytes = Gauge(
            "sse_proxy_buffer_bytes",
            "Bytes held in buffers, of max_buffer_bytes.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._ledger: Ledger | None = None

    def refused(self, reason: Refusal) -> None:
        """Count one."""
        self._refusals.child(reason.value).inc()

    def watch(self, ledger: Ledger) -> None:
        """Show what *ledger* says from now on."""
        self._ledger = ledger

    def publish(self) -> None:
        """Bring the series up to date."""
        if self._ledger is not None:
            self._bytes.set(self._ledger.bytes)
