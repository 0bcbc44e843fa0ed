"""`replay.redis` when something dies: the owner, the store, the line to it, or an owner that comes back."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sse_proxy.replay.base import Batch, End, Reader, StoreUnavailable, Taken
from sse_proxy.replay.null import NullRecording
from sse_proxy.replay.redis import followed
from sse_proxy.replay.redis.journal import RedisJournal
from sse_proxy.replay.redis.writer import Writer

from .conftest import LIMIT_SECONDS
from .redis_server import (
    BEAT_SECONDS,
    SHORT_TIMEOUT_SECONDS,
    RedisServer,
    Replicas,
    redis_journal,
    redis_server,
    replicas_on,
)
from .replay_journals import HEAD, OWNER, attached, event, opened, opening, read_all, until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for one test, which may do with it what it likes; what it knows outlives it."""
    with redis_server(tmp_path, "--appendonly", "yes", "--appendfsync", "always") as running:
        yield running


@pytest.fixture
async def replica(server: RedisServer) -> AsyncIterator[Replicas]:
    """Makes replicas, which are closed at the end."""
    async with replicas_on(server, timeout_seconds=SHORT_TIMEOUT_SECONDS) as make:
        yield make


@pytest.fixture
async def here(replica: Replicas) -> RedisJournal:
    """The replica that generates."""
    return replica()


@pytest.fixture
async def there(replica: Replicas) -> RedisJournal:
    """Another one."""
    return replica()


def meta(stream: str) -> str:
    """The key of a stream's state."""
    return f"sse-proxy:{{{stream}}}:meta"


