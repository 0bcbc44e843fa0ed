"""`replay.memory`: the journal of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_proxy.replay import local
from sse_proxy.replay.base import Answer, Batch, End, Glance, Journal, Opening, Reader, Stats, Taken
from sse_proxy.replay.local import NAME_COST_BYTES
from sse_proxy.replay.memory import MemoryJournal
from sse_proxy.replay.null import NullJournal, NullRecording
from sse_proxy.replay.ring import EVENT_COST_BYTES
from sse_proxy.replay.shelf import STREAM_COST_BYTES

from .replay_journals import CURSORS, HEAD, SIZES, STRANGER, TOLD, attached, event, opened, opening, read_all


@dataclass
class Time:
    """A clock that stands still, and what is to be called when."""

    now: float = 1000.0
    calls: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append((self.now + seconds, call))

    def run(self) -> None:
        """Move on to the next call, and make it."""
        self.now, call = self.calls.pop(0)
        call()


@pytest.fixture
def time() -> Time:
    """A clock of the test's own."""
    return Time()


@pytest.fixture
def journal(time: Time) -> MemoryJournal:
    """A journal with room for everything."""
    return made(time)


def made(time: Time, *, stream_bytes: int = 10**6, total_bytes: int = 10**7) -> MemoryJournal:
    """A journal on *time*; what ends is kept for five minutes."""
    return MemoryJournal(
        ttl_seconds=300, stream_bytes=stream_bytes, total_bytes=total_bytes, clock=time.clock, later=time.later
    )


@settings(deadline=None)
@given(
    sizes=SIZES,
    pauses=st.sets(st.integers(0, 40)),
    cursors=CURSORS,
    stream_bytes=st.sampled_from([10**6, 3000]) | st.integers(60, 3000),
    total_bytes=st.sampled_from([10**6, 6000]) | st.integers(60, 2 * STREAM_COST_BYTES + 6000),
    read_events=st.sampled_from([1, 3, 256]),
    end=TOLD,
)
async def test_every_reader_sees_exactly_what_follows_its_cursor(
    sizes: list[int],
    pauses: set[int],
    cursors: list[tuple[int, int, int]],
    stream_bytes: int,
    total_bytes: int,
    read_events: int,
    end: End,
) -> None:
    """Or an explicit gap: whenever it comes, wherever it drops and attaches again, however small the rings are."""
    journal = made(Time(), stream_bytes=stream_bytes, total_bytes=total_bytes)
    mine, other = opening(), await opened(journal)
    recording = await opened(journal, mine)
    produced = [event(n, size) for n, size in enumerate(sizes, start=1)]

    async def reading(after: int, comes_at: int, drops: int) -> None:
        while produced_so_far[0] < min(comes_at, len(produced)):
            await asyncio.sleep(0)
        with await attached(journal, mine.stream) as reader:
            first = await read_all(reader, after, at_most=drops)
        if first.end is None:
            with await attached(journal, mine.stream) as reader:
                rest = await read_all(reader, first.events[-1][0])
            first.events += rest.events
            first.end = rest.end
        first.check(produced, end)

    produced_so_far = [0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "READ_EVENTS", read_events)
        async with asyncio.TaskGroup() as tasks:
            for cursor in cursors:
                tasks.create_task(reading(*cursor))
            for n, data in enumerate(produced, start=1):
                recording.append(n, data)
                other.append(n, data)
                produced_so_far[0] = n
                if n in pauses:
                    await asyncio.sleep(0)
            recording.end(end)


async def test_a_reader_is_told_that_it_fell_below_the_ring(journal: MemoryJournal, time: Time) -> None:
    """410 before its response has begun, and in the stream afterwards; the producer did not wait for it."""
    journal = made(time, stream_bytes=3 * (22 + EVENT_COST_BYTES))
    mine = opening()
    recording = await opened(journal, mine)
    for n in range(1, 11):
        recording.append(n, event(n))
    reader = await attached(journal, mine.stream)
    glance = await reader.look()
    assert glance == Glance(head=None, oldest=8, latest=10, end=None)
    assert (Answer.EVICTED, Answer.REPLAY) == (glance.answer(6), glance.answer(7))
    assert Batch(end=End.EVICTED) == await reader.read(6)
    assert Batch(events=[(n, event(n)) for n in (8, 9, 10)]) == await reader.read(7)
    assert 7 == journal.stats.evictions


async def test_an_event_larger_than_the_ring_is_a_gap_and_no_silence(time: Time) -> None:
    """A reader that was up to date before it has missed it."""
    journal = made(time, stream_bytes=100)
    mine = opening()
    recording = await opened(journal, mine)
    recording.append(1, bytes(200))
    assert Batch(end=End.EVICTED) == await (await attached(journal, mine.stream)).read(0)


