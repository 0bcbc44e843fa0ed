"""Heartbeat and every deadline of one response as one state machine; time is an argument, in seconds of any clock.

The owner tells the `Pacer` what happens (one-line methods, cheap enough for every event) and keeps one lazy timer: it
fires no later than `Pacer.next`, asks `Pacer.due` what to do, and is armed again. Nothing is re-armed per event, since
`next` allows for whatever may happen until then; only after `Pacer.limit` and `Pacer.completed` the owner arms again.

Rules (INTERFACE "Settings", DESIGN facts 1 and 12):

- A heartbeat says nothing about the upstream: it pushes back the heartbeat alone, never a timeout.
- No heartbeat while a send is in flight, and none before the response is committed.
- While the client does not take what was sent, the upstream is not read: the clocks of its silence stand still.
- After 60 s without data (comments are not data) the heartbeat is a data event, for clients that count events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

__all__ = ["DATA_HEARTBEAT_SECONDS", "Action", "Limits", "Pacer"]

#: Second-tier heartbeat: the strictest client that counts events gives up after 120 s (reference: formats.md § 0).
DATA_HEARTBEAT_SECONDS = 60.0

_NEVER = float("inf")

#: While a send is in flight, how soon to look again for what has run out meanwhile.
_RECHECK_SECONDS = 1.0


class Action(Enum):
    """What is due."""

    COMMIT = auto()
    HEARTBEAT = auto()
    DATA_HEARTBEAT = auto()
    COMPLETE = auto()
    FIRST_EVENT_TIMEOUT = auto()
    IDLE_TIMEOUT = auto()
    TOTAL_TIMEOUT = auto()
    CLIENT_STALLED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Durations in seconds; 0 switches one off, but for `completion_grace`, where it means at once."""

    heartbeat: float = 0.0
    commit_after: float = 0.0
    first_event: float = 0.0
    idle: float = 0.0
    total: float = 0.0
    completion_grace: float = 0.0
    client_stall: float = 0.0


class Pacer:
    """The clockwork of one response.

    Attributes:
        last_event: When the last payload event (non-stream: byte) came, or the upload last moved; the time that sends
            have taken since then is added.
        last_write: When bytes were last handed to the client, heartbeats included.
        sending_since: When the send that is in flight began; None when none is.
    """

    __slots__ = (
        "_alone", "_committed", "_completed", "_events", "_last_data", "_limits", "_look", "_sent", "_shortest",
        "_started", "last_event", "last_write", "sending_since",
    )  # fmt: skip

    def __init__(self, limits: Limits, now: float) -> None:
        self._alone = False
        self._look = _NEVER
        self.limit(limits)
        self._started = now
        #: The whole request is with the application (or upstream) since then; None while it is uploaded.
        self._sent: float | None = None
        self._committed = False
        self._completed = False
        self._events = False
        self._last_data = now
        self.last_event = now
        self.last_write = now
        self.sending_since: float | None = None

    def limit(self, limits: Limits) -> None:
        """Replace the limits, once the response's kind is known; arm the timer again."""
        if self._alone:
            limits = replace(limits, heartbeat=0.0, client_stall=0.0)
        self._limits = limits
        starting = (limits.heartbeat, limits.commit_after, limits.first_event, limits.idle, limits.client_stall)
        #: No clock that something yet to happen starts can run out sooner.
        self._shortest = min((self._look, *(seconds for seconds in starting if seconds)))

    def look_every(self, seconds: float) -> None:
        """Have the owner look so often at the least, for something of its own; arm the timer again."""
        self._look = seconds
        self.limit(self._limits)

    def leave_alone(self) -> None:
        """There is no client any more: no heartbeat is due, and none can be late to read; arm the timer again."""
        self._alone = True
        self.limit(self._limits)

    def uploaded(self, now: float) -> None:
        """A piece of the request body passed on."""
        self.last_event = now

    def sent(self, now: float) -> None:
        """The request is complete: the wait for the first event begins."""
        if self._sent is None:
            self._sent = self.last_event = now

    def committed(self, now: float) -> None:
        """The client has response headers: heartbeats begin, though it counts its silence from the request."""
        if not self._committed:
            self._committed = True
            self.last_write = now

    def event(self, now: float) -> None:
        """A payload event came (non-stream: the head or a piece of the body)."""
        self._events = True
        self.last_event = now

    def passed(self, now: float) -> None:
        """A payload event came and went out in the same moment, while no other send was in flight."""
        self._events = True
        self.last_event = self.last_write = self._last_data = now

    def wrote(self, now: float) -> None:
        """A send of the upstream's bytes is done."""
        self._resume(now)
        self.last_write = self._last_data = now

    def beat(self, now: float, *, data: bool) -> None:
        """The send of a heartbeat is done; *data* tells a no-op event from a comment."""
        self._resume(now)
        self.last_write = now
        if data:
            self._last_data = now

    def completed(self, now: float) -> None:
        """Nothing more is to come, though the upstream has not ended it; arm the timer again."""
        if not self._completed:
            self._completed = True
            self.last_event = now

    def due(self, now: float) -> Action | None:
        """What has to be done at *now*, most urgent first; None when nothing has."""
        for action, deadline in self._deadlines():
            if now >= deadline:
                return action
        return None

    def next(self, now: float) -> float:
        """When `due` has to be asked again, at the latest; infinity when nothing can become due."""
        deadlines = [deadline for _, deadline in self._deadlines()]
        if self.sending_since is not None and self._shortest < _NEVER:
            deadlines.append(now + _RECHECK_SECONDS)
            silence = self._silence(self._resumed(now))
            if silence is not None and silence[1] > now:
                # That clock stands still now, and runs on from here at the earliest.
                deadlines.append(silence[1])
        return min(*deadlines, now + self._shortest, _NEVER)

    def _deadlines(self) -> list[tuple[Action, float]]:
        limits = self._limits
        found: list[tuple[Action, float]] = []
        if limits.total:
            found.append((Action.TOTAL_TIMEOUT, self._started + limits.total))
        if self.sending_since is not None:
            if limits.client_stall:
                found.append((Action.CLIENT_STALLED, self.sending_since + limits.client_stall))
            return found
        if (silence := self._silence(self.last_event)) is not None:
            found.append(silence)
        if self._completed:
            return found
        if self._committed:
            if limits.heartbeat:
                found.append(self._heartbeat())
        elif limits.commit_after and self._sent is not None and not self._events:
            found.append((Action.COMMIT, self._sent + limits.commit_after))
        return found

    def _silence(self, since: float) -> tuple[Action, float] | None:
        """The one deadline that runs while the upstream is silent, as it has been *since* then."""
        limits = self._limits
        if self._completed:
            return Action.COMPLETE, since + limits.completion_grace
        if self._events or self._sent is None:
            return (Action.IDLE_TIMEOUT, since + limits.idle) if limits.idle else None
        return (Action.FIRST_EVENT_TIMEOUT, since + limits.first_event) if limits.first_event else None

    def _heartbeat(self) -> tuple[Action, float]:
        deadline = self.last_write + self._limits.heartbeat
        data_due = deadline - self._last_data >= DATA_HEARTBEAT_SECONDS
        return Action.DATA_HEARTBEAT if data_due else Action.HEARTBEAT, deadline

    def _resumed(self, now: float) -> float:
        """`last_event`, moved on by the time that the send in flight has taken."""
        if self.sending_since is None:
            return self.last_event
        return min(self.last_event + (now - self.sending_since), now)

    def _resume(self, now: float) -> None:
        """The send in flight, if any, is done."""
        self.last_event = self._resumed(now)
        self.sending_since = None
