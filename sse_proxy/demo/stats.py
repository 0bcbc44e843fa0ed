"""What became of the requests: counters, and one record for each request that carried ``X-Mock-Id``.

Tests prove with it that the upstream saw a close, and when. Stamps are seconds of `time.monotonic`, which all processes
of a machine share.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from .blocks import JSONObject

__all__ = ["Record", "State", "Stats"]


class State(StrEnum):
    """Where a request stands."""

    RUNNING = "running"
    #: The response went out whole, as the knobs wanted it.
    COMPLETED = "completed"
    #: The client left before that.
    DISCONNECTED = "disconnected"
    #: The mock aborted the connection, because a knob said so.
    DIED = "died"


@dataclass(slots=True, kw_only=True)
class Record:
    """One request."""

    path: str
    #: How many requests, this one included, carried its name since the last `Stats.reset`.
    requests: int = 1
    state: State = State.RUNNING
    started_at: float = field(default_factory=time.monotonic)
    closed_at: float | None = None
    #: Events, comments left out, that the server took from us.
    events_sent: int = 0
    bytes_sent: int = 0
    #: Grows while the request body comes in.
    bytes_received: int = 0

    def describe(self) -> JSONObject:
        """JSON-ready facts; ``closed_at`` is null while it runs, and ``now`` is the time of asking."""
        return {
            "path": self.path,
            "requests": self.requests,
            "state": self.state,
            "started_at": self.started_at,
            "closed_at": self.closed_at,
            "now": time.monotonic(),
            "events_sent": self.events_sent,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
        }


class Stats:
    """All requests since the last `reset`, those to ``/mock/…`` left out."""

    def __init__(self) -> None:
        self._totals: Counter[str] = Counter()
        self._paths: dict[str, Counter[str]] = {}
        self._named: dict[str, Record] = {}
        #: Requests that run now; those from before a `reset` are among them.
        self._active: Counter[str] = Counter()

    def begin(self, path: str, name: str | None) -> Record:
        """The record of a new request; the latest one of a *name* is kept."""
        record = Record(path=path)
        self._count(path, "started")
        self._active[path] += 1
        if name is not None:
            if (before := self._named.get(name)) is not None:
                record.requests = before.requests + 1
            self._named[name] = record
        return record

    def close(self, record: Record, state: State) -> None:
        """The end of a request that `begin` counted."""
        record.state = state
        record.closed_at = time.monotonic()
        self._count(record.path, state)
        self._active[record.path] -= 1

    def describe(self) -> JSONObject:
        """Counters in total and by path: ``started``, ``active``, and one for each final `State`."""
        return {
            **self._counters(self._totals, self._active.total()),
            "paths": {path: self._counters(counts, self._active[path]) for path, counts in self._paths.items()},
        }

    def describe_one(self, name: str) -> JSONObject | None:
        """The record of the request that carried *name*; None when there was none."""
        record = self._named.get(name)
        return None if record is None else record.describe()

    def reset(self) -> None:
        """Forget everything but what still runs."""
        self._totals.clear()
        self._paths.clear()
        self._named.clear()

    def _count(self, path: str, what: str) -> None:
        self._totals[what] += 1
        self._paths.setdefault(path, Counter())[what] += 1

    @staticmethod
    def _counters(counts: Counter[str], active: int) -> JSONObject:
        names = ("started", State.COMPLETED.value, State.DISCONNECTED.value, State.DIED.value)
        return {"active": active, **{name: counts[name] for name in names}}
