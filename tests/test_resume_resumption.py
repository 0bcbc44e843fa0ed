"""`resume.resumption`: which responses are kept, and what becomes of them without their client; on real sockets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from sse_proxy import create_app
from sse_proxy.replay.base import Opening, Recording, Taken
from sse_proxy.replay.memory import MemoryJournal

from .streaming import DONE, Running, Upstream, body, chunk, event, proxied, start, until
from .wire import Call, ask, calling, chat

TOKENS = [chunk("a"), chunk("b"), chunk("c"), chunk("", finish="stop"), DONE]
LONG = "x" * 60_000


async def tells(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """The first token at once, the rest when the test lets it."""
    await start(send)
    await body(send, TOKENS[0])
    await upstream.go.wait()
    for token in TOKENS[1:]:
        await body(send, token)
    await body(send, b"", more=False)


async def holds(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """The first token, and then nothing."""
    await start(send)
    await body(send, TOKENS[0])
    await upstream.go.wait()


async def silent(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """Nothing until the test lets it, then all."""
    await upstream.go.wait()
    await tells(upstream, scope, receive, send)


def kept(port: int, wish: str = "on", **options: Any) -> AbstractAsyncContextManager[Call]:
    """A chat whose stream is to be kept."""
    headers = {"X-SSE-Resume": wish, **options.pop("headers", {})}
    return chat(port, headers=headers, **options)


def numbered(stream: str, events: list[bytes], after: int = 0) -> bytes:
    """*events* as a client gets them."""
    return b"".join(b"id: %b.%d\n%b" % (stream.encode(), n, one) for n, one in enumerate(events, after + 1))


async def detached(proxy: Running) -> None:
    """Return when the one stream has no client any more; who reads it is an open stream, too."""
    await until(lambda: any(stream.describe()["detached"] for stream in proxy.lifecycle.streams))


async def replayed(port: int, location: str, after: int | None = None, **headers: str) -> tuple[int, bytes]:
    """What a reader of a stream that is over gets."""
    stream = location.rpartition("/")[2]
    told = {} if after is None else {"Last-Event-ID": f"{stream}.{after}"}
    answer = await ask(port, "GET", location, headers={**told, **headers})
    return answer.status, answer.body


async def test_who_asks_for_it_is_told_where_the_stream_can_be_had_again() -> None:
    """Every event has an id, ``[DONE]`` too; what is replayed is what the first client got, byte for byte."""
    async with proxied(tells, resume="memory") as proxy:
        proxy.upstream.go.set()
        async with kept(proxy.port) as call:
            told = await call.rest()
        stream = call.headers["x-stream-id"]
        assert told == numbered(stream, TOKENS)
        assert call.headers["location"] == f"/-/sse-proxy/streams/{stream}"
        assert await replayed(proxy.port, call.headers["location"]) == (200, told)
        assert await replayed(proxy.port, call.headers["location"], after=3) == (200, numbered(stream, TOKENS[3:], 3))
        assert (await replayed(proxy.port, call.headers["location"], after=5))[0] == 204
        assert len(proxy.upstream.requests) == 1
        assert b"x-sse-resume" not in dict(proxy.upstream.requests[0]["headers"])
        assert proxy.value("replay_streams") == 1


@pytest.mark.parametrize(("wish", "resume"), [("off", "memory"), ("", "memory"), ("on", "off")])
async def test_without_a_wish_or_a_store_nothing_is_different(wish: str, resume: str) -> None:
    """No id, no header: clients that know nothing of this see what they saw before."""
    async with proxied(tells, resume=resume) as proxy:
        proxy.upstream.go.set()
        async with kept(proxy.port, wish) as call:
            assert await call.rest() == b"".join(TOKENS)
        assert not {"x-stream-id", "location", "x-sse-resume"} & set(call.headers)
        assert proxy.value("replay_streams") == 0


async def test_readers_beside_the_first_client_see_the_same() -> None:
    """Whoever comes late sees the whole, too, and the upstream is asked once."""
    async with proxied(tells, resume="memory") as proxy, kept(proxy.port) as call:
        await call.until(TOKENS[0])
        location, stream = call.headers["location"], call.headers["x-stream-id"]
        async with calling(proxy.port, "GET", location) as second, calling(proxy.port, "GET", location) as third:
            await second.until(TOKENS[0])
            proxy.upstream.go.set()
            assert await second.rest() == numbered(stream, TOKENS[1:], 1)
            assert await third.rest() == numbered(stream, TOKENS)
        assert await call.rest() == numbered(stream, TOKENS[1:], 1)
        assert len(proxy.upstream.requests) == 1


async def test_the_generation_goes_on_without_its_client() -> None:
    """Which comes back to what it lacks; the outcome is the stream's."""
    async with proxied(tells, resume="memory") as proxy:
        async with kept(proxy.port) as call:
            await call.until(TOKENS[0])
            call.leave()
        stream = call.headers["x-stream-id"]
        sent = proxy.lifecycle.streams[0].describe()["bytes_out"]
        await detached(proxy)
        told = {"Last-Event-ID": f"{stream}.1"}
        async with calling(proxy.port, "GET", call.headers["location"], headers=told) as again:
            proxy.upstream.go.set()
            assert await again.rest() == numbered(stream, TOKENS[1:], 1)
        await proxy.idle()
        assert proxy.outcomes() == {"completed": 1}
        assert proxy.value('stream_bytes_total{direction="out"}') == sent
        assert len(proxy.upstream.requests) == 1


