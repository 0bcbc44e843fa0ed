"""The shortest way: events that differ from one that was looked into in nothing but their text.

A model's stream is one event over and over; the token changes, and perhaps a number that counts. Of an event that has
passed all checks of the fast path, what stands around the values of such keys (`Dialect.free`) is remembered. An event
with the same bytes there, and with JSON strings and numbers in the gaps, has passed them too: its keys are the same,
and so is every value that says something of the stream. That is a handful of comparisons instead of two dozen searches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

from .repair import has_separator
from .sse import is_utf8

__all__ = ["Siblings"]

#: The inside of a JSON string (RFC 8259 § 7), and a number; nothing at all fits both.
_TEXT = re.compile(rb'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*+)*+')
_NUMBER = re.compile(rb"[0-9]*+")
#: What a text may hold without further ado.
_PLAIN = bytes(sorted(set(range(0x20, 0x7F)) - set(b'"\\')))
#: So many examples in a row may have no sibling: of a stream whose every event is its own kind nothing can be learnt.
_LESSONS = 16

_Gap = Callable[[bytes, int], "re.Match[bytes]"]
#: The patterns also match nothing at all: there always is a match.
_fit_text, _fit_number = cast("_Gap", _TEXT.match), cast("_Gap", _NUMBER.match)


class Siblings:
    """What the events of one stream have in common.

    Args:
        free: See `Dialect.free`.
    """

    __slots__ = ("_free", "_head", "_lessons", "_lines", "_parts", "_recurs", "_tail", "_text")

    def __init__(self, free: re.Pattern[bytes]) -> None:
        self._free = free
        self._lessons = _LESSONS
        #: The example has had siblings.
        self._recurs = False
        #: What stands in front of each gap, how long it is, and what fits the gap.
        self._parts: list[tuple[bytes, int, _Gap]] = []
        #: What stands behind the last gap, the blank line included.
        self._tail = b""
        #: What stands before the only gap, if that is a text; else empty.
        self._head = b""
        #: Which lines have that gap, and where in them it is; set with `_head`.
        self._lines: slice
        self._text: slice

    def count(self, chunk: bytes) -> int:
        """How many events *chunk* is, if all of them are siblings of the one learnt from; else 0."""
        head, tail = self._head, self._tail
        if not head:
            return self._count(chunk)
        end = len(chunk) - len(tail)
        if end < len(head) or not (chunk.startswith(head) and chunk.endswith(tail)):
            return 0
        text, events = chunk[len(head) : end], 1
        if text.find(b"\n") >= 0:
            texts = [line[self._text] for line in chunk.split(b"\n")[self._lines]]
            if (tail + head).join(texts) != text:
                return 0
            # A space, since with that no text's unfinished escape or character becomes whole.
            text, events = b" ".join(texts), len(texts)
        # The first check is one pass of a table's, and all that most texts need.
        if text.translate(None, _PLAIN) and not (_TEXT.fullmatch(text) and _is_clean(text)):
            return 0
        self._recurs = True
        return events

    def _count(self, chunk: bytes) -> int:
        """The same with several gaps, one event after the other."""
        parts, tail = self._parts, self._tail
        if not parts:
            return 0
        starts, position, events = chunk.startswith, 0, 0
        while position < len(chunk):
            for literal, size, gap in parts:
                if not starts(literal, position):
                    return 0
                position = gap(chunk, position + size).end()
            if not starts(tail, position):
                return 0
            position += len(tail)
            events += 1
        if not _is_clean(chunk):
            return 0
        self._recurs = True
        return events

    def learn(self, event: bytes) -> None:
        """Take *event*, which has passed all checks, without its blank line, for an example from now on."""
        if not self._lessons:
            return
        self._lessons = _LESSONS if self._recurs else self._lessons - 1
        self._recurs = False
        parts: list[tuple[bytes, int, _Gap]] = []
        position = 0
        for found in self._free.finditer(event):
            start, end = found.span()
            if start < position:
                continue  # within the text before it
            gap = _fit_text if found[0].endswith(b'"') else _fit_number
            parts.append((event[position:end], end - position, gap))
            position = gap(event, end).end()
        if parts:
            self._parts, self._tail = parts, event[position:] + b"\n\n"
            if len(parts) == 1 and parts[0][2] is _fit_text:
                self._take_alone(parts[0][0], self._tail)
            else:
                self._head = b""

    def _take_alone(self, head: bytes, tail: bytes) -> None:
        self._head = head
        self._lines = slice(head.count(b"\n"), -1, (head + tail).count(b"\n"))
        self._text = slice(len(head) - head.rfind(b"\n") - 1, -tail.index(b"\n"))


def _is_clean(data: bytes) -> bool:
    return data.isascii() or (is_utf8(data) and not has_separator(data))
