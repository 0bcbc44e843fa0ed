"""`replay.redis`: one journal on many replicas, over a real redis-server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sse_proxy.replay.base import Answer, Batch, End, Glance, Reader, Taken
from sse_proxy.replay.null import NullRecording
from sse_proxy.replay.redis import followed
from sse_proxy.replay.redis.journal import RedisJournal
from sse_proxy.replay.redis.recording import EVENT_COST_BYTES

from .conftest import LIMIT_SECONDS
from .redis_server import BEAT_SECONDS, OTHER_SERVERS, RedisServer, Replicas, redis_journal, redis_server, replicas_on
from .replay_journals import (
    CURSORS,
    HEAD,
    OWNER,
    SIZES,
    STRANGER,
    TOLD,
    attached,
    event,
    opened,
    opening,
    read_all,
    until,
)


@pytest.fixture(scope="module", params=["redis-server", *OTHER_SERVERS])
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server for this module, of each make that the contract names."""
    with redis_server(tmp_path_factory.mktemp("redis"), program=request.param) as running:
        yield running


@pytest.fixture
async def replica(server: RedisServer) -> AsyncIterator[Replicas]:
    """Makes replicas, which are closed at the end."""
    async with replicas_on(server) as make:
        yield make


@pytest.fixture
async def here(replica: Replicas) -> RedisJournal:
    """The replica that generates."""
    return replica()


@pytest.fixture
async def there(replica: Replicas) -> RedisJournal:
    """Another one."""
    return replica()


async def written(journal: RedisJournal) -> None:
    """Wait until nothing of *journal* is on its way to Redis."""
    await until(lambda: not journal.stats.bytes)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=SIZES,
    pauses=st.sets(st.integers(0, 40), max_size=5),
    pace=st.sampled_from([0.0, 0.001]),
    cursors=CURSORS,
    stream_bytes=st.sampled_from([10**6, 3000]) | st.integers(60, 3000),
    read_events=st.sampled_from([1, 3, 256]),
    end=TOLD,
)
async def test_every_reader_sees_exactly_what_follows_its_cursor(
    server: RedisServer,
    sizes: list[int],
    pauses: set[int],
    pace: float,
    cursors: list[tuple[int, int, int]],
    stream_bytes: int,
    read_events: int,
    end: End,
) -> None:
    """Or an explicit gap: whenever it comes, wherever it drops and attaches again, on whichever replica."""
    replicas = [redis_journal(server, stream_bytes=stream_bytes) for _ in range(2)]
    mine = opening()
    recording = await opened(replicas[0], mine)
    produced = [event(n, size) for n, size in enumerate(sizes, start=1)]
    so_far = [0]

    async def reading(after: int, comes_at: int, drops: int, place: int) -> None:
        await until(lambda: so_far[0] >= min(comes_at, len(produced)))
        with await attached(replicas[place % 2], mine.stream) as reader:
            first = await read_all(reader, after, at_most=drops)
        if first.end is None:
            with await attached(replicas[(place + 1) % 2], mine.stream) as reader:
                rest = await read_all(reader, first.events[-1][0])
            first.events += rest.events
            first.end = rest.end
        first.check(produced, end)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(followed, "READ_EVENTS", read_events)
        async with asyncio.TaskGroup() as tasks:
            for place, cursor in enumerate(cursors):
                tasks.create_task(reading(*cursor, place))
            for n, data in enumerate(produced, start=1):
                recording.append(n, data)
                so_far[0] = n
                # In bursts, and while a write is on its way.
                await asyncio.sleep(0.025 if n in pauses else pace)
            recording.end(end)
    for journal in replicas:
        await journal.close()


async def test_a_reader_elsewhere_has_all_that_it_needs(here: RedisJournal, there: RedisJournal) -> None:
    """The head, every event as it was, and the end with the last of them."""
    mine = opening()
    recording = await opened(here, mine)
    reader = await attached(there, mine.stream)
    assert Glance(head=None, oldest=1, latest=0, end=None) == await reader.look()
    recording.begin(HEAD)
    recording.append(1, event(1))
    assert Batch(events=[(1, event(1))]) == await reader.read(0)
    assert HEAD == reader.head
    recording.append(2, event(2))
    recording.end(End.TRUNCATED)
    assert Batch(events=[(2, event(2))], end=End.TRUNCATED) == await reader.read(1)
    assert Batch(end=End.TRUNCATED) == await reader.read(2)
    assert Glance(head=HEAD, oldest=1, latest=2, end=End.TRUNCATED) == await reader.look()
    assert HEAD == (await attached(here, mine.stream)).head