@pytest.mark.parametrize(
    ("end", "after", "answer"),
    [
        (None, 0, Answer.REPLAY),
        (None, 2, Answer.REPLAY),
        (End.COMPLETE, 1, Answer.REPLAY),
        (End.COMPLETE, 2, Answer.NOTHING_LEFT),
        (End.ERROR, 2, Answer.NOTHING_LEFT),
        (End.COMPLETE, 3, Answer.NOTHING_LEFT),
        (End.OWNER_LOST, 1, Answer.REPLAY),
        (End.OWNER_LOST, 2, Answer.REPLAY),
        (End.OWNER_LOST, 3, Answer.NOTHING_LEFT),
        (End.OWNER_LOST, 4, Answer.EVICTED),
        (End.UNAVAILABLE, 1, Answer.REPLAY),
        (End.UNAVAILABLE, 2, Answer.EVICTED),
        (End.UNAVAILABLE, 3, Answer.EVICTED),
    ],
)
def test_what_a_reader_is_answered(end: End | None, after: int, answer: Answer) -> None:
    """204 only for who has it all; the loss of the owner is news that has to be told once, and what is lost is gone."""
    assert answer is Glance(head=None, oldest=1, latest=2, end=end).answer(after)


async def test_a_cancelled_read_loses_nothing(journal: MemoryJournal) -> None:
    """Heartbeats are put in between by asking again."""
    mine = opening()
    recording = await opened(journal, mine)
    reader = await attached(journal, mine.stream)
    for n in range(1, 4):
        waiting = asyncio.create_task(reader.read(n - 1))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        recording.append(n, event(n))
        assert Batch(events=[(n, event(n))]) == await reader.read(n - 1)


async def test_one_cancelled_reader_does_not_wake_the_others(journal: MemoryJournal) -> None:
    """They share the bell and nothing else."""
    mine = opening()
    recording = await opened(journal, mine)
    readers = [asyncio.create_task((await attached(journal, mine.stream)).read(0)) for _ in range(3)]
    await asyncio.sleep(0)
    readers[1].cancel()
    await asyncio.sleep(0)
    assert [False, True, False] == [reader.done() for reader in readers]
    recording.append(1, event(1))
    assert Batch(events=[(1, event(1))]) == await readers[0] == await readers[2]


async def test_the_end_comes_with_or_behind_the_last_event(journal: MemoryJournal) -> None:
    """And for ever after; what is appended behind it is nobody's."""
    mine = opening()
    recording = await opened(journal, mine)
    recording.begin(HEAD)
    recording.append(1, event(1))
    reader = await attached(journal, mine.stream)
    assert (HEAD, Batch(events=[(1, event(1))])) == (reader.head, await reader.read(0))
    recording.end(End.TRUNCATED)
    recording.append(2, event(2))
    recording.end(End.COMPLETE)
    assert Batch(events=[(1, event(1))], end=End.TRUNCATED) == await reader.read(0)
    assert Batch(end=End.TRUNCATED) == await reader.read(1)


async def test_a_stream_is_kept_for_its_time_after_the_end(journal: MemoryJournal, time: Time) -> None:
    """One timer for all, armed for the first to go; readers that are still there learn it."""
    ends: list[tuple[Opening, Reader]] = []
    for _ in range(3):
        mine = opening(once="k" + str(len(ends)), chat="c")
        recording = await opened(journal, mine)
        recording.append(1, event(1))
        recording.end(End.COMPLETE)
        ends.append((mine, await attached(journal, mine.stream)))
        time.now += 100
    assert 1 == len(time.calls)
    assert 3 == journal.stats.streams
    time.run()
    assert 1300.0 == time.now
    assert [True, False, False] == [await journal.attach(mine.stream, mine.owner) is None for mine, _ in ends]
    assert [None, 1, 1] == [glance and glance.latest for glance in [await reader.look() for _, reader in ends]]
    assert Batch(end=End.EXPIRED) == await ends[0][1].read(0)
    time.run()
    time.run()
    assert Stats() == journal.stats
    assert [] == time.calls
    assert await journal.latest(mine.owner, "c") is None


async def test_no_lookup_finds_what_has_had_its_time(journal: MemoryJournal, time: Time) -> None:
    """A timer may be late; the promise is not."""
    mine = opening(once="k", chat="c")
    (await opened(journal, mine)).end(End.COMPLETE)
    time.now += 300
    assert await journal.attach(mine.stream, mine.owner) is None
    assert await journal.latest(mine.owner, "c") is None
    assert not await journal.stop(mine.stream, mine.owner)
    await opened(journal, opening(once="k"))


