"""nginx behind another nginx, and in front of several replicas: who comes back to which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from .hops_checks import EVENTS, Metronome, asking, pace
from .hops_clients import fetch
from .hops_programs import Change, Hop
from .hops_running import RunningHop, hop_running
from .hops_table import HOPS
from .nginx_site import NGINX, NGINX_CURRENT, VERSIONS, ignorant, located
from .streaming import DONE, Running, Upstream, body, chunk, proxied, start

REPLICAS = 3


async def speak(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """A short stream."""
    await start(send)
    await body(send, chunk("hello", finish="stop") + DONE, more=False)


@pytest.mark.parametrize("name", VERSIONS)
@pytest.mark.parametrize("told", [True, False], ids=["chain-inner.conf", "without it"])
async def test_an_nginx_in_front_of_ours_is_told_of_streams(name: str, told: bool, tmp_path: Path) -> None:
    """With ``chain-inner.conf`` X-Accel-Buffering gets through, and an ignorant nginx outside holds nothing back."""
    metronome = Metronome(patience_seconds=20.0 if told else 0.3)
    change = located("chain-inner.conf") if told else None
    async with (
        proxied(metronome) as proxy,
        hop_running(HOPS[name], tmp_path / "inner", proxy.port, change=change) as inner,
        hop_running(ignorant(), tmp_path / "outer", inner.port) as outer,
    ):
        found = await pace(outer, "h2", metronome)
    assert (0 if told else EVENTS - 1) == found.held_back


@dataclass
class Replicas:
    """Some replicas of sse-proxy that keep streams in memory, behind one nginx."""

    hop: RunningHop
    proxies: list[Running]

    async def begin(self, **headers: str) -> tuple[str, str]:
        """Begin a stream and read it to its end: its path, and the cookie that came with it."""
        async with asking(self.hop, "h2", X_SSE_Resume="on", **headers) as call:
            answer = await call.answer()
        assert (200, True) == (answer.status, answer.complete)
        return answer.headers["location"], answer.headers.get("set-cookie", "").partition(";")[0]

    async def statuses(self, target: str, count: int = 6, **headers: str) -> set[int]:
        """What *count* readers get, each on a connection of its own."""
        return {(await fetch(self.hop.port, self.hop.trust, target, headers=headers)).status for _ in range(count)}

    @property
    def unknown(self) -> list[float]:
        """How often each replica was asked for a stream that it does not have."""
        return [proxy.value('requests_total{code="404",route="resume"}') for proxy in self.proxies]

    @property
    def generations(self) -> list[int]:
        """How many requests each replica has passed on."""
        return [len(proxy.upstream.requests) for proxy in self.proxies]


@asynccontextmanager
async def replicas(hop: Hop, directory: Path, balance: str) -> AsyncIterator[Replicas]:
    """Replicas behind *hop*, which spreads requests as the shipped file *balance* says."""
    change: Change = {"sse-proxy.conf": {"include sse-proxy/balance.conf;": f"include sse-proxy/{balance};"}}
    async with AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(proxied(speak, resume="memory")) for _ in range(REPLICAS)]
        ports = [proxy.port for proxy in proxies]
        running = await stack.enter_async_context(hop_running(hop, directory, *ports, change=change))
        yield Replicas(running, proxies)


async def test_without_stickiness_readers_miss_their_stream(tmp_path: Path) -> None:
    """The control of what follows: with ``balance.conf`` and streams in memory some readers get 404."""
    async with replicas(NGINX, tmp_path, "balance.conf") as ours:
        target, _ = await ours.begin()
        assert {200, 404} == await ours.statuses(target)


async def test_a_caller_keeps_its_replica(tmp_path: Path) -> None:
    """``sticky-caller.conf``: by any of the credentials that SDKs send; callers are spread over the replicas."""
    async with replicas(NGINX, tmp_path, "sticky-caller.conf") as ours:
        for name in ("Authorization", "x-api-key", "api-key", "x-goog-api-key"):
            for caller in range(8):
                credential = {name: f"{name} {caller}"}
                target, _ = await ours.begin(**credential)
                assert {200} == await ours.statuses(target, 1, **credential)
        assert min(ours.generations) > 0  # of 32 callers


async def test_readers_of_a_stream_meet_on_one_replica(tmp_path: Path) -> None:
    """``sticky-stream.conf``: an id in path, header or query leads to one replica; new streams are spread."""
    async with replicas(NGINX, tmp_path, "sticky-stream.conf") as ours:
        stream = f"{7:032x}"  # nobody's, so that each request shows where it went
        before = ours.unknown
        assert {404} == await ours.statuses("/some/path", 4, **{"Last-Event-ID": f"{stream}.3"})
        assert {404} == await ours.statuses(f"/-/sse-proxy/streams/{stream}", 4)
        # In the query of any path it may be the upstream's own affair.
        assert {200} == await ours.statuses(f"/some/path?last_event_id={stream}.4", 4)
        assert [0, 0, 4] == sorted(ours.generations)
        unknown = [now - then for now, then in zip(ours.unknown, before, strict=True)]
        assert [8.0 if made else 0.0 for made in ours.generations] == unknown
        for _ in range(40):
            await ours.begin()
        assert min(ours.generations) > 0


async def test_nginx_learns_who_made_a_stream(tmp_path: Path) -> None:
    """``sticky-learn.conf`` (1.29.6): readers without credentials or cookie find their stream in memory."""
    async with replicas(NGINX_CURRENT, tmp_path, "sticky-learn.conf") as ours:
        targets = [(await ours.begin())[0] for _ in range(6)]
        for target in targets:
            assert {200} == await ours.statuses(target)
            last = f"{target.rpartition('/')[2]}.1"
            assert {200} == await ours.statuses(f"{target}?last_event_id={last}", 2)
        assert [2, 2, 2] == ours.generations


async def test_a_browser_keeps_its_replica(tmp_path: Path) -> None:
    """``sticky-cookie.conf`` (1.29.6): the cookie of the first answer leads back, and only over TLS."""
    async with replicas(NGINX_CURRENT, tmp_path, "sticky-cookie.conf") as ours:
        for _ in range(REPLICAS):
            target, cookie = await ours.begin()
            assert cookie.startswith("sse_replica=")
            assert {200} == await ours.statuses(target, Cookie=cookie)