async def test_nobody_comes_back() -> None:
    """After ``detach_seconds`` the upstream is cancelled, and who comes too late is told that this is not all."""
    async with proxied(holds, resume="memory", detach_seconds=0.05) as proxy:
        async with kept(proxy.port) as call:
            await call.until(TOKENS[0])
            call.leave()
        await event(proxy.upstream.left)
        await proxy.idle()
        assert proxy.outcomes() == {"client_disconnected": 1}
        answer = await ask(proxy.port, "GET", call.headers["location"])
        assert (answer.status, answer.complete) == (200, True)
        assert b'"code":"client_disconnected"' in answer.body
        assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_a_reader_keeps_the_generation_alive() -> None:
    """It goes on for as long as anybody listens."""
    async with proxied(tells, resume="memory", detach_seconds=0.05) as proxy:
        async with kept(proxy.port) as call:
            await call.until(TOKENS[0])
            async with calling(proxy.port, "GET", call.headers["location"]) as reader:
                await reader.until(TOKENS[0])
                call.leave()
                await asyncio.sleep(0.2)
                proxy.upstream.go.set()
                assert await reader.rest() == numbered(call.headers["x-stream-id"], TOKENS[1:], 1)
        await proxy.idle()
        assert proxy.outcomes() == {"completed": 1}


async def test_without_patience_a_client_that_leaves_ends_its_stream() -> None:
    """``detach_seconds = 0``: as without resume, but what came until then is kept, and that it is not all."""
    async with proxied(holds, resume="memory", detach_seconds=0) as proxy:
        async with kept(proxy.port) as call:
            await call.until(TOKENS[0])
            call.leave()
        await event(proxy.upstream.left)
        assert await proxy.outcome() == "client_disconnected"
        answer = await ask(proxy.port, "GET", call.headers["location"])
        assert answer.body.startswith(numbered(call.headers["x-stream-id"], TOKENS[:1]))
        assert (answer.complete, b'"code":"client_disconnected"' in answer.body) == (True, True)
        assert (await replayed(proxy.port, call.headers["location"], after=1))[0] == 200


async def test_who_left_before_the_response_began_cannot_come_back() -> None:
    """Nobody else knows the id, so nobody is generated for."""
    async with proxied(silent, resume="memory") as proxy:
        async with kept(proxy.port) as call:
            await event(proxy.upstream.arrived)
            call.leave()
        await event(proxy.upstream.left)
        assert await proxy.outcome() == "client_disconnected"
        assert proxy.value("replay_streams") == 0


@pytest.mark.parametrize(
    ("wish", "headers"), [("on", {"Idempotency-Key": "k"}), ("on; key=k", {})], ids=["idempotency", "chat"]
)
async def test_a_name_leads_back_even_before_the_response_began(wish: str, headers: dict[str, str]) -> None:
    """A client that lost its line during the prefill sends its request again, or asks for its chat."""
    async with proxied(silent, resume="memory") as proxy:
        async with kept(proxy.port, wish, headers=headers) as call:
            await event(proxy.upstream.arrived)
            call.leave()
        await detached(proxy)
        proxy.upstream.go.set()
        if headers:
            async with kept(proxy.port, wish, headers=headers) as again:
                told = await again.rest()
        else:
            async with calling(proxy.port, "GET", "/-/sse-proxy/streams?key=k") as again:
                told = await again.rest()
        assert told == numbered(again.headers["x-stream-id"], TOKENS)
        assert len(proxy.upstream.requests) == 1


