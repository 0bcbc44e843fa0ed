"""The doctor's test stream: `endpoint` says who may have how many, `run` writes one."""

from __future__ import annotations

from .endpoint import MAX_PER_CLIENT, MAX_PROBES, Probe

__all__ = ["MAX_PER_CLIENT", "MAX_PROBES", "Probe"]