async def test_an_append_beyond_the_end_or_out_of_order_is_none(here: RedisJournal) -> None:
    """The producer learns of a wrong number at once, and what follows the end is nobody's."""
    mine = opening()
    recording = await opened(here, mine)
    recording.append(1, event(1))
    with pytest.raises(ValueError, match="does not follow"):
        recording.append(3, event(3))
    recording.end(End.COMPLETE)
    recording.append(2, event(2))
    recording.end(End.ERROR)
    assert [(1, event(1))] == (await read_all(await attached(here, mine.stream))).events
    assert End.COMPLETE is (await read_all(await attached(here, mine.stream))).end


async def test_a_reader_is_told_that_it_fell_below_what_is_kept(there: RedisJournal, replica: Replicas) -> None:
    """410 before its response has begun, in the stream afterwards; Redis holds no more than the bound and a node."""
    journal = replica(stream_bytes=16 * (22 + EVENT_COST_BYTES))
    mine = opening()
    recording = await opened(journal, mine)
    for n in range(1, 101):
        recording.append(n, event(n))
        if n % 10 == 0:
            await written(journal)
    reader = await attached(there, mine.stream)
    glance = await reader.look()
    assert glance is not None
    assert 100 - 16 - 4 <= glance.oldest - 1 <= 100 - 15
    assert (Answer.EVICTED, Answer.REPLAY) == (glance.answer(glance.oldest - 2), glance.answer(glance.oldest - 1))
    assert Batch(end=End.EVICTED) == await reader.read(glance.oldest - 2)
    batch = await reader.read(glance.oldest - 1)
    assert list(range(glance.oldest, 101)) == [n for n, _ in batch.events]
    assert 84 == journal.stats.evictions


async def test_an_event_larger_than_the_bound_is_a_gap_and_no_silence(replica: Replicas) -> None:
    """The stream goes on behind it."""
    journal = replica(stream_bytes=300)
    mine = opening()
    recording = await opened(journal, mine)
    recording.append(1, event(1))
    await written(journal)
    recording.append(2, bytes(400))
    reader = await attached(journal, mine.stream)
    assert Batch(end=End.EVICTED) == await reader.read(1)
    recording.append(3, event(3))
    assert Batch(events=[(3, event(3))]) == await reader.read(2)
    assert recording.resumable


async def test_a_stream_is_its_owners(here: RedisJournal, there: RedisJournal) -> None:
    """Others learn nothing, on no replica, not even that it is there, and cannot stop it."""
    stops: list[str] = []
    mine = opening(chat="c" + opening().stream)
    recording = await opened(here, mine, stops)
    for journal in (here, there):
        assert await journal.attach(mine.stream, STRANGER) is None
        assert not await journal.stop(mine.stream, STRANGER)
        assert await journal.latest(STRANGER, mine.chat or "") is None
        assert mine.stream == await journal.latest(OWNER, mine.chat or "")
    recording.append(1, event(1))
    await written(here)
    assert [] == stops


@pytest.mark.parametrize("stream", ["", "x", "*", "a" * 31, "A" * 32, "}:meta", "a" * 32 + "\r\nFLUSHALL", "é" * 32])
async def test_what_is_no_id_never_reaches_redis(server: RedisServer, stream: str, replica: Replicas) -> None:
    """It is answered as what is not there, without a question."""
    before = server.ask("INFO", "stats")["total_connections_received"]
    journal = replica()
    assert (None, False) == (await journal.attach(stream, OWNER), await journal.stop(stream, OWNER))
    await journal.close()
    # The one more is that of the question.
    assert before + 1 == server.ask("INFO", "stats")["total_connections_received"]