async def test_the_caller_stops_its_stream() -> None:
    """The upstream is cancelled; who listens is told in the stream that this is not all, and so is who comes later."""
    async with proxied(holds, resume="memory") as proxy, kept(proxy.port) as call:
        await call.until(TOKENS[0])
        location = call.headers["location"]
        assert (await ask(proxy.port, "DELETE", location)).status == 204
        told = await call.rest()
        assert b'"code":"stopped"' in told
        assert told.endswith(DONE)
        assert call.complete
        await event(proxy.upstream.left)
        assert (await ask(proxy.port, "DELETE", location)).status == 204
        assert await proxy.outcome() == "stopped"
        assert (await replayed(proxy.port, location, after=1))[1] == told


async def test_a_stream_is_stopped_before_its_response_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its chat's name, from another connection; nothing of it is kept, as it has not begun."""
    opens = MemoryJournal.open

    async def opened_and_stopped(
        journal: MemoryJournal, opening: Opening, on_stop: Callable[[], None]
    ) -> Recording | Taken:
        recording = await opens(journal, opening, on_stop)
        assert await journal.stop(opening.stream, opening.owner)
        return recording

    monkeypatch.setattr(MemoryJournal, "open", opened_and_stopped)
    async with proxied(holds, resume="memory") as proxy:
        async with kept(proxy.port) as call:
            answer = await call.answer()
        assert (answer.status, answer.error["code"], answer.complete) == (410, "stopped", True)
        assert await proxy.outcome() == "stopped"
        assert proxy.value("replay_streams") == 0


async def test_a_key_joins_the_running_stream_of_the_same_caller() -> None:
    """A POST that is sent twice generates once; another caller's key, or another API's, is another one."""
    key = {"Idempotency-Key": "k", "Authorization": "Bearer a"}
    async with proxied(tells, resume="memory") as proxy, kept(proxy.port, headers=key) as first:
        await first.until(TOKENS[0])
        stream = first.headers["x-stream-id"]
        async with kept(proxy.port, headers=key) as second:
            assert await second.until(TOKENS[0]) == numbered(stream, TOKENS[:1])
            assert second.headers["x-stream-id"] == stream
            assert second.headers["location"] == first.headers["location"]
            assert len(proxy.upstream.requests) == 1
            proxy.upstream.go.set()
            assert await second.rest() == await first.rest()
        async with kept(proxy.port, headers={**key, "Authorization": "Bearer b"}) as other:
            await other.rest()
        async with kept(proxy.port, headers=key, target="/v1/completions", prompt="x") as elsewhere:
            await elsewhere.rest()
        assert len({stream, other.headers["x-stream-id"], elsewhere.headers["x-stream-id"]}) == 3
        assert len(proxy.upstream.requests) == 3
        assert proxy.value('resumes_total{result="joined"}') == 1


async def test_who_joins_is_no_stream_of_his_own() -> None:
    """He takes no place among ``max_streams``, and gives none back that is not his."""
    key = {"Idempotency-Key": "k"}
    async with proxied(tells, resume="memory", max_streams=2) as proxy, kept(proxy.port, headers=key) as first:
        await first.until(TOKENS[0])
        for _ in range(3):
            async with kept(proxy.port, headers=key) as second:
                await second.until(TOKENS[0])
        async with kept(proxy.port) as third:
            await third.until(TOKENS[0])
            async with kept(proxy.port) as fourth:
                assert await fourth.head() == 503
            proxy.upstream.go.set()
            await third.rest()
            await first.rest()


async def test_a_key_that_is_too_long_is_refused() -> None:
    """What is kept of a stream has to be bounded; its place among the streams is free again."""
    async with proxied(tells, resume="memory", max_streams=1) as proxy:
        for headers in ({"Idempotency-Key": "k" * 257}, {"X-SSE-Resume": "on; key=" + "k" * 257}):
            async with kept(proxy.port, headers=headers) as call:
                assert await call.head() == 400
        proxy.upstream.go.set()
        async with kept(proxy.port) as call:
            assert await call.rest()