async def test_the_event_loops_own_timer_takes_streams_away() -> None:
    """Memory comes back without anybody asking for anything."""
    loop = asyncio.get_running_loop()
    journal = MemoryJournal(ttl_seconds=0.01, stream_bytes=1000, total_bytes=10_000, clock=loop.time)
    mine = opening()
    recording = await opened(journal, mine)
    reader = await attached(journal, mine.stream)
    recording.append(1, event(1))
    recording.end(End.COMPLETE)
    assert Batch(events=[(1, event(1))], end=End.COMPLETE) == await reader.read(0)
    async with asyncio.timeout(20):
        while await reader.look() is not None:
            await asyncio.sleep(0.001)
    assert Stats() == journal.stats


async def test_a_stream_is_its_owners(journal: MemoryJournal) -> None:
    """Others learn nothing, not even that it is there, and cannot stop it."""
    stops: list[str] = []
    mine = opening(chat="c")
    await opened(journal, mine, stops)
    assert await journal.attach(mine.stream, STRANGER) is None
    assert not await journal.stop(mine.stream, STRANGER)
    assert await journal.latest(STRANGER, "c") is None
    assert [] == stops


async def test_stopping_is_idempotent(journal: MemoryJournal) -> None:
    """The producer hears of it once; a stream that has ended is known and needs no stop."""
    stops: list[str] = []
    mine = opening()
    recording = await opened(journal, mine, stops)
    assert [True, True] == [await journal.stop(mine.stream, mine.owner) for _ in range(2)]
    assert [mine.stream] == stops
    recording.end(End.CANCELLED)
    ended = opening()
    (await opened(journal, ended, stops)).end(End.COMPLETE)
    assert await journal.stop(ended.stream, ended.owner)
    assert [mine.stream] == stops


async def test_an_idempotency_key_is_the_firsts(journal: MemoryJournal) -> None:
    """A second request joins, while it runs and while it is kept; another caller's key is another key."""
    mine = opening(once="k")
    recording = await opened(journal, mine)
    assert Taken(stream=mine.stream) == await journal.open(opening(once="k"), lambda: None)
    await opened(journal, opening(once="k", owner=STRANGER))
    await opened(journal, opening())
    recording.end(End.COMPLETE)
    assert Taken(stream=mine.stream) == await journal.open(opening(once="k"), lambda: None)


@pytest.mark.parametrize("end", [End.ERROR, End.TRUNCATED, End.CANCELLED])
async def test_what_has_failed_is_not_joined(journal: MemoryJournal, end: End) -> None:
    """Who sends a request again after that wants an answer; that one is joined then, and stays when the first goes."""
    first, second = opening(once="k"), opening(once="k")
    (await opened(journal, first)).end(end)
    await opened(journal, second)
    assert Taken(stream=second.stream) == await journal.open(opening(once="k"), lambda: None)
    assert await journal.attach(first.stream, first.owner) is not None


async def test_a_dropped_stream_leaves_nothing(journal: MemoryJournal) -> None:
    """A request that never became a stream may be sent again with the same key."""
    mine = opening(once="k", chat="c")
    recording = await opened(journal, mine)
    reader = await attached(journal, mine.stream)
    recording.end(End.ERROR, keep=False)
    assert Batch(end=End.EXPIRED) == await reader.read(0)
    assert await journal.latest(mine.owner, "c") is None
    assert Stats() == journal.stats
    await opened(journal, opening(once="k"))


async def test_a_chats_newest_stream_is_found(journal: MemoryJournal) -> None:
    """Not the one before it, and the going of that one does not hide it."""
    first, second = opening(chat="c"), opening(chat="c")
    recording = await opened(journal, first)
    await opened(journal, second)
    recording.end(End.COMPLETE, keep=False)
    assert second.stream == await journal.latest(first.owner, "c")


async def test_a_chats_name_is_not_lost_to_a_stream_that_never_began(journal: MemoryJournal) -> None:
    """It leads to the newest one meanwhile, whose begin may be waited for, and then back to what is kept."""
    kept, failed, refused = (opening(chat="c") for _ in range(3))
    first = await opened(journal, kept)
    first.begin(HEAD)
    first.end(End.COMPLETE)
    second, third = await opened(journal, failed), await opened(journal, refused)
    assert refused.stream == await journal.latest(kept.owner, "c")
    second.end(End.ERROR, keep=False)
    assert refused.stream == await journal.latest(kept.owner, "c")
    third.end(End.ERROR, keep=False)
    assert kept.stream == await journal.latest(kept.owner, "c")


async def test_a_stream_that_has_begun_keeps_its_chats_name(journal: MemoryJournal) -> None:
    """What was there before it is not what the name stands for, once this one is gone."""
    older, newer = opening(chat="c"), opening(chat="c")
    (await opened(journal, older)).begin(HEAD)
    recording = await opened(journal, newer)
    recording.begin(HEAD)
    recording.end(End.ERROR, keep=False)
    assert await journal.latest(older.owner, "c") is None


