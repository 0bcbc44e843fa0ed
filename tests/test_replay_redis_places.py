"""`replay.redis` where Redis is more than one server behind a port: a cluster of several nodes, and TLS."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trustme

from sse_proxy.replay.base import End, Recording, StoreUnavailable, Taken
from sse_proxy.replay.null import NullRecording
from sse_proxy.replay.redis.journal import RedisJournal
from sse_proxy.replay.redis.keys import stream_keys

from .conftest import LIMIT_SECONDS
from .redis_server import RedisServer, redis_journal, redis_server
from .replay_journals import OWNER, attached, event, opened, opening, read_all, until

# redis-py (8.1) lets go of a cluster's nodes, when it finds them anew, without closing their connections.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

_NODES = 3
_SLOTS = 16_384
_EVENTS = 19


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What was let go of is gone, or another test is blamed for it."""
    yield
    gc.collect()


@contextmanager
def _cluster(directory: Path) -> Iterator[list[RedisServer]]:
    """Nodes that share the slots evenly."""
    with ExitStack() as closing:
        nodes = []
        for number in range(_NODES):
            (place := directory / str(number)).mkdir()
            nodes.append(closing.enter_context(redis_server(place, "--cluster-enabled", "yes")))
        for number, node in enumerate(nodes):
            node.ask("CLUSTER", "ADDSLOTS", *range(_SLOTS * number // _NODES, _SLOTS * (number + 1) // _NODES))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port)
        yield nodes


@asynccontextmanager
async def _journals(*servers: RedisServer, scheme: str = "redis") -> AsyncIterator[list[RedisJournal]]:
    """One at each of *servers*."""
    journals = [redis_journal(server, scheme=scheme) for server in servers]
    try:
        yield journals
    finally:
        for journal in journals:
            await journal.close()


def _is_ready(node: RedisServer) -> bool:
    info = node.ask("CLUSTER", "INFO")
    told = info if isinstance(info, dict) else dict(line.split(":") for line in info.split())
    return (told["cluster_state"], told["cluster_known_nodes"]) == ("ok", str(_NODES))


async def _tell(one: RedisJournal, other: RedisJournal, number: int) -> str:
    """One stream, recorded at *one*, read, joined and stopped at *other*; returns its id."""
    stops: list[str] = []
    mine = opening(once=f"once-{number}", chat=f"chat-{number}")
    recording: Recording = await opened(one, mine, stops)
    reader = await attached(other, mine.stream)
    for n in range(1, _EVENTS + 1):
        recording.append(n, event(n))
    assert Taken(stream=mine.stream) == await other.open(opening(once=f"once-{number}"), lambda: None)
    assert mine.stream == await other.latest(OWNER, f"chat-{number}")
    assert await other.stop(mine.stream, OWNER)
    await until(lambda: stops)
    recording.end(End.CANCELLED)
    (await read_all(reader)).check([event(n) for n in range(1, _EVENTS + 1)], End.CANCELLED)
    reader.close()
    return mine.stream


async def test_a_cluster_is_spoken_to_one_slot_a_call(tmp_path: Path) -> None:
    """``redis+cluster://``: the same promises, with streams on every node, where nothing may span slots."""
    with _cluster(tmp_path) as nodes:
        await until(lambda: all(map(_is_ready, nodes)))
        # Each journal is told of one node only, and finds the others.
        async with _journals(*nodes[:2], scheme="redis+cluster") as (one, other):
            streams = [await _tell(one, other, number) for number in range(12)]
            kept = [node.lifetimes() for node in nodes]
            assert {key for keys in kept for key in keys} >= {key for stream in streams for key in stream_keys(stream)}
            assert all(len(keys) > 1 for keys in kept)
            assert all(milliseconds > 0 for keys in kept for milliseconds in keys.values())
            await _is_listened_to(one, other)


async def _is_listened_to(one: RedisJournal, other: RedisJournal) -> None:
    """What is said at *other* about a silent stream of *one* arrives there, with no write that would ask for it."""
    stops: list[str] = []
    mine = opening()
    recording = await opened(one, mine, stops)
    recording.append(1, event(1))
    await until(lambda: not one.stats.bytes)
    heard = recording.heard
    with await attached(other, mine.stream) as reader:
        await read_all(reader, at_most=1)
        await until(lambda: recording.heard > heard)
    assert await other.stop(mine.stream, OWNER)
    await until(lambda: stops)


async def test_a_cluster_that_was_away_is_used_again(tmp_path: Path) -> None:
    """While it cannot be found tokens flow and readers are told so; the process goes on to show that it lives."""
    with _cluster(tmp_path) as nodes:
        await until(lambda: all(map(_is_ready, nodes)))
        for node in nodes:
            node.kill()
        async with _journals(*nodes[:2], scheme="redis+cluster") as (one, other):
            assert isinstance(await one.open(opening(), lambda: None), NullRecording)
            with pytest.raises(StoreUnavailable):
                await other.attach(opening().stream, OWNER)
            for node in nodes:
                node.start()
            async with asyncio.timeout(LIMIT_SECONDS):
                while isinstance(await one.open(opening(), lambda: None), NullRecording):
                    await asyncio.sleep(0.05)
                while not await _answers(other):
                    await asyncio.sleep(0.05)
            await _is_listened_to(one, other)


async def _answers(journal: RedisJournal) -> bool:
    try:
        return await journal.attach(opening().stream, OWNER) is None
    except StoreUnavailable:
        return False


async def test_tls_is_spoken_and_its_certificate_looked_at(tmp_path: Path) -> None:
    """``rediss://``: with the server's own authority everything works, and with another's nothing is kept."""
    with redis_server(tmp_path, authority=trustme.CA()) as server:
        async with _journals(server, server) as (one, other):
            await _tell(one, other, 0)
        trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
        async with _journals(server) as (stranger,):
            assert isinstance(await stranger.open(opening(), lambda: None), NullRecording)
            with pytest.raises(StoreUnavailable):
                await stranger.attach(opening().stream, OWNER)
