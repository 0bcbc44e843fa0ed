"""Numbers about streams: `base.Metrics` is what the data path tells, `prometheus` shows it, `endpoint` serves it.

Importing registers no series; the first `prometheus.default_metrics` does.
"""

from __future__ import annotations

from .endpoint import metrics_app

__all__ = ["metrics_app"]
