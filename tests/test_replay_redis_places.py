"""`replay.redis` where Redis is more than one server behind a port: a cluster of several nodes, and TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trustme

from sse_proxy.replay.base import End, Recording, StoreUnavailable, Taken
from sse_proxy.replay.null import NullRecording
from sse_proxy.replay.redis.journal import RedisJournal
from sse_proxy.replay.redis.keys import stream_keys

from .redis_server import RedisServer, redis_journal, redis_server
from .replay_journals import OWNER, attached, event, opened, opening, read_all, until

_NODES = 3
_SLOTS = 16_384
_EVENTS = 19


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
        one, other = (redis_journal(node, scheme="redis+cluster") for node in nodes[:2])
        streams = [await _tell(one, other, number) for number in range(12)]
        kept = [node.lifetimes() for node in nodes]
        assert {key for keys in kept for key in keys} >= {key for stream in streams for key in stream_keys(stream)}
        assert all(len(keys) > 1 for keys in kept)
        assert all(milliseconds > 0 for keys in kept for milliseconds in keys.values())
        await one.close()
        await other.close()


async def test_a_node_that_is_gone_costs_its_own_streams_only(tmp_path: Path) -> None:
    """The cluster goes on without it where it may; what is kept elsewhere can be had."""
    with _cluster(tmp_path) as nodes:
        await until(lambda: all(map(_is_ready, nodes)))
        for node in nodes:
            node.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
        journal = redis_journal(nodes[0], scheme="redis+cluster")
        streams = [opening() for _ in range(12)]
        for mine in streams:
            recording = await opened(journal, mine)
            recording.append(1, event(1))
            recording.end(End.COMPLETE)
        await until(lambda: not journal.stats.bytes)
        here = {key for node in nodes[:2] for key in node.lifetimes()}
        nodes[2].kill()
        reachable = [mine for mine in streams if str(stream_keys(mine.stream)[0]) in here]
        assert 0 < len(reachable) < len(streams)

        async def has(stream: str) -> bool:
            try:
                with await attached(journal, stream) as reader:
                    return (await read_all(reader)).end is End.COMPLETE
            except (StoreUnavailable, AssertionError):
                return False

        for mine in reachable:
            async with asyncio.timeout(60):
                while not await has(mine.stream):
                    await asyncio.sleep(0.1)
        await journal.close()


async def test_tls_is_spoken_and_its_certificate_looked_at(tmp_path: Path) -> None:
    """``rediss://``: with the server's own authority everything works, and with another's nothing is kept."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for place in (ours, theirs):
        place.mkdir()
    with redis_server(ours, authority=trustme.CA()) as server:
        one, other = redis_journal(server), redis_journal(server)
        await _tell(one, other, 0)
        await one.close()
        await other.close()
        trustme.CA().cert_pem.write_to_path(ours / "ca.pem")
        stranger = redis_journal(server)
        assert isinstance(await stranger.open(opening(), lambda: None), NullRecording)
        with pytest.raises(StoreUnavailable):
            await stranger.attach(opening().stream, OWNER)
        await stranger.close()
