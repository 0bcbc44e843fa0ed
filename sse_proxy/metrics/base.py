"""What the data path tells the metrics, and the implementation that listens to nothing.

The protocol is deliberately small: a stream keeps plain integers while it runs and hands them over once, in a
`StreamReport`. The only call on the way of an event is `Metrics.gap`, which must cost well below a microsecond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ..core.admission import Refusal
from ..core.ledger import Ledger
from ..errors import Outcome
from ..replay.base import Stats

__all__ = ["Metrics", "NullMetrics", "Resumed", "StreamReport"]


class Resumed(StrEnum):
    """How a request for a kept stream was answered; the label values of ``sse_proxy_resumes_total``."""

    #: With what the client lacked, and then the live events.
    REPLAYED = "replayed"
    #: 204: it had everything.
    NOTHING_LEFT = "nothing_left"
    #: 404: no such stream, or not the caller's.
    UNKNOWN = "unknown"
    #: 410: what it lacked is gone.
    EVICTED = "evicted"
    #: A second request with the same idempotency key got the first one's stream.
    JOINED = "joined"
    #: 503: the store is down.
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """The life of one finished stream; seconds are fractions, counts are totals of the stream."""

    dialect: str
    #: None: the request asked for a stream and was answered with an ordinary response; only bytes and activity count.
    outcome: Outcome | None
    #: Seconds from the request to the first payload event; None when none came.
    first_event_seconds: float | None = None
    duration_seconds: float = 0.0
    events: int = 0
    #: Bytes read from the upstream ("in") and handed to the client ("out").
    bytes_in: int = 0
    bytes_out: int = 0
    heartbeats: Mapping[str, int] = field(default_factory=dict)
    repairs: Mapping[str, int] = field(default_factory=dict)
    #: By type (``input``, ``output``, …), from the usage that the upstream reported.
    tokens: Mapping[str, int] = field(default_factory=dict)
    #: Seconds without a byte to the client before it left; None unless it left.
    disconnect_silence_seconds: float | None = None


class Metrics(Protocol):
    """Where numbers go. No method may block, raise or await."""

    def request(self, route: str, code: int) -> None:
        """Count one answered request; *route* comes from a closed set, never from the path."""

    def opened(self) -> None:
        """A stream candidate entered."""

    def gap(self, seconds: float, events: int = 1) -> None:
        """Time between two payload events of one stream, for each of so many *events*."""

    def closed(self, report: StreamReport, exemplar: Mapping[str, str] | None = None) -> None:
        """A stream candidate left; called exactly once for each `opened`.

        *exemplar*: ``trace_id`` and ``span_id`` by which it can be looked up; None: nobody records it.
        """

    def loop_lag(self, seconds: float) -> None:
        """How late the event loop ran a timer."""

    def resumed(self, result: Resumed) -> None:
        """Count one answer to a request for a kept stream."""

    def refused(self, reason: Refusal) -> None:
        """Count one stream, reader of a kept one, or (``OPEN_FILES``) connection that was not let in."""

    def holds(self, ledger: Ledger) -> None:
        """What is held in buffers is counted in *ledger*."""

    def keeps(self, stats: Callable[[], Stats]) -> None:
        """Streams are kept for replay, and *stats* tells how many, whenever it is asked."""


class NullMetrics:
    """`Metrics` that counts nothing."""

    def request(self, route: str, code: int) -> None: ...

    def opened(self) -> None: ...

    def gap(self, seconds: float, events: int = 1) -> None: ...

    def closed(self, report: StreamReport, exemplar: Mapping[str, str] | None = None) -> None: ...

    def loop_lag(self, seconds: float) -> None: ...

    def resumed(self, result: Resumed) -> None: ...

    def refused(self, reason: Refusal) -> None: ...

    def holds(self, ledger: Ledger) -> None: ...

    def keeps(self, stats: Callable[[], Stats]) -> None: ...
