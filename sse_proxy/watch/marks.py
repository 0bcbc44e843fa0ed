"""The vocabulary of a stream that is looked at: its head, the marks on it, and how it ended.

Times are seconds since the request was sent; a gap is what has passed since the mark before, of whatever kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ..core.headers import HeaderList
from ..core.sse import Repairs

__all__ = ["Ending", "Head", "Kind", "Mark", "Verdict"]


class Kind(StrEnum):
    """What a mark is; the values are those of ``--json``."""

    #: A payload event, the terminator included.
    EVENT = "event"
    #: The API's own no-op event, or an event without data: a heartbeat.
    PING = "ping"
    #: A comment line: a heartbeat.
    COMMENT = "comment"
    #: The event by which the server tells that it has failed.
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The head of the response."""

    t: float
    status: int
    reason: str
    http_version: str
    headers: HeaderList


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing seen on the stream."""

    t: float
    gap: float
    kind: Kind
    #: Of the stream since the mark before, its framing included.
    size_bytes: int
    #: The event's type; empty means ``message``.
    event: str = ""
    #: The last event ID that the event sets; None leaves it as it was.
    id: str | None = None
    retry: int | None = None
    #: The event's data; a comment's text.
    data: str = ""
    #: What it adds to the first answer, where the API is known.
    text: str = ""
    #: Thoughts that the API keeps apart from the answer.
    reasoning: str = ""
    #: Pieces of tool calls: a name, a piece of the arguments.
    tools: tuple[str, ...] = ()
    #: Why the answer ended; None: it goes on.
    finish: str | None = None
    #: Defects of the framing since the mark before, by the names that the proxy counts them under.
    repairs: Repairs = field(default_factory=dict)

    @property
    def is_heartbeat(self) -> bool:
        """Whether it says nothing but that the line is open."""
        return self.kind in {Kind.PING, Kind.COMMENT}


class Verdict(StrEnum):
    """How a stream ended; those that the proxy has too are named as its outcomes."""

    COMPLETED = "completed"
    #: The server told an error in the stream.
    UPSTREAM_ERROR = "upstream_error"
    #: The end came before the API's terminal signal, or within an event, or the connection broke.
    UPSTREAM_TRUNCATED = "upstream_truncated"
    #: One event is over the limit.
    TOO_LARGE = "too_large"
    #: The body breaks its framing, and a part is lost.
    GARBLED = "garbled"
    #: A status other than 2xx.
    HTTP_ERROR = "http_error"
    #: A 2xx without a stream in it.
    NO_STREAM = "no_stream"
    #: The user has had enough.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The verdict on a stream, and what it rests on."""

    verdict: Verdict
    #: The API's own signal told that the answer is whole; a generic stream has none, so that nobody can know.
    verified: bool = False
    #: What there is to be said besides, as a phrase; empty for nothing.
    detail: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing, as far as it can be known."""
        return self.verdict is Verdict.COMPLETED
