"""Which chunks can be forwarded unseen: canonical events that need no repair and say nothing of the stream.

Most servers send nothing else until the end of an answer (DESIGN "Fast path"). Every check is a search that runs at the
speed of C; the correct path, which parses, means the same, and a property test holds the two together.
"""

from __future__ import annotations

from .dialects import Dialect
from .repair import is_plain_json
from .siblings import Siblings
from .sse import canonical_events, has_unnamed_event

__all__ = ["FastPath", "whole_events"]

_BLANK_LINE = b"\n\n"


class FastPath:
    """The fast path of one stream.

    Args:
        dialect: What the upstream speaks.
        max_event_bytes: What is longer is never forwarded unseen.
    """

    __slots__ = ("_dialect", "_max_event_bytes", "_says_something", "_siblings")

    def __init__(self, dialect: Dialect, max_event_bytes: int) -> None:
        self._dialect = dialect
        self._max_event_bytes = max_event_bytes
        #: None where nothing can be learnt.
        self._siblings = None if dialect.free is None else Siblings(dialect.free)
        #: Events of the dialect can say something of the stream.
        self._says_something = bool(dialect.markers or dialect.quiet)

    def events(self, chunk: bytes) -> int:
        """How many events *chunk* is, which starts at an event's begin, if all can be forwarded unseen; else 0."""
        if len(chunk) > self._max_event_bytes:
            return 0
        siblings, dialect = self._siblings, self._dialect
        if siblings is not None and (alike := siblings.count(chunk)):
            return alike
        events = canonical_events(chunk)
        if not events or (self._says_something and not dialect.is_quiet(chunk)):
            return 0
        if dialect.json and not is_plain_json(chunk, events):
            return 0
        if dialect.names_events and has_unnamed_event(chunk):
            return 0
        if siblings is not None:
            siblings.learn(events[-1])
        return len(events)


def whole_events(chunk: bytes, *, begun: bool) -> list[bytes]:
    """*chunk* cut in the rest of the event that has *begun*, if one has, the whole events, and the begin of the next.

    The network cuts large chunks within an event, at either end; those in between are as good as any.
    """
    start = chunk.find(_BLANK_LINE) + 2 if begun else 0
    end = chunk.rfind(_BLANK_LINE) + 2
    if end - start <= 2:
        return [chunk]
    return [piece for piece in (chunk[:start], chunk[start:end], chunk[end:]) if piece]
