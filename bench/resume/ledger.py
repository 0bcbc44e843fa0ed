"""The books of one reader of one stream: what it was told, event by event, over all its connections.

Events of ours have numbers without gaps, and the upstream's tokens have numbers of their own: event n + 2 is token n,
behind the opening. Both are checked, so an event that has the right number and another's text is found out too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ..events import MARK

__all__ = ["OPENING_EVENTS", "Ledger"]

#: Events before the first token.
OPENING_EVENTS = 1
#: Events behind the last one: the finish reason, and ``[DONE]``.
_CLOSING_EVENTS = 2
_DONE = b"[DONE]"


@dataclass(slots=True)
class Ledger:
    """See the module header; *tokens* is what the whole stream has.

    Attributes:
        last: The number of the last event that it has.
        last_id: That event's id.
        lost, doubled, garbled: Events that were left out, came again, or have another's text.
        is_whole: It has the end marker, and as many events as there are.
        error: The code of an error that is part of the stream: nothing follows.
        passing: The code of an error without an id: the connection has ended, not the stream. The caller takes it.
    """

    tokens: int
    last: int = 0
    last_id: bytes = b""
    lost: int = 0
    doubled: int = 0
    garbled: int = 0
    is_whole: bool = False
    error: str | None = None
    passing: str | None = None
    _rest: bytes = field(default=b"")

    @property
    def is_over(self) -> bool:
        """Nothing follows on this connection that matters."""
        return self.is_whole or self.error is not None or self.passing is not None

    def feed(self, payload: bytes) -> None:
        """Take note of what has arrived; the beginning of an event is kept until all of it is there."""
        *blocks, self._rest = (self._rest + payload).split(b"\n\n")
        for block in blocks:
            if not self.is_over:
                self._take(block)

    def cut(self) -> None:
        """The line was lost: half an event is none."""
        self._rest = b""

    def _take(self, block: bytes) -> None:
        fields = dict(
            line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":") and b": " in line
        )
        data, told = fields.get(b"data"), fields.get(b"id")
        if data is None:
            return  # a heartbeat
        code = _error_code(data)
        if told is None:
            # Nothing of the stream is without an id, so it has to be an error.
            self.passing = code or "an event without an id"
            return
        if not self._count(int(told.rpartition(b".")[2])):
            return
        self.last_id, self.error = told, code
        if code is not None:
            return
        expected = self.last - OPENING_EVENTS - 1
        mark = MARK.search(data)
        if (int(mark[1]) if mark else None) != (expected if 0 <= expected < self.tokens else None):
            self.garbled += 1
        self.is_whole = data == _DONE
        if self.is_whole:
            self.lost += OPENING_EVENTS + self.tokens + _CLOSING_EVENTS - self.last

    def _count(self, number: int) -> bool:
        """Whether the event *number* is new."""
        if number <= self.last:
            self.doubled += 1
            return False
        self.lost += number - self.last - 1
        self.last = number
        return True


def _error_code(data: bytes) -> str | None:
    if not data.startswith(b'{"error"'):
        return None
    error = json.loads(data)["error"]
    return str(error.get("code") or error["type"])
