"""Where a reader stands in a stream: ids read strictly, before anything of them reaches a store (INTERFACE "Resume").

Their form is `numbering`'s: 128 random bits in 32 hexadecimal digits, a dot, a number. No colon: in ``Last-Event-ID``
one makes browsers ask first (CORS preflight; reference: sse.md § 1). What has another form belongs to somebody else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .numbering import is_event_id

__all__ = ["Cursor", "is_stream_id", "parse_event_id"]

_STREAM_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The event *after* of *stream* is the last that a reader has; 0: it has none."""

    stream: str
    after: int


def is_stream_id(value: str) -> bool:
    """Whether *value* has the form of our streams' ids."""
    return _STREAM_ID.fullmatch(value) is not None


def parse_event_id(value: bytes) -> Cursor | None:
    """The place that the event id *value* stands for; None where it is none of ours."""
    if not is_event_id(value):
        return None
    stream, _, number = value.partition(b".")
    return Cursor(stream=stream.decode("ascii"), after=int(number))
