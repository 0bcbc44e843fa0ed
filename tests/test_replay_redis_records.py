"""What a store holds may come from another version, or from a hand: it is read, or refused, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from sse_proxy.replay.base import Batch, End, Glance
from sse_proxy.replay.redis.records import MalformedRecord, batch_of, glance_of

_EVENTS = [[b"3-0", [b"e", b"data: a\n\n"]], [b"4-0", [b"e", b"data: b\n\n"]]]
_REPLY = [b"replica-1", b'{"status":200}', b"4", b"complete", _EVENTS]


def test_a_reply_tells_how_a_stream_stands_and_what_follows() -> None:
    """The producer, the head, the bounds, the events and the end."""
    events = [(3, b"data: a\n\n"), (4, b"data: b\n\n")]
    assert ("replica-1", Glance(head={"status": 200}, oldest=3, latest=4, end=End.COMPLETE)) == glance_of(_REPLY)
    assert ({"status": 200}, Batch(events=events, end=End.COMPLETE)) == batch_of(_REPLY, 2)


def test_a_stream_that_has_only_begun_has_nothing_to_tell() -> None:
    """No head, no event, no end."""
    assert ("r", Glance(head=None, oldest=1, latest=0, end=None)) == glance_of([b"r", None, b"0", None, []])
    assert (None, None) == batch_of([b"r", None, b"0", b"", []], 0)


@pytest.mark.parametrize(
    "place, wrong",
    [
        (1, b"{"),
        (1, b"[]"),
        (1, b"\xff"),
        (2, b"many"),
        (2, None),
        (3, b"exploded"),
        (3, b"\xff"),
        (4, [[b"x-0", [b"e", b""]]]),
        (4, [[b"3-0", []]]),
        (4, [[b"3-0", [b"e", None]]]),
        (4, [7]),
    ],
)
def test_whatever_is_none_of_ours_is_refused(place: int, wrong: Any) -> None:
    """Not an end, not a number, not an object: a reader is told that the store is of no use, and nothing breaks."""
    reply = [*_REPLY[:place], wrong, *_REPLY[place + 1 :]]
    with pytest.raises(MalformedRecord):
        batch_of(reply, 2)


def test_a_reply_of_another_shape_is_refused() -> None:
    """The script of another version may tell more, or less."""
    for reply in ([], [b"r"], [*_REPLY, b"more"], b"OK", 1):
        with pytest.raises(MalformedRecord):
            glance_of(reply)
        with pytest.raises(MalformedRecord):
            batch_of(reply, 0)
    with pytest.raises(MalformedRecord):
        glance_of([b"\xff", *_REPLY[1:]])
