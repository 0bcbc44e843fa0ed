"""`replay.redis.writer`: how much one round says. The link is a fake that takes or fails rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sse_proxy.replay.base import Stats, StoreUnavailable
from sse_proxy.replay.redis.recording import RedisRecording
from sse_proxy.replay.redis.scripts import Call
from sse_proxy.replay.redis.terms import Terms
from sse_proxy.replay.redis.writer import Writer

from .replay_journals import opening

_EVENT_BYTES = 50_000
_MEBIBYTE = 1_048_576


class _Link:
    """In place of `Link`: notes how many streams a round is about, and how many bytes it has."""

    def __init__(self) -> None:
        self.is_down = False
        self.rounds: list[tuple[int, int]] = []

    async def run_all(self, calls: Sequence[Call], *, probe: bool) -> list[Any]:
        assert probe
        self.rounds.append((len(calls), sum(len(part) for call in calls for part in call if isinstance(part, bytes))))
        if self.is_down:
            raise StoreUnavailable
        return [b"ok" for _ in calls]


def _backlog(streams: int, events: int) -> tuple[_Link, Writer, Stats]:
    link, stats = _Link(), Stats()
    writer = Writer(cast("Any", link))
    terms = Terms(ttl_seconds=300, stream_bytes=10**8, total_bytes=10**9, stats=stats)
    for _ in range(streams):
        recording = RedisRecording(opening(), terms, writer.wake, lambda: None, 0.0)
        writer.recordings[recording.opening.stream] = recording
        for n in range(1, events + 1):
            recording.append(n, bytes(_EVENT_BYTES))
    return link, writer, stats


async def test_a_round_says_no_more_than_gets_through_in_time() -> None:
    """Much has piled up in an outage; a round that cannot be told within the timeout would be told again for ever."""
    link, writer, stats = _backlog(100, 4)
    while stats.bytes:
        assert await writer.write()
    assert max(size for _, size in link.rounds) <= _MEBIBYTE + 4 * _EVENT_BYTES
    assert sum(size for _, size in link.rounds) == 100 * 4 * _EVENT_BYTES


async def test_rounds_that_fail_become_smaller() -> None:
    """Until they get through; and then larger again. Nothing is lost, and nobody is passed over."""
    link, writer, stats = _backlog(60, 2)
    link.is_down = True
    for _ in range(8):
        assert not await writer.write()
    assert [11, 6, 3, 2, 1, 1] == [streams for streams, _ in link.rounds[:6]]
    link.is_down = False
    while stats.bytes:
        assert await writer.write()
    assert [1, 2, 3, 6] == [streams for streams, _ in link.rounds[8:12]]
    assert sum(streams for streams, _ in link.rounds[8:]) == 60


async def test_a_stream_is_held_until_its_producer_ends() -> None:
    """The store has refused it, but whoever wants to stop it has to find it."""
    _, writer, _ = _backlog(1, 1)
    (recording,) = writer.recordings.values()
    recording.take()
    recording.settle(b"fenced")
    writer.wake(recording)
    assert [recording] == list(writer.recordings.values())
    recording.end(cast("Any", "complete"))
    assert {} == writer.recordings