async def test_no_key_holds_what_callers_say(server: RedisServer, here: RedisJournal) -> None:
    """Whatever a key or a head has in it stays a value; the keys of a stream stay together in a cluster."""
    server.ask("FLUSHALL")
    nasty = "*}{a}:meta\r\nSET x y\r\n\0\ud800"
    mine = opening(once=nasty, chat=nasty, owner="o" * 64)
    recording = await opened(here, mine)
    recording.begin({"x": "\r\nFLUSHALL\r\n\ud800"})
    recording.append(1, b"\r\nFLUSHALL\r\n")
    await written(here)
    names = {key.removeprefix("sse-proxy:") for key in server.lifetimes()}
    assert {f"{{{mine.stream}}}:meta", f"{{{mine.stream}}}:events"} <= names
    rest = sorted(names - {f"{{{mine.stream}}}:meta", f"{{{mine.stream}}}:events"})
    assert ["chat", "once", "replica"] == [name.partition(":")[0] for name in rest]
    assert all(set(name.partition(":")[2]) <= set("0123456789abcdef") for name in rest)


async def test_an_idempotency_key_is_the_firsts_on_every_replica(here: RedisJournal, there: RedisJournal) -> None:
    """Of many that come at once, one generates; the others join it, while it runs and while it is kept."""
    key = opening().stream
    openings = [opening(once=key) for _ in range(20)]
    stops: list[str] = []
    results = await asyncio.gather(
        *((here, there)[index % 2].open(one, lambda: None) for index, one in enumerate(openings))
    )
    taken = {result.stream for result in results if isinstance(result, Taken)}
    recordings = [result for result in results if not isinstance(result, Taken)]
    assert (1, 1) == (len(taken), len(recordings))
    await opened(there, opening(once=key, owner=STRANGER), stops)
    recordings[0].end(End.COMPLETE)
    assert End.COMPLETE is (await read_all(await attached(there, *taken))).end
    assert Taken(stream=taken.pop()) == await there.open(opening(once=key), lambda: None)


async def test_what_has_failed_is_not_joined(here: RedisJournal, there: RedisJournal) -> None:
    """Who sends a request again after that wants an answer; that one is joined then."""
    key = opening().stream
    first, second = opening(once=key), opening(once=key)
    (await opened(here, first)).end(End.TRUNCATED)
    assert End.TRUNCATED is (await read_all(await attached(there, first.stream))).end
    await opened(there, second)
    assert Taken(stream=second.stream) == await here.open(opening(once=key), lambda: None)


async def test_a_dropped_stream_leaves_nothing(server: RedisServer, here: RedisJournal, there: RedisJournal) -> None:
    """A request that never became a stream may be sent again with the same key; who joined it is told."""
    server.ask("FLUSHALL")
    mine = opening(once="k", chat="c")
    recording = await opened(here, mine)
    recording.append(1, event(1))
    reader = await attached(there, mine.stream)
    waiting = asyncio.create_task(reader.read(1))
    recording.end(End.ERROR, keep=False)
    assert Batch(end=End.EXPIRED) == await waiting
    assert await reader.look() is None
    await until(lambda: not here.stats.streams)
    assert {"replica"} == {key.split(":")[1] for key in server.lifetimes()}
    await opened(here, opening(once="k"))


async def test_an_opening_that_is_cancelled_leaves_nothing(
    server: RedisServer, here: RedisJournal, there: RedisJournal
) -> None:
    """At whatever point its client leaves: or the next request with the same key would join what nobody generates."""
    server.ask("FLUSHALL")
    await opened(here)
    keys = [f"k{number}" for number in range(40)]
    cancelled = 0
    for number, key in enumerate(keys):
        asking = asyncio.create_task(here.open(opening(once=key, chat=key), lambda: None))
        await asyncio.sleep(number * 0.00005)
        asking.cancel()
        try:
            recording = await asking
        except asyncio.CancelledError:
            cancelled += 1
        else:
            assert not isinstance(recording, Taken)
            recording.end(End.ERROR, keep=False)
    assert cancelled > 0
    await until(lambda: sum(key.endswith(":meta") for key in server.lifetimes()) == 1)
    for key in keys:
        await opened(there, opening(once=key))


