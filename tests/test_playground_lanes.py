"""`playground.lanes`: the upstream byte for byte, the proxy behind a hop that buffers, and no way around."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from sse_proxy.errors import BadRequest
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.playground import MAX_LANES, MAX_LANES_PER_CLIENT
from sse_proxy.playground.hop import HOPS
from sse_proxy.playground.lanes import Lanes

from .conftest import LIMIT_SECONDS
from .streaming import DONE, Running, Upstream, body, chunk, event, proxied, proxying, start, until
from .wire import ask, calling

LANE = "/-/sse-proxy/playground/lane"
CHAT = "/v1/chat/completions"
ASKED = json.dumps({"stream": True, "messages": []}).encode()
SCOPE = {"type": "http", "path": f"{LANE}/upstream/none/x", "root_path": "", "headers": []}
ODD = b'\xef\xbb\xbfdata: {"a":1}\r\rdata:\xff no blank line\r\n\n: x\n\n\ndata: [DONE]'


async def odd(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """What no reader should have to read."""
    await start(send, "text/event-stream", x_own="kept")
    for at in range(0, len(ODD), 7):
        await body(send, ODD[at : at + 7])
    await body(send, b"", more=False)


async def waits(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """One event, and then nothing until the test says so."""
    await start(send)
    await body(send, chunk("a"))
    await upstream.go.wait()
    await body(send, chunk("b", finish="stop") + DONE, more=False)


@pytest.fixture
async def waiting() -> AsyncIterator[Running]:
    """A proxy in front of `waits`."""
    async with proxied(waits, playground=True) as proxy:
        yield proxy


async def test_the_upstream_lane_is_its_bytes() -> None:
    """Status, headers and body, and the request as it was: path, query, body; only a browser is told to run nothing."""
    async with proxied(odd, playground=True) as proxy:
        target = f"{LANE}/upstream/none/v1/a%2Fb?defect=x"
        answer = await ask(proxy.port, "POST", target, headers={"X-Mock-Id": "m"}, body=ASKED)
        [request] = proxy.upstream.requests
        assert (answer.status, answer.body, answer.complete) == (200, ODD, True)
        assert (answer.headers["x-own"], answer.headers["content-security-policy"]) == ("kept", "sandbox")
        assert (request["raw_path"], request["query_string"]) == (b"/v1/a%2Fb", b"defect=x")
        assert dict(request["headers"])[b"x-mock-id"] == b"m"
        assert proxy.upstream.bodies == [ASKED]
        assert proxy.outcomes() == {}
        assert proxy.value('requests_total{code="200",route="playground"}') == 1


async def test_where_the_upstream_breaks_off_the_lane_does_too() -> None:
    """With everything that came before, whatever the hop holds back."""

    async def dies(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("a"))

    async with proxied(dies, playground=True) as proxy:
        for hop in sorted(HOPS):
            answer = await ask(proxy.port, "POST", f"{LANE}/upstream/{hop}{CHAT}", body=ASKED)
            assert (answer.status, answer.body, answer.complete) == (200, chunk("a"), False)


async def test_an_upstream_that_is_not_there_is_told() -> None:
    """As everywhere: 502, in JSON."""
    async with proxying("http://127.0.0.1:1", playground=True) as proxy:
        answer = await ask(proxy.port, "POST", f"{LANE}/upstream/none{CHAT}", body=ASKED)
    assert (answer.status, answer.json["error"]["code"]) == (502, "upstream_error")


async def test_a_client_that_leaves_is_noticed_upstream(waiting: Running) -> None:
    """At once, though nothing is being sent."""
    async with calling(waiting.port, "POST", f"{LANE}/upstream/none{CHAT}", body=ASKED) as call:
        await call.until(chunk("a"))
        call.leave()
        await event(waiting.upstream.left)


async def test_a_client_that_leaves_within_its_request_asks_for_nothing(waiting: Running) -> None:
    """The upstream never hears of it."""
    headers = {"Content-Length": "100"}
    async with calling(waiting.port, "POST", f"{LANE}/upstream/none{CHAT}", headers=headers, body=None) as call:
        await call.write(b"{")
        call.leave()
    await until(lambda: waiting.value('requests_total{code="499",route="playground"}') == 1)
    assert waiting.upstream.requests == []


async def test_a_request_is_bounded(waiting: Running) -> None:
    """413 above a MiB: what a person types is below."""
    answer = await ask(waiting.port, "POST", f"{LANE}/upstream/none{CHAT}", body=b"x" * ((1 << 20) + 1))
    assert answer.status == 413
    assert waiting.upstream.requests == []


@pytest.mark.parametrize(
    "rest",
    ["upstream/none", "elsewhere/none/v1/models", "upstream/some/v1/models", "proxy/none/-/sse-proxy/x",
     "upstream/none/-/sse-proxy/healthz", "proxy/all/%2D/sse-proxy/streams/1", "upstream/none//-//sse-proxy/x",
     "upstream/none/a/../-/sse-proxy/healthz", "upstream/none/-/sse-proxy/playground/lane/upstream/none/x",
     "upstream%2Fnone/a/v1/models", "upstream/none%2Fa/v1/models", "%75pstream/none/v1/models"],
)  # fmt: skip
async def test_reserved_paths_stay_reserved(waiting: Running, rest: str) -> None:
    """Here and at another proxy behind this one; and what is no lane is not found."""
    assert (await ask(waiting.port, target=f"{LANE}/{rest}")).status == 404
    assert waiting.upstream.requests == []


async def test_one_client_may_have_so_many_lanes(waiting: Running) -> None:
    """503 above; and each that ends makes room."""
    assert MAX_LANES_PER_CLIENT < MAX_LANES
    target = f"{LANE}/upstream/none{CHAT}"
    calls = [calling(waiting.port, "POST", target, body=ASKED) for _ in range(MAX_LANES_PER_CLIENT)]
    opened = [await call.__aenter__() for call in calls]
    for call in opened:
        await call.until(chunk("a"))
    assert (await ask(waiting.port, "POST", target, body=ASKED)).status == 503
    waiting.upstream.go.set()
    for call in opened:
        assert (await call.rest()).endswith(DONE)
    for context in calls:
        await context.__aexit__(None, None, None)
    assert (await ask(waiting.port, "POST", target, body=ASKED)).status == 200


async def test_a_process_that_is_going_ends_its_lanes(waiting: Running) -> None:
    """Nobody else would: they are no streams of the proxy's."""
    async with calling(waiting.port, "POST", f"{LANE}/upstream/none{CHAT}", body=ASKED) as call:
        await call.until(chunk("a"))
        waiting.lifecycle.refuse()
        assert (await call.rest(), call.complete) == (b"", False)
    await event(waiting.upstream.left)


