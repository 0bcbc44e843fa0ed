"""`resume.attaching`, by the routes and bridges that lead to it: who comes back never reaches the upstream twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sse_proxy.core.owner import owner_of
from sse_proxy.replay.base import End

from .kept_streams import Kept, ScriptedJournal, Stream, keeping, memory
from .wire import calling

CHAT = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}
BODY = json.dumps({"model": "m", "stream": True, "messages": []}).encode()
EVENT_SOURCE = {"Accept": "text/event-stream"}
ID = "0123456789abcdef" * 2
OWNER = owner_of([(b"authorization", b"Bearer me")], ["authorization"])
ROUTE: dict[str, Any] = {
    "path": "/chat/stream",
    "upstream_path": CHAT,
    "body": {"prompt": "{prompt}"},
    "output": "tokens",
}


async def finished(kept: Kept, *texts: str, **opening: str) -> Stream:
    """A stream that has ended."""
    stream = await kept.stream(*texts, **opening)
    stream.recording.end(End.COMPLETE)
    return stream


def having(stream: Stream, n: int, headers: Mapping[str, str]) -> dict[str, str]:
    """*headers* of a client that has the events up to *n*."""
    return {**headers, "Last-Event-ID": stream.event(n).decode()}


async def test_the_same_post_again_attaches() -> None:
    """What follows its place, and then what comes; the upstream is not asked."""
    async with keeping() as kept:
        stream = await kept.stream("a", "b")
        async with calling(kept.port, "POST", CHAT, headers=having(stream, 1, JSON), body=BODY) as call:
            await call.until(stream.told("b", after=1))
            stream.say("c")
            stream.recording.end(End.COMPLETE)
            assert await call.rest() == stream.told("c", after=2)
            assert (call.status, call.headers["x-replayed-from"]) == (200, "1")
        assert (kept.requests, kept.resumed()) == ([], {"replayed": 1})


async def test_a_post_that_has_it_all_is_told_so() -> None:
    """204."""
    async with keeping() as kept:
        stream = await finished(kept, "a")
        answer = await kept.ask("POST", CHAT, BODY, having(stream, 1, JSON))
        assert (answer.status, kept.requests) == (204, [])


async def test_a_large_body_does_not_stand_in_the_way() -> None:
    """It is taken and not looked at, and the departure behind it is noticed."""
    body = b" " * 3_000_000 + BODY
    async with keeping() as kept:
        stream = await kept.stream("a")
        async with calling(kept.port, "POST", CHAT, headers=having(stream, 0, JSON), body=body) as call:
            await call.until(stream.told("a"))
            call.leave()
            await kept.unread()


async def test_a_body_over_its_limit_ends_the_reader() -> None:
    """As it would end any request."""
    headers = {**JSON, "Transfer-Encoding": "chunked"}
    async with keeping(max_request_bytes=10) as kept:
        stream = await kept.stream(voice=None)
        async with calling(kept.port, "POST", CHAT, headers=having(stream, 0, headers), body=None) as call:
            await call.write(b"20\r\n" + b" " * 32 + b"\r\n")
            assert await call.head() == 413


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_whose_stream_is_not_there_generates_nothing(method: str) -> None:
    """Unknown, expired, on another replica or another caller's: 404, never a second generation."""
    async with keeping() as kept:
        stream = await finished(kept, "a", owner=OWNER)
        for told in (f"{ID}.1", f"{stream.id}.0"):
            headers = {**JSON, **EVENT_SOURCE, "Last-Event-ID": told}
            answer = await kept.ask(method, CHAT, BODY if method == "POST" else b"", headers)
            assert answer.status == 404
        assert (kept.requests, kept.resumed()) == ([], {"unknown": 2})


async def test_a_post_whose_store_is_down_generates_nothing() -> None:
    """503, since its stream may well be there."""
    async with keeping(ScriptedJournal(None)) as kept:
        answer = await kept.ask("POST", CHAT, BODY, {**JSON, "Last-Event-ID": f"{ID}.1"})
        assert (answer.status, kept.requests) == (503, [])


async def test_evicted_is_410() -> None:
    """The page can then tell its user, or ask anew without the id."""
    async with keeping(memory(stream_bytes=200)) as kept:
        stream = await finished(kept, "a" * 40, "b" * 40, "c" * 40)
        answer = await kept.ask("POST", CHAT, BODY, having(stream, 0, JSON))
        assert (answer.status, kept.requests) == (410, [])


