"""`replay.redis.recording`: what is said to the store while the last word is still on its way."""

from __future__ import annotations

import pytest

from sse_proxy.replay.base import End, Stats
from sse_proxy.replay.redis.recording import EVENT_COST_BYTES, RedisRecording
from sse_proxy.replay.redis.scripts import APPEND, DROP, EXTEND, RELEASE, Call
from sse_proxy.replay.redis.terms import Terms

from .replay_journals import HEAD, event, opening

COST = len(event(1)) + EVENT_COST_BYTES
#: Of APPEND: token, channel, lifetime, whether to renew, oldest, head, end.
FIRST_EVENT = 5 + 7


def recording(
    *, once: str | None = None, stream_bytes: int = 10**6, total_bytes: int = 10**6, stops: list[int] | None = None
) -> RedisRecording:
    """A recording that nobody wakes for."""
    terms = Terms(ttl_seconds=300, stream_bytes=stream_bytes, total_bytes=total_bytes, stats=Stats())
    stopped = stops if stops is not None else []
    return RedisRecording(opening(once=once), terms, lambda _: None, lambda: stopped.append(1), 1000.0)


def said(call: Call) -> tuple[list[object], object, object, object]:
    """Of an APPEND: the numbers of its events, the oldest to keep, whether there is a head, the end."""
    assert APPEND.sha == call[1]
    return list(call[FIRST_EVENT::2]), call[9], bool(call[10]), call[11]


def test_what_is_said_meanwhile_comes_next() -> None:
    """Events, head and end that come while a call is in flight are neither taken for confirmed nor said twice."""
    mine = recording()
    mine.append(1, event(1))
    assert ([1], "", False, "") == said(mine.take()[0])
    mine.append(2, event(2))
    mine.begin(HEAD)
    mine.end(End.COMPLETE)
    assert mine.settle(b"ok")
    assert ([2], "", True, "complete") == said(mine.take()[0])
    assert (False, True) == (mine.settle(b"ok"), mine.over)


@pytest.mark.parametrize("reply", [OSError(), None, b"what?"])
def test_what_is_not_confirmed_is_said_again(reply: object) -> None:
    """With what has come since; the store skips what it had all the same."""
    mine = recording()
    mine.begin(HEAD)
    mine.append(1, event(1))
    first = mine.take()
    mine.append(2, event(2))
    assert mine.settle(reply)
    assert ([1, 2], "", True, "") == said(mine.take()[0])
    assert ([1], "", True, "") == said(first[0])


@pytest.mark.parametrize("reply", [b"gone", b"fenced", b"gap"])
def test_a_refusal_is_the_end_of_resuming(reply: bytes) -> None:
    """What waits is forgotten, what follows is not kept, and nobody calls any more."""
    mine = recording()
    mine.append(1, event(1))
    mine.take()
    assert not mine.settle(reply)
    mine.append(2, event(2))
    assert (False, True, 0) == (mine.resumable, mine.over, mine._terms.stats.bytes)  # noqa: SLF001 -- as the journal has it


def test_one_call_carries_a_bounded_number_and_size() -> None:
    """Redis does nothing else meanwhile; the end waits for the last of the events."""
    mine = recording(stream_bytes=10**8, total_bytes=10**8)
    for n in range(1, 2001):
        mine.append(n, b"x" * 10)
    mine.end(End.COMPLETE)
    first, _, _, end = said(mine.take()[0])
    assert (1024, "") == (len(first), end)
    assert mine.settle(b"ok")
    rest, _, _, end = said(mine.take()[0])
    assert (list(range(1025, 2001)), "complete") == (rest, end)
    large = recording(stream_bytes=10**8, total_bytes=10**8)
    for n in range(1, 11):
        large.append(n, bytes(100_000))
    assert ([1, 2, 3], "", False, "") == said(large.take()[0])


def test_what_there_is_no_room_for_is_passed_over() -> None:
    """Also while it is in flight: no more waits than the stream may hold, and the store hears what is oldest."""
    mine = recording(stream_bytes=16 * COST)
    for n in range(1, 9):
        mine.append(n, event(n))
    assert (list(range(1, 9)), "", False, "") == said(mine.take()[0])
    for n in range(9, 41):
        mine.append(n, event(n))
    assert 16 * COST == mine._terms.stats.bytes  # noqa: SLF001 -- as the journal has it
    assert mine.settle(b"ok")
    assert (list(range(25, 41)), 25, False, "") == said(mine.take()[0])
    assert not mine.settle(b"ok")
    mine.append(41, event(41))
    assert ([41], 26, False, "") == said(mine.take()[0])


def test_a_stream_that_is_dropped_has_nothing_else_to_say() -> None:
    """Whatever was in flight; its names are let go of."""
    mine = recording(once="k")
    mine.append(1, event(1))
    mine.take()
    mine.end(End.ERROR, keep=False)
    assert mine.settle(b"ok")
    assert [DROP.sha, RELEASE.sha] == [call[1] for call in mine.take()]
    mine.end(End.COMPLETE)
    assert not mine.settle(b"ok")
    assert (True, False) == (mine.over, mine.resumable)


def test_names_live_as_long_as_the_stream() -> None:
    """They are renewed with it, not with every event, and get its last time at its end."""
    mine = recording(once="k")
    mine.append(1, event(1))
    mine.renew(1099.0)
    assert 1 == len(mine.take())
    mine.settle(b"ok")
    mine.renew(1100.0)
    calls = mine.take()
    assert [APPEND.sha, EXTEND.sha] == [call[1] for call in calls]
    assert not mine.settle(b"ok")
    assert 1 == len(mine.take())
    mine.end(End.COMPLETE)
    assert [APPEND.sha, EXTEND.sha] == [call[1] for call in mine.take()]


def test_a_stop_in_the_reply_is_told_once() -> None:
    """And not behind the end."""
    stops: list[int] = []
    mine, ended = recording(stops=stops), recording(stops=stops)
    for _ in range(2):
        mine.take()
        mine.settle(b"stop")
    ended.end(End.COMPLETE)
    ended.take()
    ended.settle(b"stop")
    assert [1] == stops
