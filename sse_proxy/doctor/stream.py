"""What the body of a response says: its events, heartbeats and defects. Filled by `reading`."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.dialects import GENERIC, Dialect, StreamState
from ..core.framers import Framing
from ..core.sniff import Kind
from ..core.sse import Event

__all__ = ["Arrived", "Beat", "Defect", "Stream"]

#: Of a malformed line, so much is shown; and of each kind of defect, so many lines are remembered.
_SHOWN_CHARACTERS = 80
_LINES_A_KIND = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One event."""

    at: float
    #: Which read of the socket completed it.
    read: int
    #: Bytes on the wire since the event before it, content codings undone.
    size: int
    event: Event


@dataclass(frozen=True, slots=True)
class Beat:
    """A comment, or an event that only keeps the connection open."""

    at: float
    text: str


@dataclass(slots=True, kw_only=True)
class Defect:
    """All of one kind."""

    kind: str
    times: int = 0
    #: The first few lines, with what stands there; empty where the framing has no lines.
    lines: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Stream:
    """What the body of a response says."""

    #: How the records follow each other; a `Kind` where the body is no stream of records.
    framing: Framing | Kind
    dialect: Dialect
    events: list[Arrived] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)
    defects: dict[str, Defect] = field(default_factory=dict)
    state: StreamState = field(default_factory=StreamState)
    #: Why reading ended before the body did; empty when it did not.
    broken: str = ""

    @property
    def complete(self) -> bool:
        """Whether the stream has said that it is whole, as far as its API can say it."""
        ends_itself = self.dialect is GENERIC or (self.dialect.completes_at_end and not self.state.owes_end)
        return self.state.error is None and (ends_itself or self.state.complete)

    def note(self, kind: str, times: int = 1, line: int = 0, text: str = "") -> None:
        """Remember a defect."""
        defect = self.defects.setdefault(kind, Defect(kind=kind))
        defect.times += times
        if line and len(defect.lines) < _LINES_A_KIND:
            defect.lines.append((line, text[:_SHOWN_CHARACTERS]))