async def test_every_key_has_a_time_to_live(server: RedisServer, there: RedisJournal, replica: Replicas) -> None:
    """From its first moment on; from the end on it is that of the setting; nothing is left afterwards."""
    server.ask("FLUSHALL")
    journal = replica(ttl_seconds=2.0)
    mine = opening(once="k", chat="c")
    recording = await opened(journal, mine)
    assert 4 == len(server.lifetimes())
    assert all(milliseconds > 0 for milliseconds in server.lifetimes().values())
    recording.begin(HEAD)
    recording.append(1, event(1))
    await written(journal)
    assert 5 == len(server.lifetimes())
    assert all(0 < milliseconds <= 60_000 for milliseconds in server.lifetimes().values())
    recording.end(End.COMPLETE)
    reader = await attached(there, mine.stream)
    assert End.COMPLETE is (await read_all(reader)).end
    assert all(0 < milliseconds <= 2000 for milliseconds in server.lifetimes().values())
    await journal.close()
    assert Batch(end=End.EXPIRED) == await _ended(reader)
    await until(lambda: {"replica"} >= {key.split(":")[1] for key in server.lifetimes()})
    assert await there.attach(mine.stream, OWNER) is None


async def _ended(reader: Reader) -> Batch:
    async with asyncio.timeout(LIMIT_SECONDS):
        while (batch := await reader.read(1)).end is End.COMPLETE:
            await asyncio.sleep(0.05)
    return batch


async def test_a_running_streams_keys_live_on(server: RedisServer, replica: Replicas) -> None:
    """However long it runs, and though it is silent: they are renewed, those that lead to it too."""
    server.ask("FLUSHALL")
    now = [0.0]
    journal = replica(lambda: now[0])
    mine = opening(once="k", chat="c")
    recording = await opened(journal, mine)
    recording.append(1, event(1))
    await written(journal)
    with server.client as client:
        names = [key for key in server.lifetimes() if "replica" not in key]
        for key in names:
            client.pexpire(key, 5000)
        now[0] += 150
        await until(lambda: all(client.pttl(key) > 200_000 for key in names))


async def test_stopping_reaches_the_owner_from_any_replica(here: RedisJournal, there: RedisJournal) -> None:
    """Once, however often it is asked for; it is told again in the next reply, should the message be lost."""
    stops: list[str] = []
    mine = opening()
    recording = await opened(here, mine, stops)
    assert [True, True] == [await there.stop(mine.stream, OWNER) for _ in range(2)]
    await until(lambda: stops)
    recording.append(1, event(1))
    await written(here)
    assert await here.stop(mine.stream, OWNER)
    assert [mine.stream] == stops
    recording.end(End.CANCELLED)
    assert End.CANCELLED is (await read_all(await attached(there, mine.stream))).end
    assert await there.stop(mine.stream, OWNER)
    assert not await there.stop(opening().stream, OWNER)


async def test_a_stop_whose_message_is_lost_comes_with_the_next_reply(server: RedisServer, here: RedisJournal) -> None:
    """What stands in Redis is not lost."""
    stops: list[str] = []
    mine = opening()
    recording = await opened(here, mine, stops)
    server.ask("HSET", f"sse-proxy:{{{mine.stream}}}:meta", "stop", "1")
    recording.append(1, event(1))
    await until(lambda: stops)


async def test_the_producer_knows_that_somebody_listens_elsewhere(there: RedisJournal, replica: Replicas) -> None:
    """As long as a reader is there, on any replica, and from then on when that was."""
    now = [0.0]
    journal = replica(lambda: now[0])
    mine, other = opening(), opening()
    recording, unheard = await opened(journal, mine), await opened(journal, other)
    remote = await attached(there, mine.stream)
    now[0] = 10.0
    await until(lambda: recording.heard == 10.0)
    local = await attached(journal, mine.stream)
    remote.close()
    now[0] = 20.0
    await until(lambda: recording.heard == 20.0)
    local.close()
    local.close()
    await asyncio.sleep(3 * BEAT_SECONDS)
    now[0] = 30.0
    await asyncio.sleep(3 * BEAT_SECONDS)
    assert (20.0, 0.0) == (recording.heard, unheard.heard)


