"""Where a reader stands in a stream: ids read strictly, before anything of them reaches a store (INTERFACE "Resume").

Their form is `numbering`'s: 128 random bits in 32 hexadecimal digits, a dot, a number. No colon: in ``Last-Event-ID``
one makes browsers ask first (CORS preflight; reference: sse.md § 1). What has another form belongs to somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .headers import RawHeaders, first
from .numbering import is_event_id

__all__ = ["Cursor", "is_stream_id", "parse_event_id", "told_event_ids"]

_STREAM_ID = re.compile(r"[0-9a-f]{32}")
#: Where clients that cannot set headers put the last event ID.
_QUERY_KEYS = ("last_event_id", "lastEventId")


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


def told_event_ids(headers: RawHeaders, query: Mapping[str, str]) -> list[bytes]:
    """The last event IDs that a request tells, whosever they are; the header's first.

    An `EventSource` keeps the query of its URL for good, so that is the older one.
    """
    told = [first(headers, b"last-event-id") or b"", *(query.get(key, "").encode() for key in _QUERY_KEYS)]
    return [value for value in told if value]
