"""A stream in numbers, counted while its marks come."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.sse import Repairs
from .marks import Ending, Kind, Mark

__all__ = ["MAX_TEXT_CHARACTERS", "Summary", "Tally"]

#: Of a longer answer the rest is not kept; its marks have told it.
MAX_TEXT_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What is to be said of a stream that has ended."""

    ending: Ending
    dialect: str
    duration_seconds: float
    #: Time to the first event that is no heartbeat; None when none came.
    ttft_seconds: float | None
    events: int
    heartbeats: int
    bytes_in: int
    #: The longest time in which nothing came at all, as hops in front measure it; the wait for the first mark counts.
    longest_gap_seconds: float
    #: The longest time between two events, heartbeats or not; None with fewer than two.
    longest_event_gap_seconds: float | None
    #: The text of the first answer.
    text: str
    repairs: Repairs
    usage: dict[str, int]


class Tally:
    """Counts the marks and the bytes of one stream."""

    def __init__(self) -> None:
        self._events = 0
        self._heartbeats = 0
        self._bytes = 0
        self._first_event: float | None = None
        self._last_event: float | None = None
        self._longest_event_gap: float | None = None
        self._last_chunk = 0.0
        self._longest_gap = 0.0
        self._text: list[str] = []
        self._characters = 0

    def chunk(self, size_bytes: int, now: float) -> float:
        """Count bytes that came; return how long nothing had come before."""
        gap, self._last_chunk = now - self._last_chunk, now
        self._longest_gap = max(self._longest_gap, gap)
        self._bytes += size_bytes
        return gap

    def mark(self, mark: Mark) -> None:
        """Count a mark."""
        if mark.is_heartbeat:
            self._heartbeats += 1
            return
        self._events += 1
        if self._first_event is None:
            self._first_event = mark.t
        if self._last_event is not None:
            self._longest_event_gap = max(self._longest_event_gap or 0.0, mark.t - self._last_event)
        self._last_event = mark.t
        if mark.kind is Kind.EVENT and self._characters < MAX_TEXT_CHARACTERS:
            self._text.append(mark.text)
            self._characters += len(mark.text)

    def summary(self, ending: Ending, now: float, *, dialect: str, repairs: Repairs, usage: dict[str, int]) -> Summary:
        """All of it, at the end."""
        return Summary(
            ending=ending,
            dialect=dialect,
            duration_seconds=now,
            ttft_seconds=self._first_event,
            events=self._events,
            heartbeats=self._heartbeats,
            bytes_in=self._bytes,
            longest_gap_seconds=max(self._longest_gap, now - self._last_chunk),
            longest_event_gap_seconds=self._longest_event_gap,
            text="".join(self._text)[:MAX_TEXT_CHARACTERS],
            repairs=repairs,
            usage=usage,
        )
