"""What was measured on the way, one row a stream, printed as a table at the end of the run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

__all__ = ["Figures", "Row", "Watch"]


@dataclass(slots=True, kw_only=True)
class Row:
    """One stream; None where a figure does not apply."""

    name: str
    events: int
    tokens: int | None
    first_text_seconds: float | None
    total_seconds: float
    note: str = ""


@dataclass(slots=True)
class Watch:
    """A stop watch for one stream: started when made, told of each event."""

    started: float = field(default_factory=time.monotonic)
    first_text_seconds: float | None = None
    events: int = 0
    text: str = ""

    def event(self, text: str | None) -> None:
        """Count one event and, if it carries any, its text."""
        self.events += 1
        if not text:
            return
        if self.first_text_seconds is None:
            self.first_text_seconds = time.monotonic() - self.started
        self.text += text

    def row(self, name: str, *, tokens: int | None = None, note: str = "") -> Row:
        """Return the figures up to now."""
        return Row(
            name=name,
            events=self.events,
            tokens=tokens,
            first_text_seconds=self.first_text_seconds,
            total_seconds=time.monotonic() - self.started,
            note=note,
        )


class Figures:
    """All rows of a run."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def table(self) -> list[str]:
        """Return the lines of the table: times in seconds."""
        lines = [f"{'stream':<34} {'events':>6} {'tokens':>6} {'first text':>10} {'total':>8}  note"]
        for row in self.rows:
            tokens = "" if row.tokens is None else row.tokens
            first = "" if row.first_text_seconds is None else f"{row.first_text_seconds:.3f}"
            figures = f"{row.events:>6} {tokens:>6} {first:>10} {row.total_seconds:>8.3f}"
            lines.append(f"{row.name:<34} {figures}  {row.note}".rstrip())
        return lines