OWNER_PROCESS = """
import asyncio, sys
from tests.redis_server import RedisJournal
from tests.replay_journals import HEAD, event, opening
from sse_proxy.replay.base import Opening

async def main(url, stream):
    loop = asyncio.get_running_loop()
    bounds = {"ttl_seconds": 300, "stream_bytes": 10**6, "total_bytes": 10**7, "beat_seconds": 0.2}
    journal = RedisJournal(url, clock=loop.time, **bounds)
    recording = await journal.open(Opening(stream=stream, owner="a" * 64, once="k"), lambda: None)
    recording.begin(HEAD)
    for n in range(1, 4):
        recording.append(n, event(n))
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_owner_is_told_to_its_readers(server: RedisServer, there: RedisJournal) -> None:
    """No silence: all that it wrote, and then that the rest will not come; its idempotency key is free again."""
    mine = opening(once="k")
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER_PROCESS, server.url(), mine.stream), cwd=Path(__file__).parent.parent
    )
    try:
        await until(lambda: server.ask("HGET", meta(mine.stream), "last") == "3")
        assert Taken(stream=mine.stream) == await there.open(opening(once="k"), lambda: None)
        reader = await attached(there, mine.stream)
        first = await read_all(reader, at_most=3)
        assert (3, HEAD) == (len(first.events), reader.head)
        waiting = asyncio.create_task(read_all(reader, 3))
        await asyncio.sleep(0.5)
        assert not waiting.done()  # a living owner that is silent is no dead one
    finally:
        owner.kill()
        await owner.wait()
    assert (End.OWNER_LOST, []) == ((seen := await waiting).end, seen.events)
    late = await read_all(await attached(there, mine.stream))
    assert (End.OWNER_LOST, 3) == (late.end, len(late.events))
    await opened(there, opening(once="k"))


async def test_an_owner_that_was_taken_for_dead_is_fenced(
    server: RedisServer, here: RedisJournal, there: RedisJournal
) -> None:
    """What readers were told stays true: not an event of its comes behind the end."""
    mine = opening()
    recording = await opened(here, mine)
    recording.append(1, event(1))
    reader = await attached(there, mine.stream)
    await read_all(reader, at_most=1)
    server.ask("HSET", meta(mine.stream), "end", "owner_lost")
    recording.append(2, event(2))
    await until(lambda: not recording.resumable)
    assert Batch(events=[(1, event(1))], end=End.OWNER_LOST) == await reader.read(0)
    assert 0 == here.stats.streams


async def test_a_second_owner_cannot_append(server: RedisServer, here: RedisJournal) -> None:
    """The token in Redis decides; whoever has another writes nothing, and learns it."""
    mine = opening()
    recording = await opened(here, mine)
    recording.append(1, event(1))
    await until(lambda: server.ask("HGET", meta(mine.stream), "last") == "1")
    server.ask("HSET", meta(mine.stream), "token", "somebody else's")
    recording.append(2, event(2))
    recording.end(End.COMPLETE)
    await until(lambda: not recording.resumable)
    assert ("1", None) == tuple(server.ask("HMGET", meta(mine.stream), "last", "end"))


async def test_an_orderly_end_of_the_owner_is_noticed(there: RedisJournal, replica: Replicas) -> None:
    """What it has not ended itself is lost, and nobody waits longer than for a dead one."""
    journal = replica()
    mine = opening()
    recording = await opened(journal, mine)
    recording.append(1, event(1))
    await journal.close()
    seen = await read_all(await attached(there, mine.stream))
    assert ([(1, event(1))], End.OWNER_LOST) == (seen.events, seen.end)


async def test_readers_that_never_stay_learn_of_a_lost_owner_too(there: RedisJournal, replica: Replicas) -> None:
    """Whose line breaks every second is not to come back for ever to a stream that will never go on."""
    journal = replica()
    mine = opening()
    (await opened(journal, mine)).append(1, event(1))
    await until(lambda: not journal.stats.bytes)
    await journal.close()

    async def visit() -> End | None:
        with await attached(there, mine.stream) as reader:
            await asyncio.sleep(BEAT_SECONDS * 1.5)
            glance = await reader.look()
            return None if glance is None else glance.end

    async with asyncio.timeout(LIMIT_SECONDS):
        while await visit() is None:
            pass
    assert End.OWNER_LOST is await visit()


@pytest.mark.parametrize("how", ["paused", "restarted"])
async def test_a_short_outage_costs_nothing(
    server: RedisServer, here: RedisJournal, there: RedisJournal, how: str
) -> None:
    """Producer and readers go on; what piled up is written, nothing is lost, nothing comes twice, nobody is dead."""
    mine = opening()
    recording = await opened(here, mine)
    reading = asyncio.create_task(read_all(await attached(there, mine.stream)))
    local = asyncio.create_task(read_all(await attached(here, mine.stream)))
    for n in range(1, 101):
        recording.append(n, event(n))
        await asyncio.sleep(0.01)
        if n == 30:
            server.signal(signal.SIGSTOP) if how == "paused" else server.kill()
        if n == 60:
            await asyncio.sleep(2 * SHORT_TIMEOUT_SECONDS)
            server.signal(signal.SIGCONT) if how == "paused" else server.start()
    recording.end(End.COMPLETE)
    for seen in (await reading, await local):
        seen.check([event(n) for n in range(1, 101)], End.COMPLETE)
        assert (100, End.COMPLETE) == (len(seen.events), seen.end)
    assert recording.resumable
    assert here.stats.store_errors > 0


async def test_what_redis_has_forgotten_is_not_resumable(tmp_path: Path) -> None:
    """It comes back empty: the producer goes on, readers learn that there is nothing, new streams are kept."""
    with redis_server(tmp_path) as server:
        here = redis_journal(server, timeout_seconds=SHORT_TIMEOUT_SECONDS)
        mine = opening()
        recording = await opened(here, mine)
        recording.append(1, event(1))
        reader = await attached(here, mine.stream)
        assert Batch(events=[(1, event(1))]) == await reader.read(0)
        waiting = asyncio.create_task(reader.read(1))
        server.kill()
        server.start()
        recording.append(2, event(2))
        assert Batch(end=End.EXPIRED) == await waiting
        await until(lambda: not recording.resumable)
        recording.append(3, event(3))
        recording.end(End.COMPLETE)
        again = opening()
        (await opened(here, again)).append(1, event(1))
        assert Batch(events=[(1, event(1))]) == await (await attached(here, again.stream)).read(0)
        await here.close()


async def test_what_a_failover_has_lost_is_told(server: RedisServer, here: RedisJournal) -> None:
    """The tail is gone, the producer is far ahead: no reader gets what does not follow its last event."""
    mine = opening()
    recording = await opened(here, mine)
    for n in range(1, 6):
        recording.append(n, event(n))
    await until(lambda: server.ask("HGET", meta(mine.stream), "last") == "5")
    server.ask("XTRIM", meta(mine.stream).replace("meta", "events"), "MAXLEN", 0)
    server.ask("DEL", meta(mine.stream).replace("meta", "events"))
    server.ask("HSET", meta(mine.stream), "last", "2")
    recording.append(6, event(6))
    await until(lambda: not recording.resumable)
    reader = await attached(here, mine.stream)
    assert Batch(end=End.UNAVAILABLE) == await reader.read(2)
    assert Batch(end=End.EVICTED) == await reader.read(1)


async def back(journal: RedisJournal, stream: str) -> Reader:
    """A reader of *stream*, as soon as the store is there again."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                return await attached(journal, stream)
            except StoreUnavailable:
                await asyncio.sleep(0.02)