async def test_a_key_joins_no_stream_of_another_path() -> None:
    """Though the LLM server is asked at one: a bridge tells its answers in other words, and so may two of them."""
    chat = {"upstream_path": "/v1/chat/completions", "body": {"stream": True, "messages": []}}
    routes = [{"path": "/tokens", **chat}, {"path": "/chunks", "output": "openai", **chat}]
    key = {"Idempotency-Key": "k", "Authorization": "Bearer a"}
    async with proxied(tells, resume="memory", routes=routes) as proxy:
        proxy.upstream.go.set()
        told = []
        for target in ("/tokens", "/chunks", "/v1/chat/completions"):
            for _ in range(2):
                async with kept(proxy.port, target=target, headers=key) as call:
                    told.append((await call.rest()).count(b'"token"'))
        assert told == [3, 3, 0, 0, 0, 0]
        assert len(proxy.upstream.requests) == 3
        assert proxy.value('resumes_total{result="joined"}') == 3


@pytest.mark.parametrize("settings", [{}, {"reframe": "never"}], ids=["not asked for", "not kept"])
async def test_the_key_of_a_stream_that_is_not_kept_is_the_upstreams_business(settings: dict[str, str]) -> None:
    """A request gets through with whatever key it has, if nothing is to be found by that."""
    wish = "on" if settings else "off"
    async with proxied(tells, resume="memory", **settings) as proxy:
        proxy.upstream.go.set()
        async with kept(proxy.port, wish, headers={"Idempotency-Key": "k" * 300}) as call:
            assert await call.rest() == b"".join(TOKENS)
        assert dict(proxy.upstream.requests[0]["headers"])[b"idempotency-key"] == b"k" * 300


