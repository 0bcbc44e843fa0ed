"""Ids for the events of one stream: ``<stream>.<n>`` with n from 1 (INTERFACE "Resume").

The id goes first into its event, as clients expect it (reference: formats.md § 0, rule 5). For readers that people
write by hand, which split on blank lines and want ``data:`` first, it goes into a block of its own in front: WHATWG
HTML § 9.2.6 sets the last event ID by that and dispatches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["Numbering", "Record", "is_event_id"]

#: Gets each event with its number: as it goes out, but for the id, since readers may want that in another place.
Record = Callable[[int, bytes], None]

_EVENT_ID = re.compile(rb"[0-9a-f]{32}\.[0-9]{1,18}")


def is_event_id(value: bytes) -> bool:
    """Whether *value* has the form of our ids."""
    return _EVENT_ID.fullmatch(value) is not None


class Numbering:
    """Numbers one stream's events.

    Args:
        stream: 128 random bits in 32 hexadecimal digits.
        apart: Whether each id is a block of its own in front of its event.
        after: The number that the next event follows.
        record: Told of every event, in order.

    Attributes:
        stream, apart, record: As the arguments; the last may be changed.
    """

    __slots__ = ("_number", "_prefix", "_separator", "apart", "record", "stream")

    def __init__(self, stream: str, *, apart: bool, after: int = 0, record: Record | None = None) -> None:
        self.stream = stream
        self.apart = apart
        self._prefix = stream.encode("ascii")
        self._separator = b"\n\n" if apart else b"\n"
        self._number = after
        self.record = record

    def apply(self, blocks: bytes) -> bytes:
        """*blocks*, whole canonical events without ids, with an id each."""
        numbered: list[bytes] = []
        for block in blocks.split(b"\n\n")[:-1]:
            self._number += 1
            numbered.append(b"id: %b.%d%b%b\n\n" % (self._prefix, self._number, self._separator, block))
            if self.record is not None:
                self.record(self._number, block + b"\n\n")
        return b"".join(numbered)

    def apply_as_one(self, blocks: bytes) -> bytes:
        """*blocks* as in `apply`, all with the next id, as if they were one event; not recorded."""
        self._number += 1
        prefix = b"id: %b.%d%b" % (self._prefix, self._number, self._separator)
        return b"".join(prefix + block + b"\n\n" for block in blocks.split(b"\n\n")[:-1])