async def test_a_long_outage_is_told_to_readers(
    server: RedisServer, here: RedisJournal, there: RedisJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, soon, however many; who asks anew learns it at once, and new streams are just not resumable."""
    monkeypatch.setattr(followed, "PATIENCE_SECONDS", 0.5)
    mine = opening(chat="c")
    recording = await opened(here, mine)
    readers = [await attached(there, mine.stream) for _ in range(200)]
    waiting = [asyncio.create_task(reader.read(0)) for reader in readers]
    await asyncio.sleep(0.1)
    server.signal(signal.SIGSTOP)
    start = time.monotonic()
    assert {End.UNAVAILABLE} == {batch.end for batch in await asyncio.gather(*waiting)}
    recording.append(1, event(1))
    for asking in (there.attach(mine.stream, OWNER), there.latest(OWNER, "c"), there.stop(mine.stream, OWNER)):
        with pytest.raises(StoreUnavailable):
            await asking
    with pytest.raises(StoreUnavailable):
        await readers[0].look()
    unkept = await opened(there)
    assert not unkept.resumable
    # Two hundred timeouts one after the other would be 10 s, on eight connections at a time.
    assert time.monotonic() - start < LIMIT_SECONDS
    server.signal(signal.SIGCONT)
    seen = await read_all(await back(there, mine.stream), at_most=1)
    assert [(1, event(1))] == seen.events


async def test_a_stream_is_given_up_above_the_bound_of_what_waits(server: RedisServer, replica: Replicas) -> None:
    """Memory is bounded in an outage of any length; the producer goes on, and readers are told when Redis is back."""
    here = replica(total_bytes=1000)
    mine = opening()
    recording = await opened(here, mine)
    recording.append(1, event(1))
    reader = await attached(here, mine.stream)
    assert Batch(events=[(1, event(1))]) == await reader.read(0)
    server.signal(signal.SIGSTOP)
    for n in range(2, 100):
        recording.append(n, event(n))
        assert here.stats.bytes <= 1000
    assert not recording.resumable
    recording.end(End.COMPLETE)
    server.signal(signal.SIGCONT)
    assert End.UNAVAILABLE is (await read_all(reader, 1)).end


async def test_a_full_redis_fails_one_after_the_other(server: RedisServer, here: RedisJournal) -> None:
    """Readers read, producers wait with their events, stops get through; with room again all is as before."""
    stops: list[str] = []
    mine = opening()
    recording = await opened(here, mine, stops)
    recording.append(1, event(1))
    reader = await attached(here, mine.stream)
    await read_all(reader, at_most=1)
    server.ask("CONFIG", "SET", "maxmemory", "1")
    recording.append(2, event(2))
    await until(lambda: here.stats.store_errors)
    assert Batch(events=[(1, event(1))]) == await reader.read(0)
    assert not (await opened(here)).resumable
    server.ask("CONFIG", "SET", "maxmemory", "0")
    recording.end(End.COMPLETE)
    seen = await read_all(reader)
    seen.check([event(1), event(2)], End.COMPLETE)


async def test_a_redis_that_stays_full_is_told_to_readers(
    server: RedisServer, here: RedisJournal, there: RedisJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No news will come as long as nothing is taken, and heartbeats alone say nothing; what is there can be read."""
    monkeypatch.setattr(followed, "PATIENCE_SECONDS", 0.5)
    mine = opening()
    recording = await opened(here, mine)
    recording.append(1, event(1))
    reader = await attached(there, mine.stream)
    await read_all(reader, at_most=1)
    server.ask("CONFIG", "SET", "maxmemory", "1")
    recording.append(2, event(2))
    async with asyncio.timeout(LIMIT_SECONDS):
        assert Batch(end=End.UNAVAILABLE) == await reader.read(1)
    assert Batch(events=[(1, event(1))]) == await reader.read(0)
    server.ask("CONFIG", "SET", "maxmemory", "0")
    recording.end(End.COMPLETE)
    async with asyncio.timeout(LIMIT_SECONDS):
        while not (batch := await reader.read(1)).events:
            assert batch.end is End.UNAVAILABLE
            await asyncio.sleep(0.02)
    assert Batch(events=[(2, event(2))], end=End.COMPLETE) == batch


async def test_closing_while_redis_is_away_takes_no_time(server: RedisServer, replica: Replicas) -> None:
    """The end of the process waits for no store."""
    journal = replica()
    recording = await opened(journal)
    server.signal(signal.SIGSTOP)
    recording.append(1, event(1))
    async with asyncio.timeout(LIMIT_SECONDS):
        await journal.close()
    server.signal(signal.SIGCONT)


async def test_a_part_that_fails_is_reported_and_begins_anew(
    here: RedisJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours must not show as streams that cannot be resumed, hours later."""
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    defect = RuntimeError("a defect")

    async def write(_: Writer) -> bool:
        raise defect

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", write)
        (await opened(here)).append(1, event(1))
        await until(lambda: told)
    assert [defect] == told
    await until(lambda: not here.stats.bytes)


async def test_a_store_that_was_away_is_used_whoever_asked_first(server: RedisServer, here: RedisJournal) -> None:
    """Also where the first that asked was somebody who looked for a chat, or wanted to stop a stream."""
    server.kill()
    with pytest.raises(StoreUnavailable):
        await here.latest(OWNER, "chat")
    with pytest.raises(StoreUnavailable):
        await here.stop(opening().stream, OWNER)
    server.start()
    async with asyncio.timeout(LIMIT_SECONDS):
        while isinstance(await here.open(opening(), lambda: None), NullRecording):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("forgotten", ["everything", "the tail"])
async def test_a_stream_of_which_nothing_is_kept_can_be_stopped(
    server: RedisServer, here: RedisJournal, there: RedisJournal, forgotten: str
) -> None:
    """As long as its producer runs: by who asks that process, and by others as long as the store knows it."""
    stops: list[str] = []
    mine = opening()
    recording = await opened(here, mine, stops)
    recording.append(1, event(1))
    await until(lambda: not here.stats.bytes)
    if forgotten == "everything":
        server.ask("FLUSHALL")
    else:
        server.ask("HSET", meta(mine.stream), "last", "0")
    recording.append(2, event(2))
    recording.append(3, event(3))
    await until(lambda: not recording.resumable)
    assert (0, []) == (here.stats.streams, stops)
    assert await (here if forgotten == "everything" else there).stop(mine.stream, OWNER)
    await until(lambda: stops)
    recording.end(End.CANCELLED)
    assert not await here.stop(opening().stream, OWNER)


async def test_a_store_that_refuses_scripts_is_not_asked_for_ever(server: RedisServer, here: RedisJournal) -> None:
    """Nothing was written, so nothing is to be dropped: it would be tried for ever, and more with each request."""
    server.ask("ACL", "SETUSER", "default", "-evalsha", "-eval")
    for _ in range(20):
        assert isinstance(await here.open(opening(), lambda: None), NullRecording)
    errors = here.stats.store_errors
    await asyncio.sleep(4 * BEAT_SECONDS)
    assert here.stats.store_errors == errors


async def test_a_drop_that_is_refused_is_given_up(server: RedisServer, here: RedisJournal) -> None:
    """The keys have their time; what is tried for ever is one more with each request."""
    recording = await opened(here)
    recording.append(1, event(1))
    await until(lambda: not here.stats.bytes)
    server.ask("ACL", "SETUSER", "default", "-evalsha", "-eval")
    recording.end(End.ERROR, keep=False)
    errors = -1
    async with asyncio.timeout(LIMIT_SECONDS):
        while errors != here.stats.store_errors:
            errors = here.stats.store_errors
            await asyncio.sleep(1)
    assert errors > 1


async def busy(journal: RedisJournal) -> None:
    """Have all of its connections in use, as where many wait for a slow store."""
    for _ in range(8):
        await journal._link._slots.acquire()  # noqa: SLF001 -- nothing else stands still for a test


async def test_readers_cannot_hold_up_what_keeps_the_process_alive(here: RedisJournal, there: RedisJournal) -> None:
    """The pulse and the writer have connections of their own."""
    mine = opening()
    recording = await opened(here, mine)
    await busy(here)
    recording.append(1, event(1))
    recording.end(End.COMPLETE)
    seen = await read_all(await attached(there, mine.stream))
    assert ([(1, event(1))], End.COMPLETE) == (seen.events, seen.end)


async def test_nobody_waits_for_a_slow_store_longer_than_said(
    here: RedisJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stream flows and is not kept: the upstream is asked only afterwards."""
    await opened(here)
    monkeypatch.setattr(here, "_timeout_seconds", 0.01)
    await busy(here)
    assert isinstance(await here.open(opening(once="k"), lambda: None), NullRecording)
    for asking in (here.attach(opening().stream, OWNER), here.latest(OWNER, "chat"), here.stop("a" * 32, OWNER)):
        with pytest.raises(StoreUnavailable):
            await asking


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
            StoreUnavailable,
        ),
        (AttributeError("'NoneType' object has no attribute 'writelines'"), StoreUnavailable),
        (RuntimeError("no running event loop"), RuntimeError),
        (AttributeError("'Redis' object has no attribute 'nothing'"), AttributeError),
    ],
)
async def test_a_connection_that_is_closed_already_is_a_store_that_is_away(
    here: RedisJournal, monkeypatch: pytest.MonkeyPatch, error: Exception, told: type[Exception]
) -> None:
    """Neither the event loop nor redis-py says so with an error of sockets: what was to be written is written later."""

    async def execute(*_command: object) -> None:
        raise error

    monkeypatch.setattr(here._link._client, "execute_command", execute)  # noqa: SLF001  where the loop's error comes up
    with pytest.raises(told):
        await here._link.run(("PING",))  # noqa: SLF001
