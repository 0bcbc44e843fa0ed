"""Which of many like records are told, and of how many of them only the number is.

A flood of refused requests or errors may not become a flood of lines: a full disk, or a log that costs more than the
requests, makes a bad hour worse. The first of a kind are told as they are, for they say what is wrong; the rest of a
window is one line.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["BURST", "WINDOW_SECONDS", "Flood"]

#: So many of one kind are told in so many seconds: enough to see a pattern, and 2 lines a second at the worst.
BURST, WINDOW_SECONDS = 20, 10.0
#: Kinds that are told apart at a time; what comes above is one kind, lest the table itself be flooded.
_MAX_KINDS = 256

_Kind = TypeVar("_Kind", bound=Hashable)


class _Window:
    __slots__ = ("began", "told", "withheld")

    def __init__(self, began: float) -> None:
        self.began = began
        self.told = 0
        self.withheld = 0


class Flood(Generic[_Kind]):
    """Counts records by kind; times are monotonic seconds. *other*: the kind of those that the table cannot hold."""

    def __init__(self, other: _Kind) -> None:
        self._other = other
        self._windows: dict[_Kind, _Window] = {}

    def admits(self, kind: _Kind, now: float) -> bool:
        """Whether a record of *kind* is to be told; whoever asks has called `ended` for *now* before."""
        if kind not in self._windows and len(self._windows) >= _MAX_KINDS:
            kind = self._other
        window = self._windows.setdefault(kind, _Window(now))
        if window.told < BURST:
            window.told += 1
            return True
        window.withheld += 1
        return False

    def ended(self, now: float) -> list[tuple[_Kind, int]]:
        """How many of each kind were not told in the windows that are over at *now*, where there were any."""
        over = [kind for kind, window in self._windows.items() if now - window.began >= WINDOW_SECONDS]
        counts = [(kind, self._windows.pop(kind).withheld) for kind in over]
        return [(kind, count) for kind, count in counts if count]