async def _fails(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    await upstream.go.wait()
    if len(upstream.requests) > 1:
        await tells(upstream, scope, receive, send)
        return
    await start(send)
    await body(send, b'data: {"error":{"message":"no","code":429}}\n\n')
    await asyncio.sleep(0.05)
    await body(send, b"", more=False)


async def test_an_answer_that_is_no_stream_is_not_kept() -> None:
    """Its key is free again, for the client's second try; who has joined is to try again, too."""
    key = {"Idempotency-Key": "k"}
    async with proxied(_fails, resume="memory") as proxy, kept(proxy.port, headers=key) as first:
        await event(proxy.upstream.arrived)
        async with kept(proxy.port, headers=key) as second:
            await until(lambda: len(proxy.lifecycle) == 2)
            proxy.upstream.go.set()
            assert await first.head() == 429
            assert (await second.head(), second.headers["retry-after"]) == (503, "1")
        assert not {"x-stream-id", "location"} & set(first.headers)
        async with kept(proxy.port, headers=key) as again:
            assert await again.rest() == numbered(again.headers["x-stream-id"], TOKENS)


async def _breaks(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, TOKENS[0])
    await body(send, b"", more=False)


async def test_how_a_stream_ended_is_part_of_it() -> None:
    """A truncated answer is told as one to every reader, by the error that the first client got."""
    async with proxied(_breaks, resume="memory") as proxy:
        async with kept(proxy.port) as call:
            told = await call.rest()
        assert b'"code":"upstream_truncated"' in told
        assert await replayed(proxy.port, call.headers["location"]) == (200, told)
        assert await proxy.outcome() == "upstream_truncated"


async def _floods(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    for _ in range(40):
        await body(send, chunk(LONG))
    await body(send, chunk("", finish="stop") + DONE, more=False)


async def test_a_client_that_does_not_read_is_dropped_and_not_its_stream() -> None:
    """It holds the others for no longer than ``client_stall_timeout_seconds``."""
    settings = {"client_stall_timeout_seconds": 1.0, "client_send_buffer_bytes": 8192}
    async with proxied(_floods, resume="memory", **settings) as proxy:
        async with kept(proxy.port, receive_buffer_bytes=8192) as call:
            assert await call.head() == 200
            await proxy.idle()
        assert proxy.outcomes() == {"completed": 1}
        status, told = await replayed(proxy.port, call.headers["location"])
        assert status == 200
        assert told == numbered(call.headers["x-stream-id"], [chunk(LONG)] * 40 + TOKENS[3:])


async def test_a_client_that_does_not_read_is_not_in_the_way_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line may be dead, and the one who listens be the same person on another one."""
    monkeypatch.setattr("sse_proxy.streaming.detachment.SLOW_SECONDS", 0.2)
    async with proxied(_floods, resume="memory", client_send_buffer_bytes=8192) as proxy:
        async with kept(proxy.port, receive_buffer_bytes=8192) as call:
            assert await call.head() == 200
            stream = call.headers["x-stream-id"]
            async with calling(proxy.port, "GET", call.headers["location"]) as other:
                assert await other.rest() == numbered(stream, [chunk(LONG)] * 40 + TOKENS[3:])
        await proxy.idle()
        assert proxy.outcomes() == {"completed": 1}


async def test_elsewhere_a_client_that_does_not_read_ends_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other servers cannot be told to drop a connection, and their ``send`` would wait for ever."""

    def made(*arguments: Any, **options: Any) -> ASGIApp:
        app = create_app(*arguments, **options)

        async def lent_nothing(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "extensions": {}}, receive, send)

        return lent_nothing

    monkeypatch.setattr("tests.streaming.create_app", made)
    settings = {"client_stall_timeout_seconds": 1.0, "client_send_buffer_bytes": 8192}
    async with proxied(_floods, resume="memory", **settings) as proxy:
        async with kept(proxy.port, receive_buffer_bytes=8192) as call:
            assert await call.head() == 200
            await proxy.idle()
            assert proxy.outcomes() == {"client_stalled": 1}
        answer = await ask(proxy.port, "GET", call.headers["location"])
        assert (answer.status, answer.complete, b'"code":"client_' in answer.body) == (200, True, True)


async def test_a_store_that_is_down_costs_no_token() -> None:
    """The client is told that it cannot come back, and gets all there is."""
    async with proxied(tells, resume="redis://127.0.0.1:1") as proxy:
        proxy.upstream.go.set()
        async with kept(proxy.port) as call:
            assert (await call.rest()).count(b"id: ") == len(TOKENS)
        assert call.headers["x-sse-resume"] == "unavailable"
        assert not {"x-stream-id", "location"} & set(call.headers)
        assert proxy.value("store_errors_total") >= 1


REPLICATE = b"id: 7\nevent: output\ndata: a\n\nid: 8\nevent: done\ndata: {}\n\n"
NOBODYS = b"id: s1\ndata: a\n\nid: s2\nevent: end\ndata: b\n\n"


def _numbers_itself(told: bytes) -> Callable[..., Any]:
    async def handler(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await upstream.go.wait()
        await body(send, told, more=False)

    return handler


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/v1/streams/x", REPLICATE),
        ("GET", "/elsewhere", REPLICATE),
        ("GET", "/elsewhere", NOBODYS),
        ("POST", "/elsewhere", NOBODYS),
    ],
    ids=["by the request", "by the first event", "of no API", "by POST"],
)
async def test_what_numbers_its_own_events_keeps_their_ids(method: str, path: str, told: bytes) -> None:
    """Its clients resume by those, from its server, so nothing else is promised to them."""
    async with proxied(_numbers_itself(told), resume="memory") as proxy:
        proxy.upstream.go.set()
        headers = {"X-SSE-Resume": "on", "Accept": "text/event-stream"}
        answer = await ask(proxy.port, method, path, headers=headers)
        assert answer.body == told
        assert not {"x-stream-id", "location"} & set(answer.headers)
        assert proxy.value("replay_streams") == 0


@pytest.mark.parametrize("seconds", [0.1, 0])
async def test_the_head_does_not_wait_for_the_first_event_for_ever(seconds: float) -> None:
    """Heartbeats have to come. What was promised until then is taken back: nobody is generated for or left waiting."""
    async with proxied(_numbers_itself(NOBODYS), resume="memory", commit_after_seconds=seconds) as proxy:
        headers = {"X-SSE-Resume": "on", "Accept": "text/event-stream"}
        async with calling(proxy.port, "GET", "/elsewhere", headers=headers) as call:
            assert await call.head() == 200
            async with calling(proxy.port, "GET", call.headers["location"]) as reader:
                assert await reader.head() == 200
                proxy.upstream.go.set()
                assert (await call.rest()).endswith(NOBODYS)
                assert b'"code":"rejected"' in await reader.rest()
        assert (await replayed(proxy.port, call.headers["location"]))[0] == 404
        assert proxy.value("replay_streams") == 0


