"""What may go wrong, and for each fault the endings that a client may see and the outcomes that the proxy may count."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sse_proxy.demo.apis import Api
from sse_proxy.outcome import Outcome

__all__ = ["EXPECTED", "Expectation", "Fault", "Verdict", "is_silent_by_design"]


class Fault(StrEnum):
    """What happens to one request."""

    NONE = "nothing"
    # Harmless, all three: a silence that heartbeats have to fill, one byte a write, a client that reads slowly.
    QUIET = "silence"
    TRICKLE = "bytes one by one"
    SLOW = "slow client"
    # Of the upstream.
    RESET = "reset"
    DIE = "closed between events"
    DIE_MID_EVENT = "closed within an event"
    TRUNCATE = "a clean end too early"
    STALL = "silence for ever"
    GARBAGE = "no chunk where one is due"
    ERROR = "its own error in the stream"
    ERROR_FIRST = "its own error first"
    STATUS = "an HTTP error"
    HANG_UP = "closed without an answer"
    LATE = "no answer"
    TOO_LARGE = "an event that is too large"
    # Of the client.
    LEAVE = "client closes"
    LEAVE_RESET = "client resets"
    STALLED = "client reads nothing"

    @property
    def is_of_client(self) -> bool:
        """Whether the upstream knows nothing of it."""
        return self in {Fault.LEAVE, Fault.LEAVE_RESET, Fault.SLOW, Fault.STALLED}


class Verdict(StrEnum):
    """How a response ended for its client."""

    #: Every event that the upstream has, in order, and a clean end.
    WHOLE = "whole"
    #: An HTTP error, or an error in the stream behind a true beginning of it.
    TOLD = "told"
    #: The connection was lost before the end of the body, behind a true beginning.
    CUT = "cut"
    #: The client itself went away.
    LEFT = "left"
    # None of these may be.
    #: A clean end without some of the events, and without a word.
    SILENT = "truncated without a word"
    WRONG = "other events than the upstream's"
    STUCK = "no end in time"


@dataclass(frozen=True, slots=True)
class Expectation:
    """*verdicts* of the client and *outcomes* of the proxy that may come of a fault; None: none is counted."""

    verdicts: frozenset[Verdict]
    outcomes: frozenset[Outcome | None]


def _expect(verdicts: str, *outcomes: Outcome | None) -> Expectation:
    names = {"w": Verdict.WHOLE, "t": Verdict.TOLD, "c": Verdict.CUT, "l": Verdict.LEFT}
    return Expectation(frozenset(names[letter] for letter in verdicts), frozenset(outcomes))


_WELL = _expect("w", Outcome.COMPLETED)
_BROKEN = _expect("tc", Outcome.UPSTREAM_ERROR, Outcome.UPSTREAM_TRUNCATED)
#: Whoever leaves when all has been sent already is too late to be noticed.
_LEFT = _expect("lw", Outcome.CLIENT_DISCONNECTED, Outcome.COMPLETED)

EXPECTED: dict[Fault, Expectation] = {
    **dict.fromkeys((Fault.NONE, Fault.QUIET, Fault.TRICKLE, Fault.SLOW), _WELL),
    **dict.fromkeys((Fault.RESET, Fault.DIE, Fault.DIE_MID_EVENT, Fault.GARBAGE), _BROKEN),
    Fault.TRUNCATE: _expect("tc", Outcome.UPSTREAM_TRUNCATED),
    Fault.STALL: _expect("tc", Outcome.IDLE_TIMEOUT),
    Fault.ERROR: _expect("tc", Outcome.UPSTREAM_ERROR),
    Fault.ERROR_FIRST: _expect("tc", Outcome.UPSTREAM_ERROR),
    Fault.STATUS: _expect("t", Outcome.UPSTREAM_ERROR, None),
    Fault.HANG_UP: _expect("t", Outcome.UPSTREAM_ERROR, Outcome.UPSTREAM_TRUNCATED),
    Fault.LATE: _expect("tc", Outcome.FIRST_EVENT_TIMEOUT),
    Fault.TOO_LARGE: _expect("tc", Outcome.TOO_LARGE),
    Fault.LEAVE: _LEFT,
    Fault.LEAVE_RESET: _LEFT,
    # The kernel has the same patience (tcp(7), TCP_USER_TIMEOUT), and may be first: then the client is gone.
    Fault.STALLED: _expect("cl", Outcome.CLIENT_STALLED, Outcome.CLIENT_DISCONNECTED),
}


def is_silent_by_design(api: Api) -> bool:
    """Whether silence of its streams is no fault, however long (INTERFACE § Settings, ``idle_timeout_seconds``)."""
    return api.methods != frozenset({"POST"}) or api.name in {"mcp", "a2a"}
