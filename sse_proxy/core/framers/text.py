"""Plain text: every piece of it is a record, cut only between characters, with LF for each line end."""

from __future__ import annotations

import codecs

from ..sse import Event, Repairs

__all__ = ["TextFramer"]

_BOM = "\ufeff"


class TextFramer:
    """A `RecordFramer`; it never holds more than a character, so nothing can be too large."""

    def __init__(self, *, repairs: Repairs) -> None:
        self.repairs = repairs
        self.completed: list[Event] = []
        self.cut = False
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._first = True
        #: The last piece ended with CR; an LF that follows belongs to it.
        self._skip_lf = False

    @property
    def at_boundary(self) -> bool:
        return True

    @property
    def between_events(self) -> bool:
        return True

    @property
    def held_bytes(self) -> int:
        return 0

    def feed(self, chunk: bytes) -> list[Event]:
        return self._records(chunk, final=False)

    def finish(self) -> list[Event]:
        return self._records(b"", final=True)

    def _records(self, chunk: bytes, *, final: bool) -> list[Event]:
        held = self._decoder.getstate()[0]
        text = self._decoder.decode(chunk, final)
        if not (held + chunk).startswith(text.encode()):
            self.repairs["invalid_utf8"] = self.repairs.get("invalid_utf8", 0) + 1
        if self._first and text:
            self._first = False
            text = text.removeprefix(_BOM)
        if self._skip_lf and text:
            self._skip_lf = False
            text = text.removeprefix("\n")
        if "\r" in text:
            self._skip_lf = text.endswith("\r")
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return [Event(data=text.encode())] if text else []
