"""Where a JSON value ends, found by its brackets outside strings (RFC 8259 § 2 and § 7), however the bytes are cut.

Nothing is checked but the nesting; what is between the brackets is for `json.loads`. Each byte is looked at once.
"""

from __future__ import annotations

import re

__all__ = ["BracketScanner"]

_OUTSIDE = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'["\\]')
_DEEPER = frozenset(b"{[")
_QUOTE, _BACKSLASH = b'"\\'


class BracketScanner:
    """Follows one value, an object, an array or a string, from its first byte.

    Attributes:
        depth: Open brackets; 0 before and after the value.
    """

    __slots__ = ("_escaped", "_in_string", "depth")

    def __init__(self) -> None:
        self.depth = 0
        self._in_string = False
        #: The last byte was a backslash that escapes the next one.
        self._escaped = False

    def scan(self, data: bytes, start: int) -> int:
        """The position behind the value's last byte, looking from *start* on; -1 when *data* does not hold it."""
        position = start
        if self._escaped and position < len(data):
            self._escaped = False
            position += 1
        while True:
            found = (_INSIDE if self._in_string else _OUTSIDE).search(data, position)
            if found is None:
                return -1
            position = found.end()
            byte = data[position - 1]
            if byte == _BACKSLASH:
                self._escaped = position >= len(data)
                position += 1
            elif byte == _QUOTE:
                self._in_string = not self._in_string
                if not (self._in_string or self.depth):
                    return position
            elif byte in _DEEPER:
                self.depth += 1
            else:
                self.depth -= 1
                if self.depth <= 0:
                    return position
