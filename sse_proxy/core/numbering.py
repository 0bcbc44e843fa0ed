"""Ids for the events of one stream: ``<stream>.<n>`` with n from 1 (INTERFACE "Resume").

The id goes first into its event, as clients expect it (reference: formats.md § 0, rule 5). For readers that people
write by hand, which split on blank lines and want ``data:`` first, it goes into a block of its own in front: WHATWG
HTML § 9.2.6 sets the last event ID by that and dispatches nothing.

Events that have ids of their upstream's keep those where that is what its clients resume by; not where a bridge stands
between, through which no such id gets back to the upstream: a browser that came back with one would begin anew.
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
        yields: Gives way to ids of the upstream's own.

    Attributes:
        stream, apart, record, yields: As the arguments; *record* may be changed.
        gave_way: The first event has told that there are such ids: none of ours are given.
        on_give_way: Called when that is known.
    """

    __slots__ = (
        "_number", "_prefix", "_separator", "apart", "gave_way", "on_give_way", "record", "stream", "yields",
    )  # fmt: skip

    def __init__(
        self, stream: str, *, apart: bool, after: int = 0, record: Record | None = None, yields: bool = False
    ) -> None:
        self.stream = stream
        self.apart = apart
        self._prefix = stream.encode("ascii")
        self._separator = b"\n\n" if apart else b"\n"
        self._number = after
        self.record = record
        self.yields = yields
        self.gave_way = False
        self.on_give_way: Callable[[], None] | None = None

    def give_way(self) -> None:
        """Number nothing: the events have ids of their own."""
        self.gave_way = True
        self.record = None
        if self.on_give_way is not None:
            self.on_give_way()

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
