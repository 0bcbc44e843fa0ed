"""The shipped configurations of nginx, Envoy, HAProxy, Caddy and Traefik, each run by the real program.

An LLM server, sse-proxy behind the hop, a client in front of it, over HTTP/1.1 and HTTP/2 with TLS. What each check
would catch is shown by controls: the same configuration with one mistake in it (`hops_table`).
"""

from __future__ import annotations

import asyncio
import json
from itertools import product
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from .conftest import LIMIT_SECONDS
from .hops_checks import CHAT, EVENTS, Metronome, asking, pace, raw_server, seconds_until_left, silent, torn
from .hops_clients import Http, fetch
from .hops_reload import reload_under_load
from .hops_running import hop_running
from .hops_table import HOPS
from .streaming import Upstream, body, chunk, proxied, start, until

BOTH: tuple[Http, ...] = ("h1", "h2")
every_hop = pytest.mark.parametrize("name", HOPS)


def with_control(kind: str) -> pytest.MarkDecorator:
    """Parametrise by the hops that have such a control; of two versions of one program the older will do."""
    names = [name for name, hop in HOPS.items() if kind in hop.controls and not name.endswith("-current")]
    return pytest.mark.parametrize("name", names)


@every_hop
async def test_events_pass_one_by_one(name: str, tmp_path: Path) -> None:
    """Each event is with the client before the next is sent, and within 100 ms unless the machine is busy each time."""
    metronome = Metronome()
    async with proxied(metronome) as proxy, hop_running(HOPS[name], tmp_path, proxy.port) as hop:
        for _ in range(5):
            metronome.paces.clear()
            paces = await asyncio.gather(*(pace(hop, http, metronome) for http in BOTH))
            assert [0, 0] == [each.held_back for each in paces]
            if max(seconds for each in paces for seconds in each.added_seconds) < 0.1:
                break
        else:
            pytest.fail(f"a steady delay: {[each.added_seconds for each in paces]}")


@with_control("pace")
async def test_a_hop_that_holds_events_back_is_caught(name: str, tmp_path: Path) -> None:
    """The check above fails where it has to: buffering, HTTP/1.0 and gzip in nginx, the like elsewhere."""
    metronome = Metronome(patience_seconds=0.3)
    change = HOPS[name].controls["pace"]
    async with proxied(metronome) as proxy, hop_running(HOPS[name], tmp_path, proxy.port, change=change) as hop:
        paces = await asyncio.gather(*(pace(hop, http, metronome) for http in BOTH))
        assert [EVENTS - 1] * 2 == [each.held_back for each in paces]


@with_control("cut")
async def test_a_hop_that_limits_the_answer_is_caught(name: str, tmp_path: Path) -> None:
    """The check above fails on a timeout that is shorter than the stream, or than its silences."""
    metronome = Metronome(patience_seconds=0)
    change = HOPS[name].controls["cut"]
    async with (
        proxied(metronome) as proxy,
        hop_running(HOPS[name], tmp_path, proxy.port, change=change) as hop,
        asking(hop, "h1", X_Pace="cut") as call,
    ):
        assert b"[DONE]" not in await call.rest()
        assert not call.complete


@every_hop
async def test_a_client_that_leaves_stops_the_llm(name: str, tmp_path: Path) -> None:
    """A closed connection and a cancelled HTTP/2 stream reach an LLM server that is silent or has not answered yet."""
    async with proxied(silent) as proxy, hop_running(HOPS[name], tmp_path, proxy.port) as hop:
        for http, target in product(BOTH, (CHAT, "/v1/messages")):
            assert await seconds_until_left(hop, http, proxy.upstream, target, LIMIT_SECONDS) is not None


@with_control("leave")
async def test_a_hop_that_keeps_quiet_about_clients_that_leave_is_caught(name: str, tmp_path: Path) -> None:
    """The check above fails where it has to."""
    change = HOPS[name].controls["leave"]
    async with proxied(silent) as proxy, hop_running(HOPS[name], tmp_path, proxy.port, change=change) as hop:
        assert await seconds_until_left(hop, "h1", proxy.upstream, CHAT, 1.0) is None
        proxy.upstream.go.set()


@every_hop
async def test_a_torn_answer_does_not_end_like_a_whole_one(name: str, tmp_path: Path) -> None:
    """When sse-proxy itself dies, the client's connection or HTTP/2 stream breaks too."""
    async with raw_server() as (port, raw), hop_running(HOPS[name], tmp_path, port) as hop:
        for http in BOTH:
            assert hop.hop.has_flaw(f"{http} torn") == await torn(hop, http, raw)


@with_control("crash")
async def test_a_hop_that_passes_a_torn_answer_off_as_whole_is_caught(name: str, tmp_path: Path) -> None:
    """The check above fails where it has to: nginx without chunks."""
    change = HOPS[name].controls["crash"]
    async with raw_server() as (port, raw), hop_running(HOPS[name], tmp_path, port, change=change) as hop:
        assert await torn(hop, "h1", raw)


