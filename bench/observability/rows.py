"""All rows of the dashboard."""

from __future__ import annotations

from .rows_level import LATENCY, SERVICE_LEVEL
from .rows_outcomes import OUTCOMES, RESUME
from .rows_servers import PROCESS, UPSTREAM

__all__ = ["ROWS"]

#: From top to bottom.
ROWS = (SERVICE_LEVEL, LATENCY, OUTCOMES, RESUME, UPSTREAM, PROCESS)