async def test_the_proxy_lane_is_the_proxy() -> None:
    """Behind a hop that holds everything: repaired, ended and counted as any other stream, with its route's label."""
    async with proxied(odd, playground=True) as proxy:
        target = f"{LANE}/proxy/all{CHAT}"
        answer = await ask(proxy.port, "POST", target, headers={"X-Request-Id": "playground-9"}, body=ASKED)
        assert b"\r" not in answer.body
        assert answer.headers["x-accel-buffering"] == "no"
        assert sum(proxy.outcomes().values()) == 1
        assert proxy.value('requests_total{code="200",route="openai_chat"}') == 1
        told = (await ask(proxy.port, target="/-/sse-proxy/playground/figures?id=playground-9")).json
        assert told["ended"]["dialect"] == "openai_chat"


@pytest.mark.parametrize("lane, comes", [("proxy", True), ("upstream", False)])
async def test_a_hop_like_nginx_lets_through_what_says_so(waiting: Running, lane: str, *, comes: bool) -> None:
    """``X-Accel-Buffering: no`` is in the proxy's answers, and not in the upstream's own."""
    async with calling(waiting.port, "POST", f"{LANE}/{lane}/nginx{CHAT}", body=ASKED) as call:
        if comes:
            await call.until(chunk("a"))
            waiting.upstream.go.set()
        else:
            await event(waiting.upstream.arrived)
            waiting.upstream.go.set()
            assert (await call.some()).startswith(chunk("a") + chunk("b", finish="stop"))
        await call.rest()
        assert call.complete


async def _nobody(_message: Message) -> None:
    """Nobody reads it."""


async def test_a_failure_of_ours_is_not_taken_for_the_upstreams() -> None:
    """It reaches the server, which logs it and closes."""

    async def fails(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError("ours")

    asked = asyncio.Event()

    async def receive() -> Message:
        if asked.is_set():
            await asyncio.Event().wait()
        asked.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    lanes = Lanes(upstream=fails, proxy=fails, lifecycle=Lifecycle())
    with pytest.raises(LookupError):
        await lanes(dict(SCOPE), receive, _nobody)


async def test_a_request_that_drips_has_the_time_of_a_lane() -> None:
    """Else it would hold its client's places for as long as it likes; the upstream never hears of it."""
    pieces = 0

    async def drips() -> Message:
        nonlocal pieces
        pieces += 1
        await asyncio.sleep(0)  # let the clock be looked at
        return {"type": "http.request", "body": b"", "more_body": True}

    async def upstream(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError

    lanes = Lanes(upstream=upstream, proxy=upstream, lifecycle=Lifecycle(), max_seconds=0.01)
    async with asyncio.timeout(LIMIT_SECONDS):
        with pytest.raises(BadRequest):
            await lanes(dict(SCOPE), drips, _nobody)
    assert pieces > 1