async def crashing(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """An LLM server that dies in the middle."""
    await start(send)
    await body(send, chunk("token"))
    await until(upstream.go.is_set)


@every_hop
async def test_an_llm_that_dies_is_told_to_the_client(name: str, tmp_path: Path) -> None:
    """sse-proxy's error in the stream comes through the hop as it is."""
    async with proxied(crashing) as proxy, hop_running(HOPS[name], tmp_path, proxy.port) as hop:
        for http in BOTH:
            async with asking(hop, http) as call:
                await call.until(b"\n\n")
                proxy.upstream.go.set()
                error = (await call.rest()).partition(b"data: ")[2].partition(b"\n\n")[0]
                assert json.loads(error)["error"]["code"] == "upstream_error"
            proxy.upstream.go.clear()


@every_hop
async def test_a_post_is_sent_once(name: str, tmp_path: Path) -> None:
    """A server that reads a POST and closes gets it once, on new and on kept connections; the client is told."""
    async with raw_server() as (port, raw), hop_running(HOPS[name], tmp_path, port, port) as hop:
        for http in BOTH:
            for path in ("/ok/chat/completions", "/mute/chat/completions"):
                async with asking(hop, http, path, Idempotency_Key="key") as call:
                    status = (await call.answer()).status
            if hop.hop.has_flaw(f"{http} mute"):
                assert 0 == status  # told as REFUSED_STREAM: not processed
            else:
                assert status in (502, 503)
        assert [2, 2] == [sum(word in path for path in raw.requests) for word in ("ok", "mute")]


@pytest.mark.parametrize("name", [name for name in HOPS if name != "traefik"])  # its errors cannot be told apart
async def test_a_hops_own_errors_say_whether_to_repeat(name: str, tmp_path: Path) -> None:
    """JSON, and `X-Should-Retry`: no where the request was sent on, yes where nobody was there to take it."""
    async with raw_server() as (port, raw), hop_running(HOPS[name], tmp_path, port) as hop:
        for path, advice in (("/mute/chat/completions", ("false", None)), ("/gone/chat/completions", ("true", "1"))):
            if "gone" in path:
                await raw.close()
            async with asking(hop, "h1", path) as call:
                answer = await call.answer()
            assert {"message", "type", "code"} == set(answer.error)
            assert advice == tuple(answer.headers.get(field) for field in ("x-should-retry", "retry-after"))


@with_control("repeat")
async def test_a_hop_that_sends_a_post_again_is_caught(name: str, tmp_path: Path) -> None:
    """The check above fails where it has to."""
    change = HOPS[name].controls["repeat"]
    async with raw_server() as (port, raw), hop_running(HOPS[name], tmp_path, port, port, change=change) as hop:
        async with asking(hop, "h1", "/mute/chat/completions") as call:
            await call.rest()
        assert len(raw.requests) > 1


@every_hop
async def test_a_reload_loses_nothing(name: str, tmp_path: Path) -> None:
    """Streams that run end whole, requests meanwhile are all answered, and the new configuration is in force."""
    found = await reload_under_load(HOPS[name], tmp_path)
    assert (found.streams, found.streams) == (found.whole, found.begun_before)
    if HOPS[name].has_flaw("reload"):  # new connections only, and nothing that was sent on
        assert {"h1 0 b'' False", "h2 0 b'' False"} >= set(found.refused)
    else:
        assert [] == found.refused


@with_control("reload")
async def test_a_reload_that_cuts_streams_is_caught(name: str, tmp_path: Path) -> None:
    """The check above fails where it has to: old processes that are given a second."""
    found = await reload_under_load(HOPS[name], tmp_path, change=HOPS[name].controls["reload"], hold_seconds=1.5)
    assert found.whole == 0


@every_hop
async def test_the_reserved_prefix_is_not_for_the_outside(name: str, tmp_path: Path) -> None:
    """Probes do not answer clients, however the path is spelled; readers of a stream get through."""
    spellings = (
        *("/-/sse-proxy/healthz", "/%2d/sse-proxy/healthz", "/-/sse-proxy%2fhealthz", "/-%2Fsse-proxy/readyz"),
        *("//-/sse-proxy/healthz", "/x/../-/sse-proxy/healthz", "/-/sse-proxy/streams/../healthz"),
        *("/-/sse-proxy/streams/%2e%2e/healthz", "/-/sse-proxy/streams%2f..%2fhealthz"),
    )

    async def not_found(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        await start(send, "text/plain", status=404)
        await body(send, b"", more=False)

    async with proxied(not_found) as proxy, hop_running(HOPS[name], tmp_path, proxy.port) as hop:
        for http in BOTH:
            answers = [await fetch(hop.port, hop.trust, path, http=http) for path in spellings]
            assert {400, 404} >= {answer.status for answer in answers}
            reader = await fetch(hop.port, hop.trust, "/-/sse-proxy/streams/0", http=http)
            assert reader.error["code"] == "rejected"
