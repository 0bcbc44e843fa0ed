"""The comment lines of an event stream (WHATWG HTML § 9.2.6), which its parser drops and a person wants to see."""

from __future__ import annotations

from ..core.sse import BOM

__all__ = ["MAX_COMMENT_BYTES", "Comments"]

#: Of a longer one, the rest is not kept.
MAX_COMMENT_BYTES = 1024


class Comments:
    """Finds comments in lines, or pieces of lines, as ``bytes.splitlines(keepends=True)`` cuts them."""

    __slots__ = ("_begun", "_line")

    def __init__(self) -> None:
        #: The line so far, as far as it is kept.
        self._line = b""
        #: Some line has ended: only before that a BOM may stand.
        self._begun = False

    def feed(self, piece: bytes) -> bytes | None:
        """The text of the comment that *piece* ends; None where it ends none. One leading space is not its text."""
        text = piece.rstrip(b"\r\n")
        self._line += text[: MAX_COMMENT_BYTES - len(self._line)]
        if len(text) == len(piece):
            return None
        line, self._line = self._line, b""
        if not self._begun:
            self._begun, line = True, line.removeprefix(BOM)
        return line[1:].removeprefix(b" ") if line.startswith(b":") else None
