"""The closed set of ways in which a stream ends."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Outcome"]


class Outcome(StrEnum):
    """How a stream ended; the label values of ``sse_proxy_streams_total`` (INTERFACE "Metrics")."""

    COMPLETED = "completed"
    CLIENT_DISCONNECTED = "client_disconnected"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_TRUNCATED = "upstream_truncated"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_EVENT_TIMEOUT = "first_event_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    CLIENT_STALLED = "client_stalled"
    TOO_LARGE = "too_large"
    DRAINED = "drained"
    REJECTED = "rejected"
    STOPPED = "stopped"
