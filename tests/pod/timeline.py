"""When what happened, in seconds since the pod was deleted."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

__all__ = ["Timeline"]


@dataclass
class Timeline:
    """Entries in the order in which they were written; each thing happens once."""

    entries: list[tuple[float, str]] = field(default_factory=list)
    _zero: float = field(default_factory=time.monotonic)

    def start(self) -> None:
        """The pod is deleted now."""
        self._zero = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._zero

    def note(self, what: str) -> None:
        """*what* happens now; a repetition is not written down."""
        if what not in (known for _seconds, known in self.entries):
            self.entries.append((self.now(), what))

    def when(self, what: str) -> float:
        """The time of the first entry that begins with *what*.

        Raises:
            LookupError: there is none.
        """
        for seconds, known in self.entries:
            if known.startswith(what):
                return seconds
        raise LookupError(f"{what!r} did not happen: {self.entries}")

    def happened(self, what: str) -> bool:
        """Whether an entry begins with *what*."""
        return any(known.startswith(what) for _seconds, known in self.entries)