async def test_a_cancelled_read_loses_nothing(here: RedisJournal, there: RedisJournal) -> None:
    """At whatever point it is cancelled, in the middle of a reply too; so heartbeats can be put in between."""
    mine = opening()
    recording = await opened(here, mine)
    reader = await attached(there, mine.stream)
    events: list[tuple[int, bytes]] = []
    for n in range(1, 101):
        recording.append(n, event(n))
        waiting = asyncio.create_task(reader.read(len(events)))
        await asyncio.sleep(n * 0.0002)
        waiting.cancel()
        try:
            events += (await waiting).events
        except asyncio.CancelledError:
            assert waiting.cancelled()
    recording.end(End.COMPLETE)
    rest = await read_all(reader, len(events))
    rest.check([event(n) for n in range(1, 101)], End.COMPLETE)
    assert 100 == len(events) + len(rest.events)


async def test_connections_are_bounded_however_many_read(
    server: RedisServer, here: RedisJournal, replica: Replicas
) -> None:
    """Two hundred readers of a hundred streams: eight connections, four of the journal's own, and one for pub/sub."""
    journal = replica()
    mine = [opening() for _ in range(100)]
    recordings = [await opened(here, one) for one in mine]
    before = server.ask("INFO", "clients")["connected_clients"]
    readers = [await attached(journal, one.stream) for one in mine for _ in range(2)]
    reading = [asyncio.create_task(read_all(reader)) for reader in readers]
    most = 0
    for n in range(1, 11):
        for recording in recordings:
            recording.append(n, event(n))
        await asyncio.sleep(0.05)
        most = max(most, server.ask("INFO", "clients")["connected_clients"] - before)
    for recording in recordings:
        recording.end(End.COMPLETE)
    for seen in await asyncio.gather(*reading):
        seen.check([event(n) for n in range(1, 11)], End.COMPLETE)
    assert 2 <= most <= 13
    with server.client as client:
        assert 100 <= len(client.pubsub_channels("sse-proxy:{*"))
        for reader in readers:
            reader.close()
        await until(lambda: not client.pubsub_channels("sse-proxy:{*"))


async def test_an_id_that_is_in_use_is_not_taken(here: RedisJournal, there: RedisJournal) -> None:
    """Nothing is promised of the second stream, and the first one has no stranger's events in it."""
    mine = opening()
    recording = await opened(here, mine)
    second = await there.open(mine, lambda: None)
    assert isinstance(second, NullRecording)
    second.append(1, b"x")
    recording.append(1, event(1))
    assert Batch(events=[(1, event(1))]) == await (await attached(there, mine.stream)).read(0)


async def test_readers_that_are_up_to_date_share_one_look(
    server: RedisServer, here: RedisJournal, there: RedisJournal
) -> None:
    """However many wait at a silent stream, the store is asked once a beat, and once an event."""
    mine = opening()
    recording = await opened(here, mine)
    readers = [await attached(there, mine.stream) for _ in range(100)]
    reading = [asyncio.create_task(read_all(reader)) for reader in readers]
    await asyncio.sleep(0)
    server.ask("CONFIG", "RESETSTAT")
    await asyncio.sleep(5 * BEAT_SECONDS)
    asked = server.ask("INFO", "commandstats").get("cmdstat_evalsha", {}).get("calls", 0)
    assert asked < 50
    recording.append(1, event(1))
    recording.end(End.COMPLETE)
    for seen in await asyncio.gather(*reading):
        seen.check([event(1)], End.COMPLETE)


async def test_a_reader_is_heard_at_once(here: RedisJournal, there: RedisJournal) -> None:
    """It may be gone before the next beat, and whoever comes every now and then shall not find the stream cancelled."""
    mine = opening()
    recording = await opened(here, mine)
    heard = [recording.heard]
    for journal in (there, here):
        (await attached(journal, mine.stream)).close()
        await until(lambda: recording.heard > heard[-1])
        heard.append(recording.heard)


async def test_a_stream_that_did_not_begin_gives_its_name_back(here: RedisJournal, there: RedisJournal) -> None:
    """The chat's newest stream that can be had is the one before."""
    mine, failed = opening(chat="chat"), opening(chat="chat")
    recording = await opened(here, mine)
    recording.append(1, event(1))
    recording.end(End.COMPLETE)
    second = await opened(there, failed)
    assert failed.stream == await here.latest(OWNER, "chat")
    second.end(End.ERROR, keep=False)
    async with asyncio.timeout(LIMIT_SECONDS):
        while await here.latest(OWNER, "chat") != mine.stream:
            await asyncio.sleep(0.005)
