"""The closed set of ways in which a stream ends."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Outcome"]


class Outcome(StrEnum):
    """How a stream ended; the label values of ``sse_proxy_streams_total`` (INTERFACE "Metrics")."""

    #: The API's own terminal signal was seen (or, of a format without one, a clean end), and the client has it all.
    COMPLETED = "completed"
    #: The client closed its connection.
    CLIENT_DISCONNECTED = "client_disconnected"
    #: The upstream refused, broke off, spoke garbage, or told an error of its own.
    UPSTREAM_ERROR = "upstream_error"
    #: The upstream's body ended cleanly, without the terminal signal of its API.
    UPSTREAM_TRUNCATED = "upstream_truncated"
    #: No connection to the upstream within ``connect_timeout_seconds``.
    CONNECT_TIMEOUT = "connect_timeout"
    #: No payload event within ``first_event_timeout_seconds``.
    FIRST_EVENT_TIMEOUT = "first_event_timeout"
    #: No payload event for ``idle_timeout_seconds``; heartbeats of either side do not count.
    IDLE_TIMEOUT = "idle_timeout"
    #: The whole stream took longer than ``total_timeout_seconds``.
    TOTAL_TIMEOUT = "total_timeout"
    #: The client read nothing for ``client_stall_timeout_seconds`` while there was something to send.
    CLIENT_STALLED = "client_stalled"
    #: One event over ``max_event_bytes``.
    TOO_LARGE = "too_large"
    #: Still open at the end of a drain.
    DRAINED = "drained"
    #: Refused by a limit, or an upload that its client does not go on with: those are counted among the streams. The
    #: code of every other refusal too (the drain, a wrong token, a wrong request), which come before anybody knows
    #: whether a stream was asked for, and are counted as requests of the route ``gate``.
    REJECTED = "rejected"
    #: Stopped by its owner, with DELETE on the kept stream.
    STOPPED = "stopped"