@pytest.mark.parametrize("resume", ["memory", "off"])
async def test_behind_a_bridge_every_event_has_an_id_of_ours(resume: str) -> None:
    """The upstream's would come back to nobody who knows them: the browser would begin anew."""
    route = {"path": "/go", "upstream_path": "/elsewhere", "output": "native", "body": {"stream": True}}
    async with proxied(_numbers_itself(REPLICATE), resume=resume, routes=[route]) as proxy:
        proxy.upstream.go.set()
        sse = {"Accept": "text/event-stream"}
        answer = await ask(proxy.port, "GET", "/go", headers=sse)
        ids = re.findall(rb"^id: (.*)$", answer.body, re.MULTILINE)
        ours = [each for each in ids if re.fullmatch(rb"[0-9a-f]{32}\.[0-9]+", each)]
        assert (len(ours), len(ids), answer.body.count(b"data: ")) == (2, 2, 2)
        again = await ask(proxy.port, "GET", "/go", headers={**sse, "Last-Event-ID": ours[-1].decode()})
        assert (again.status, len(proxy.upstream.requests)) == (204, 1)


async def test_reframe_never_keeps_nothing() -> None:
    """What is not touched cannot be numbered."""
    async with proxied(tells, resume="memory", reframe="never") as proxy:
        proxy.upstream.go.set()
        async with kept(proxy.port) as call:
            assert await call.rest() == b"".join(TOKENS)
        assert "x-stream-id" not in call.headers


BRIDGE = {"bridge": ("/chat=/v1/chat/completions",), "bridge_model": "m"}


async def test_a_bridge_keeps_its_streams_by_itself() -> None:
    """An `EventSource` cannot ask for it; it comes back with the last id, and stops when nothing is left."""
    async with proxied(tells, resume="memory", **BRIDGE) as proxy:
        sse = {"Accept": "text/event-stream"}
        async with calling(proxy.port, "GET", "/chat?prompt=hi", headers=sse) as call:
            await call.until(b'{"token":"a"}')
            call.leave()
        stream = call.headers["x-stream-id"]
        told = {**sse, "Last-Event-ID": f"{stream}.1"}
        async with calling(proxy.port, "GET", "/chat?prompt=hi", headers=told) as again:
            proxy.upstream.go.set()
            rest = await again.rest()
        tokens = [b'data: {"token":"%b"}\n\n' % text for text in (b"b", b"c")]
        assert rest == numbered(stream, [*tokens, b'event: done\ndata: {"done":true}\n\n'], 1)
        last = {**sse, "Last-Event-ID": f"{stream}.4"}
        assert (await ask(proxy.port, "GET", "/chat?prompt=hi", headers=last)).status == 204
        assert len(proxy.upstream.requests) == 1


async def test_a_request_that_is_sent_again_attaches() -> None:
    """fetch-event-source sends the same POST with the last id; it never reaches the upstream twice."""
    async with proxied(tells, resume="memory") as proxy:
        async with kept(proxy.port) as call:
            await call.until(TOKENS[0])
            call.leave()
        stream = call.headers["x-stream-id"]
        async with kept(proxy.port, headers={"Last-Event-ID": f"{stream}.1"}) as again:
            proxy.upstream.go.set()
            assert await again.rest() == numbered(stream, TOKENS[1:], 1)
        async with kept(proxy.port, headers={"Last-Event-ID": f"{'0' * 32}.1"}) as unknown:
            assert await unknown.head() == 404
        assert len(proxy.upstream.requests) == 1


async def test_a_reader_is_kept_alive_at_the_pace_of_the_streams_route() -> None:
    """Wherever it comes from: the id alone does not tell which route the stream is of."""
    routes = [{"path": "/v1/chat/completions", "heartbeat_mode": "data", "heartbeat_seconds": 1}]
    async with proxied(holds, resume="memory", routes=routes) as proxy, kept(proxy.port) as call:
        await call.until(TOKENS[0])
        async with calling(proxy.port, "GET", call.headers["location"]) as reader:
            await reader.until(TOKENS[0])
            assert (await reader.until(b"\n\n")).startswith(b"data: {")
        proxy.upstream.go.set()


async def test_a_drain_ends_what_goes_on_without_a_client_too() -> None:
    """Nothing may keep the process from ending."""
    async with proxied(holds, resume="memory") as proxy:
        async with kept(proxy.port) as call:
            await call.until(TOKENS[0])
            call.leave()
        await detached(proxy)
        proxy.lifecycle.cut_all()
        assert await proxy.lifecycle.wait_empty(20)
        assert await proxy.outcome() == "drained"
        assert b'"code":"drained"' in (await replayed(proxy.port, call.headers["location"]))[1]
