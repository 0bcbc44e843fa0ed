"""`resume.seats`: on whose place among the streams those are who listen to a kept one."""

from __future__ import annotations

import pytest

from sse_proxy.core.admission import Admission, Place
from sse_proxy.entrance import Entrance
from sse_proxy.errors import Refused
from sse_proxy.metrics.base import NullMetrics
from sse_proxy.resume.seats import FIRM_SECONDS, Seats

from .streaming import DONE, proxied, until
from .test_resume_resumption import TOKENS, detached, kept, numbered, tells
from .wire import calling


class Producer:
    """A response that runs; *may_go_on* without its client."""

    def __init__(self, *, may_go_on: bool = True) -> None:
        self.has_client = True
        self._may_go_on = may_go_on

    def displace(self) -> bool:
        self.has_client = not self._may_go_on
        return self._may_go_on


class Stage:
    """The seats of a process with limits, and a stream of the client ``a`` that runs in it."""

    def __init__(self, *, may_go_on: bool = True, max_streams: int = 0, max_streams_per_client: int = 0) -> None:
        self.admission = Admission(max_streams=max_streams, max_streams_per_client=max_streams_per_client)
        self.now = 100.0
        self.seats = Seats(Entrance(self.admission, NullMetrics()), lambda: self.now)
        self.producer = Producer(may_go_on=may_go_on)
        place = self.admission.new("a")
        assert isinstance(place, Place)
        self.place = place
        self.seats.runs("s", place, self.producer)

    def end(self) -> None:
        """The stream is over."""
        self.seats.ended("s")
        self.admission.leave(self.place)


def test_a_reader_takes_a_place() -> None:
    """As long as the client that the stream began with is there."""
    stage = Stage()
    seat = stage.seats.sit("s", "a", lambda: None)
    assert len(stage.admission) == 2
    stage.seats.leave("s", seat)
    assert len(stage.admission) == 1


def test_one_reader_of_a_stream_without_its_client_shares_its_place() -> None:
    """The next one has its own; the place is free when the stream and that reader are over, in any order."""
    stage = Stage()
    stage.producer.has_client = False
    first = stage.seats.sit("s", "a", lambda: None)
    assert len(stage.admission) == 1
    second = stage.seats.sit("s", "a", lambda: None)
    assert len(stage.admission) == 2
    stage.seats.leave("s", first)
    assert len(stage.admission) == 2
    third = stage.seats.sit("s", "a", lambda: None)
    assert len(stage.admission) == 2
    stage.end()
    assert len(stage.admission) == 2
    stage.seats.leave("s", third)
    stage.seats.leave("s", second)
    assert len(stage.admission) == 0


def test_at_the_limit_the_oldest_reader_of_the_stream_gives_way() -> None:
    """Its place is handed on, and its own end then frees nothing."""
    stage, gone = Stage(max_streams_per_client=2), list[str]()
    first = stage.seats.sit("s", "a", lambda: gone.append("first"))
    second = stage.seats.sit("s", "a", lambda: gone.append("second"))
    assert (gone, len(stage.admission)) == (["first"], 2)
    stage.seats.leave("s", first)
    assert len(stage.admission) == 2
    stage.seats.leave("s", second)
    assert len(stage.admission) == 1


def test_at_the_limit_the_streams_own_client_gives_way() -> None:
    """Where there is no reader; the stream goes on, and who has come shares its place, and hands it on."""
    stage, gone = Stage(max_streams=1), list[str]()
    stage.seats.sit("s", "b", lambda: gone.append("first"))
    assert not stage.producer.has_client
    second = stage.seats.sit("s", "b", lambda: gone.append("second"))
    assert (gone, len(stage.admission)) == (["first"], 1)
    stage.end()
    assert len(stage.admission) == 1
    stage.seats.leave("s", second)
    assert len(stage.admission) == 0


def test_two_live_readers_do_not_throw_each_other_out_without_end() -> None:
    """Who has taken a reader's place keeps it for a while, and twice as long each time; the other one is told so."""
    stage, gone = Stage(max_streams=1), list[str]()
    stage.seats.sit("s", "a", lambda: gone.append("a"))
    stage.seats.sit("s", "b", lambda: gone.append("b"))
    for name, seconds in [("a", FIRM_SECONDS), ("b", 2 * FIRM_SECONDS), ("a", 4 * FIRM_SECONDS)]:
        before = list(gone)
        for part in (0.0, 0.3, 0.6):
            stage.now += part * seconds
            with pytest.raises(Refused, match="limit of streams"):
                stage.seats.sit("s", name, lambda: None)
        assert gone == before
        stage.now += 0.1 * seconds + 0.001
        stage.seats.sit("s", name, lambda name=name: gone.append(name))  # type: ignore[misc]
    assert (gone, len(stage.admission)) == (["a", "b", "a", "b"], 1)


def test_among_several_readers_one_that_is_not_firm_gives_way() -> None:
    """Though it came later than one that is."""
    stage, gone = Stage(max_streams_per_client=3), list[str]()
    for name in ("first", "second", "third"):
        stage.seats.sit("s", "a", lambda name=name: gone.append(name))  # type: ignore[misc]
    assert gone == ["first"]
    stage.seats.sit("s", "a", lambda: gone.append("fourth"))
    assert gone == ["first", "second"]


@pytest.mark.parametrize("stream", ["s", "other"])
def test_at_the_limit_others_are_refused(stream: str) -> None:
    """Of a stream that cannot go on without its client, and of one that nobody listens to here."""
    stage = Stage(max_streams=1, may_go_on=False)
    with pytest.raises(Refused, match="limit of streams"):
        stage.seats.sit(stream, "a", lambda: None)
    assert len(stage.admission) == 1


async def test_who_comes_back_is_not_refused_for_a_broken_line() -> None:
    """Whatever is left of it: the first connection, or one that came back before. Another stream still is refused."""
    async with proxied(tells, resume="memory", max_streams_per_client=1) as proxy, kept(proxy.port) as first:
        await first.until(TOKENS[0])
        stream, path = first.headers["x-stream-id"], first.headers["location"]
        async with calling(proxy.port, "GET", path) as second:
            await second.until(TOKENS[0])
            await detached(proxy)
            async with calling(proxy.port, "GET", path) as third:
                await third.until(TOKENS[0])
                await second.rest()
                assert not second.complete
                async with kept(proxy.port) as other:
                    assert await other.head() == 503
                proxy.upstream.go.set()
                assert (await third.rest()).endswith(numbered(stream, [DONE], len(TOKENS) - 1))
        await until(lambda: not len(proxy.lifecycle))
        assert proxy.value('refusals_total{reason="max_streams_per_client"}') == 1
        async with kept(proxy.port) as later:
            assert await later.head() == 200
            await later.rest()


async def test_who_sends_a_request_again_joins_it_at_the_limit() -> None:
    """By its idempotency key; a new one is refused, and leaves nothing to join."""
    key, other = {"Idempotency-Key": "k"}, {"Idempotency-Key": "other"}
    async with proxied(tells, resume="memory", max_streams=1) as proxy, kept(proxy.port, headers=key) as first:
        await first.until(TOKENS[0])
        async with kept(proxy.port, headers=key) as again:
            await again.until(TOKENS[0])
            async with kept(proxy.port, headers=other) as refused:
                assert await refused.head() == 503
            proxy.upstream.go.set()
            assert DONE in await again.rest()
        await proxy.idle()
        assert len(proxy.upstream.requests) == 1
        async with kept(proxy.port, headers=other) as new:
            assert DONE in await new.rest()
        assert len(proxy.upstream.requests) == 2