@pytest.mark.parametrize("told", ["17", f"{ID}:1", f"{ID}.1.2", "", f"{ID.upper()}.1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_foreign_ids_go_through(told: str, method: str) -> None:
    """They are the upstream's business, who gets them as they came."""
    async with keeping() as kept:
        answer = await kept.ask(method, CHAT, headers={"Last-Event-ID": told})
        assert answer.body == b"upstream"
        assert dict(kept.requests[0]["headers"])[b"last-event-id"] == told.encode()


async def test_a_get_goes_on_too() -> None:
    """Whoever is known is served from the journal."""
    async with keeping() as kept:
        stream = await finished(kept, "a", "b")
        answer = await kept.ask("GET", "/events", headers=having(stream, 1, EVENT_SOURCE))
        assert (answer.body, kept.requests) == (stream.told("b", after=1), [])


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
async def test_other_methods_ask_for_no_stream(method: str) -> None:
    """They reach the upstream as they are."""
    async with keeping() as kept:
        stream = await finished(kept, "a")
        answer = await kept.ask(method, CHAT, headers=having(stream, 0, {}))
        assert answer.body == b"upstream"


async def test_a_route_has_heartbeats_of_its_own() -> None:
    """Also for readers that come back to it."""
    async with keeping(routes=[{"path": CHAT, "heartbeat_mode": "data"}], heartbeat_seconds=0.05) as kept:
        stream = await kept.stream("a")
        async with calling(kept.port, "POST", CHAT, headers=having(stream, 0, JSON), body=BODY) as call:
            await call.until(stream.told("a"))
            assert (await call.until(b"\n\n")).startswith(b"data: {")


@pytest.mark.parametrize("where", ["header", "last_event_id", "lastEventId"])
async def test_an_eventsource_goes_on_behind_a_bridge(where: str) -> None:
    """Where it stopped, and live; its second request is no second generation."""
    async with keeping(routes=[ROUTE]) as kept:
        stream = await kept.stream("a", "b", voice="tokens")
        target, headers = "/chat/stream?prompt=Hi", EVENT_SOURCE
        if where == "header":
            headers = having(stream, 1, EVENT_SOURCE)
        else:
            target += f"&{where}={stream.id}.1"
        async with calling(kept.port, "GET", target, headers=headers) as call:
            await call.until(stream.told("b", after=1))
            stream.say("c")
            stream.recording.end(End.COMPLETE)
            assert await call.rest() == stream.told("c", after=2)
        assert kept.requests == []


async def test_a_bridge_stops_an_eventsource_for_which_nothing_is_left() -> None:
    """Or of whose stream nothing is known: 204, at which it stops for good."""
    async with keeping(routes=[ROUTE]) as kept:
        stream = await finished(kept, "a", voice="tokens")
        for told in (stream.event(1).decode(), f"{ID}.1"):
            answer = await kept.ask("GET", "/chat/stream?prompt=Hi", headers={**EVENT_SOURCE, "Last-Event-ID": told})
            assert (answer.status, answer.headers["cache-control"]) == (204, "no-store")
        assert kept.requests == []


async def test_the_guides_reader_gets_ids_apart_behind_a_bridge() -> None:
    """It posts, splits on blank lines, and wants ``data:`` first."""
    async with keeping(routes=[ROUTE]) as kept:
        stream = await finished(kept, "a", "b", voice="tokens")
        answer = await kept.ask("POST", "/chat/stream", b'{"prompt":"Hi"}', having(stream, 1, JSON))
        assert answer.body == stream.told("b", after=1, apart=True)


async def test_a_foreign_page_cannot_read_a_stream_through_a_bridge() -> None:
    """It is refused before anything is looked up."""
    journal = ScriptedJournal(None)
    async with keeping(journal, routes=[ROUTE]) as kept:
        headers = {**EVENT_SOURCE, "Last-Event-ID": f"{ID}.1", "Sec-Fetch-Site": "cross-site"}
        answer = await kept.ask("GET", "/chat/stream?prompt=Hi", headers=headers)
        assert (answer.status, journal.asked) == (403, [])


async def test_a_bridge_whose_store_is_down_generates_nothing() -> None:
    """503."""
    async with keeping(ScriptedJournal(None), routes=[ROUTE]) as kept:
        headers = {**EVENT_SOURCE, "Last-Event-ID": f"{ID}.1"}
        answer = await kept.ask("GET", "/chat/stream?prompt=Hi", headers=headers)
        assert (answer.status, kept.requests) == (503, [])
