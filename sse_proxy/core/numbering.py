"""Ids for the events of one stream: ``<stream>.<n>`` with n from 1 (INTERFACE "Resume").

The id goes first into its event, as clients expect it (reference: formats.md § 0, rule 5). For readers that people
write by hand, which split on blank lines and want ``data:`` first, it goes into a block of its own in front: WHATWG
HTML § 9.2.6 sets the last event ID by that and dispatches nothing.
"""

from __future__ import annotations

import re

__all__ = ["Numbering", "is_event_id"]

_EVENT_ID = re.compile(rb"[0-9a-f]{32}\.[0-9]{1,18}")


def is_event_id(value: bytes) -> bool:
    """Whether *value* has the form of our ids."""
    return _EVENT_ID.fullmatch(value) is not None


class Numbering:
    """Numbers one stream's events.

    Args:
        stream: 128 random bits in 32 hexadecimal digits.
        apart: Whether each id is a block of its own in front of its event.
    """

    __slots__ = ("_number", "_separator", "_stream")

    def __init__(self, stream: str, *, apart: bool) -> None:
        self._stream = stream.encode("ascii")
        self._separator = b"\n\n" if apart else b"\n"
        self._number = 0

    def apply(self, blocks: bytes) -> bytes:
        """*blocks*, whole canonical events without ids, with an id each."""
        numbered: list[bytes] = []
        for block in blocks.split(b"\n\n")[:-1]:
            self._number += 1
            numbered.append(b"id: %b.%d%b%b\n\n" % (self._stream, self._number, self._separator, block))
        return b"".join(numbered)
