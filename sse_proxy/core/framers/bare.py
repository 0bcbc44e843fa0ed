"""JSON that stands in an event stream without ``data:``, as Gemini's errors and some hand-made servers' events do."""

from __future__ import annotations

from .scanner import BracketScanner

__all__ = ["BareJSON"]

_OPENINGS = (b"{", b"[")


class BareJSON:
    """Collects the lines of one document."""

    __slots__ = ("_lines", "_scanner")

    def __init__(self) -> None:
        self._scanner = BracketScanner()
        self._lines: list[bytes] = []

    @staticmethod
    def begins(line: bytes) -> bool:
        """Whether *line* is the first of a document: no field has such a name."""
        return line.lstrip(b" \t\0").startswith(_OPENINGS)

    def feed(self, line: bytes) -> bytes | None:
        """The document on one line, once *line* has completed it; what may stand behind it there goes with it."""
        if not self._lines:
            line = line.lstrip(b" \t\0")
        self._lines.append(line)
        if self._scanner.scan(line, 0) < 0:
            return None
        return b"".join(self._lines).rstrip(b" \t\0")