async def test_whatever_a_caller_or_an_upstream_chooses_is_within_the_bound(time: Time) -> None:
    """A head counts with its size, and of a name no more is kept than its hash."""
    journal = made(time, total_bytes=10_000)
    long = "x" * 3000
    for n in range(5):
        recording = await opened(journal, opening(once=f"{long}{n}", chat=f"{long}{n}"))
        recording.begin({**HEAD, "headers": [["content-security-policy", long]]})
        recording.append(1, event(1))
        recording.end(End.COMPLETE)
        assert journal.stats.bytes <= 10_000
    assert 2 == journal.stats.streams
    assert 2 * 3000 < journal.stats.bytes
    assert isinstance(await journal.open(opening(once=f"{long}4"), lambda: None), Taken)


async def test_a_head_that_comes_too_late_is_nobodys(journal: MemoryJournal) -> None:
    """The journal was closed meanwhile, and counts nothing any more."""
    recording = await opened(journal)
    await journal.close()
    recording.begin(HEAD)
    assert Stats() == journal.stats


async def test_the_producer_knows_when_somebody_listened(journal: MemoryJournal, time: Time) -> None:
    """Now, as long as anybody does; then the time when the last one left."""
    mine = opening()
    recording = await opened(journal, mine)
    time.now += 10
    assert 1000.0 == recording.heard
    one, other = await attached(journal, mine.stream), await attached(journal, mine.stream)
    assert 1010.0 == recording.heard
    one.close()
    one.close()
    time.now += 10
    assert 1020.0 == recording.heard
    other.close()
    time.now += 10
    assert 1020.0 == recording.heard


async def test_a_finished_stream_makes_room_with_all_that_leads_to_it(time: Time) -> None:
    """Evicted as a whole it is unknown; the running one that needed the room has lost nothing."""
    journal = made(time, total_bytes=4 * (22 + EVENT_COST_BYTES) + 2 * STREAM_COST_BYTES + NAME_COST_BYTES - 1)
    done = opening(once="k")
    finished, running = await opened(journal, done), await opened(journal)
    finished.append(1, event(1))
    finished.end(End.COMPLETE)
    for n in range(1, 5):
        running.append(n, event(n))
    assert await journal.attach(done.stream, done.owner) is None
    assert (1, True) == (journal.stats.evictions, running.resumable)
    await opened(journal, opening(once="k"))


async def test_a_starved_reader_is_told_at_once(time: Time) -> None:
    """It waits for its stream's next event while other streams push the last one out."""
    journal = made(time, total_bytes=2 * (22 + EVENT_COST_BYTES) + 2 * STREAM_COST_BYTES)
    mine = opening()
    quiet, loud = await opened(journal, mine), await opened(journal)
    reader = await attached(journal, mine.stream)
    quiet.append(1, event(1))
    waiting = asyncio.create_task(reader.read(0))
    for n in (1, 2):
        loud.append(n, event(n))
    assert Batch(end=End.EVICTED) == await waiting


async def test_closing_ends_what_runs(journal: MemoryJournal) -> None:
    """Nothing is kept, and the producer may go on without noticing."""
    mine = opening()
    recording = await opened(journal, mine)
    waiting = asyncio.create_task((await attached(journal, mine.stream)).read(0))
    await asyncio.sleep(0)
    await journal.close()
    recording.append(1, event(1))
    recording.end(End.COMPLETE)
    assert Batch(end=End.EXPIRED) == await waiting
    assert (Stats(), False) == (journal.stats, recording.resumable)


async def test_ten_thousand_finished_streams_are_within_bounds(time: Time) -> None:
    """By what they take first, and gone with their time."""
    journal = made(time, total_bytes=100_000)
    for _ in range(10_000):
        recording = await opened(journal, opening(once="once", chat="chat", owner=opening().stream))
        recording.append(1, event(1))
        recording.end(End.COMPLETE)
    each = 22 + EVENT_COST_BYTES + STREAM_COST_BYTES + 2 * NAME_COST_BYTES
    assert 100_000 // each == journal.stats.streams
    assert 98_000 < journal.stats.bytes <= 100_000
    time.run()
    assert (0, 0) == (journal.stats.streams, journal.stats.bytes)


async def test_a_journal_of_nothing_keeps_nothing() -> None:
    """Its recordings take everything and say that none of it can be replayed."""
    journal: Journal = NullJournal()
    mine = opening(once="k", chat="c")
    recording = await opened(journal, mine)
    recording.begin(HEAD)
    recording.append(7, event(7))
    recording.end(End.COMPLETE)
    assert isinstance(recording, NullRecording)
    assert (False, 0.0) == (recording.resumable, recording.heard)
    assert await journal.attach(mine.stream, mine.owner) is None
    assert await journal.latest(mine.owner, "c") is None
    assert not await journal.stop(mine.stream, mine.owner)
    await journal.close()
    assert Stats() == journal.stats
