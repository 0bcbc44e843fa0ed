"""What the store's answers mean: the reply of `scripts.READ` to glances and batches.

Another version of the proxy, or a hand, may have written what is there: whatever is none of ours is refused as a whole.
"""

from __future__ import annotations

import json
from typing import Any

from ..base import Batch, End, Glance, Head, StoreUnavailable, judge

__all__ = ["MalformedRecord", "batch_of", "glance_of"]


class MalformedRecord(StoreUnavailable):
    """The store holds something else than what this version writes."""


def glance_of(reply: Any) -> tuple[str, Glance]:
    """The process that produces a stream, and how that stands.

    Raises:
        MalformedRecord: see there.
    """
    try:
        replica, head, latest, end, entries = reply
        oldest = _number(entries[0][0]) if entries else int(latest) + 1
        glance = Glance(head=_head(head), oldest=oldest, latest=int(latest), end=_end(end))
        return replica.decode("ascii"), glance
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise MalformedRecord("not a stream of ours") from error


def batch_of(reply: Any, after: int) -> tuple[Head | None, Batch | None]:
    """The head, if it was asked for and is there, and what follows the event *after*; None: nothing yet.

    Raises:
        MalformedRecord: see there.
    """
    try:
        _, head, latest, end, entries = reply
        events = [(_number(key), _event(fields)) for key, fields in entries]
        return _head(head), judge(after, events, latest=int(latest), end=_end(end))
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise MalformedRecord("not a stream of ours") from error


def _head(text: Any) -> Head | None:
    if not text:
        return None
    head = json.loads(text)
    if not isinstance(head, dict):
        raise TypeError("a head is an object")
    return head


def _event(fields: Any) -> bytes:
    event = fields[1]
    if not isinstance(event, bytes):
        raise TypeError("an event is bytes")
    return event


def _number(entry: Any) -> int:
    return int(entry.partition(b"-")[0])


def _end(value: Any) -> End | None:
    return End(value.decode("ascii")) if value else None
