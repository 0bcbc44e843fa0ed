"""How far a stream in the store may be trimmed to stay within its bytes, without knowing the size of every event."""

from __future__ import annotations

from collections import deque

__all__ = ["Trim"]

#: Into how many parts the bound is cut: whole parts are trimmed, so at least 15/16 of the bound are kept.
_PARTS = 16


class Trim:
    """Adds up events by parts of the bound; `oldest` is the first one to be kept."""

    __slots__ = ("_max_bytes", "_part_bytes", "_parts", "bytes", "oldest")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._part_bytes = max_bytes // _PARTS
        # Of each part: its events, its bytes.
        self._parts: deque[list[int]] = deque()
        self.bytes = 0
        self.oldest = 1

    def add(self, size: int) -> int:
        """One more event, of *size* bytes; returns how many have to go for it."""
        before = self.oldest
        if self._parts and self._parts[-1][1] + size <= self._part_bytes:
            self._parts[-1][0] += 1
            self._parts[-1][1] += size
        else:
            self._parts.append([1, size])
        self.bytes += size
        while self.bytes > self._max_bytes:
            events, part = self._parts.popleft()
            self.bytes -= part
            self.oldest += events
        return self.oldest - before
