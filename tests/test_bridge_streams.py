"""`bridge`: what its clients get, read as the guide's hook and reader read it: ids, heartbeats, errors, reconnects."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from sse_proxy.core.numbering import is_event_id

from .conftest import free_port
from .event_streams import ReferenceEvent, check_canonical, reference_events, reframed_by_httpx_sse
from .streaming import DONE, Handler, Running, Upstream, body, chunk, event, proxied, proxying, start
from .wire import Answer, ask, calling

EVENT_SOURCE = {"Accept": "text/event-stream", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
FETCH = {"Content-Type": "application/json", "Accept": "*/*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}
CURL = {"Content-Type": "application/json", "Accept": "*/*"}
SDK = {"Content-Type": "application/json", "Accept": "application/json", "X-Stainless-Lang": "python"}
PROMPT = b'{"prompt": "Hi"}'
TOKENS = ["Hel", "lo ", "you"]
END = chunk("", finish="stop") + DONE
#: A test's own stand-in for what a heartbeat interval is, so that several fit into a moment.
QUICK = {"heartbeat_seconds": 0.02}


def sends(*pieces: bytes, content_type: str = "text/event-stream", status: int = 200, waits: bool = False) -> Handler:
    """An upstream that sends *pieces*, after the first of which (or, with *waits*, before it) it waits to be let go."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        if waits:
            await upstream.go.wait()
        await start(send, content_type, status)
        for piece in pieces:
            await body(send, piece)
            await upstream.go.wait()
        await body(send, b"", more=False)

    return handler


CHAT = sends(*map(chunk, TOKENS), END)


@asynccontextmanager
async def bridged(handler: Handler, **settings: Any) -> AsyncIterator[Running]:
    """A proxy with one bridge, from ``/chat/stream`` to OpenAI chat completions unless its *route* says otherwise."""
    asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "{prompt}"}]}
    route = {
        "path": "/chat/stream",
        "upstream_path": "/v1/chat/completions",
        "body": asked,
        **settings.pop("route", {}),
    }
    async with proxied(handler, routes=[route], **settings) as proxy:
        yield proxy


def listening(proxy: Running, **headers: str) -> Any:
    """An EventSource's request."""
    return calling(proxy.port, "GET", "/chat/stream?prompt=Hi", headers={**EVENT_SOURCE, **headers})


async def listened(proxy: Running, **headers: str) -> Answer:
    """All that an EventSource gets."""
    proxy.upstream.go.set()
    async with listening(proxy, **headers) as call:
        answer: Answer = await call.answer()
        return answer


async def fetched(proxy: Running, headers: dict[str, str]) -> Answer:
    """All that a POST gets."""
    proxy.upstream.go.set()
    return await ask(proxy.port, "POST", "/chat/stream", headers=headers, body=PROMPT)


def hook(events: list[ReferenceEvent]) -> tuple[str, bool]:
    """What the guide's `EventSource` hook makes of *events*: the text, and whether it has seen ``done``."""
    text = ""
    for told in events:
        if told.type == "done":
            return text, True
        if told.type == "message":
            text += json.loads(told.data).get("token", "")
    return text, False


class Reader:
    """The guide's fetch reader, line for line: each read is split on blank lines, and only ``data: `` is seen."""

    def __init__(self) -> None:
        self.text = ""
        self.done = False

    def read(self, value: bytes) -> None:
        for line in value.decode().split("\n\n"):
            if line.startswith("data: ") and not self.done:
                data = json.loads(line[6:])
                self.text += data.get("token", "")
                self.done = bool(data.get("done"))


def numbers(told: bytes) -> list[int]:
    """The number of each id in *told*, which are all of one stream."""
    ids = re.findall(rb"^id: (.*)$", told, re.MULTILINE)
    assert all(map(is_event_id, ids))
    assert len({found.partition(b".")[0] for found in ids}) == 1
    return [int(found.partition(b".")[2]) for found in ids]


async def test_the_hook_has_every_token_and_an_id_with_it() -> None:
    """Ids count from 1 and stand in the event, ``done`` included; each stream has its own."""
    async with bridged(CHAT) as proxy:
        answer = await listened(proxy)
        check_canonical(answer.body, of_json=True)
        events = reference_events(answer.body)
        assert hook(events) == ("Hello you", True)
        assert [told.last_event_id.partition(".")[2] for told in events] == ["1", "2", "3", "4"]
        assert numbers(answer.body) == [1, 2, 3, 4]
        again = await listened(proxy)
        assert again.body != answer.body
        assert re.sub(rb"[0-9a-f]{32}", b"", again.body) == re.sub(rb"[0-9a-f]{32}", b"", answer.body)
        await proxy.idle()
        assert proxy.outcomes() == {"completed": 2}
        assert proxy.value('requests_total{code="200",route="openai_chat"}') == 2


async def test_the_fetch_reader_has_every_token() -> None:
    """It takes only blocks that begin with ``data:``, so each id is in a block of its own, in front."""
    for method, headers in (("POST", FETCH), ("POST", CURL), ("GET", FETCH)):
        async with bridged(CHAT) as proxy:
            proxy.upstream.go.set()
            sent = PROMPT if method == "POST" else b""
            answer = await ask(proxy.port, method, "/chat/stream?prompt=Hi", headers=headers, body=sent)
            reader = Reader()
            reader.read(answer.body)
            assert reader.text == "Hello you"
            assert numbers(answer.body) == [1, 2, 3, 4]
            events = reference_events(answer.body)
            assert hook(events) == ("Hello you", True)
            assert [told.last_event_id.partition(".")[2] for told in events] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("method", "headers"), [("GET", EVENT_SOURCE), ("POST", FETCH), ("POST", CURL)])
async def test_heartbeats_lose_nobody_a_token(method: str, headers: dict[str, str]) -> None:
    """One line between events, never with a blank line behind it once there are ids; readers of both kinds survive."""
    async with bridged(CHAT, **QUICK) as proxy:
        target = "/chat/stream" + ("?prompt=Hi" if method == "GET" else "")
        sent = PROMPT if method == "POST" else b""
        async with calling(proxy.port, method, target, headers=headers, body=sent) as call:
            reader, told = Reader(), b""
            while told.count(b": ping\n") < 3:
                told += (read := await call.some())
                reader.read(read)
            proxy.upstream.go.set()
            while read := await call.some():
                told += read
                reader.read(read)
        assert b": ping\n\n" not in told
        assert hook(reference_events(told)) == ("Hello you", True)
        assert reader.text == ("" if method == "GET" else "Hello you")
        await proxy.idle()
        assert proxy.value('heartbeats_total{mode="comment"}') >= 3


@pytest.mark.parametrize("output", ["openai", "native"])
@pytest.mark.parametrize(
    ("headers", "apart"), [(SDK, False), (CURL, False), ({**CURL, **EVENT_SOURCE}, False), (FETCH, True)]
)
async def test_an_id_alone_is_for_page_scripts_only(output: str, headers: dict[str, str], apart: bool) -> None:
    """SDKs that know the output's API take a block without data for an event, and fail on it."""
    async with bridged(CHAT, route={"output": output}) as proxy:
        answer = await fetched(proxy, headers)
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert (b"\n\ndata: [DONE]" in answer.body) is apart
        assert numbers(answer.body) == list(range(1, 1 + answer.body.count(b"data: ")))
        if not apart:
            check_canonical(answer.body, of_json=True)
            assert "" not in reframed_by_httpx_sse(answer.body)


async def test_what_no_page_gets_has_its_ids_in_the_events() -> None:
    """A program's GET, whatever it accepts."""
    async with bridged(CHAT) as proxy:
        proxy.upstream.go.set()
        answer = await ask(proxy.port, "GET", "/chat/stream?prompt=Hi", headers={"Accept": "*/*"})
        check_canonical(answer.body, of_json=True)
        assert numbers(answer.body) == [1, 2, 3, 4]


async def test_variants_that_are_off_leave_the_ids_in_their_events() -> None:
    """But for a POST with ``output = "tokens"``, whose readers are all written by hand."""
    async with bridged(CHAT, route={"output": "openai"}, client_variants=False) as proxy:
        check_canonical((await fetched(proxy, FETCH)).body, of_json=True)
    async with bridged(CHAT, client_variants=False) as proxy:
        assert b"\n\ndata: " in (await fetched(proxy, FETCH)).body


async def test_ids_of_the_upstream_make_way() -> None:
    """Two kinds of id in one stream would be told apart by nobody."""
    theirs = sends(b"id: 7\ndata: a\n\n", b"data: b\n\n", b"event: x\nid: 8\nretry: 10\ndata: c\n\n")
    async with bridged(theirs, route={"upstream_path": "/any", "output": "native"}) as proxy:
        answer = await listened(proxy)
        assert numbers(answer.body) == [1, 2, 3]
        assert [(told.type, told.data) for told in reference_events(answer.body)] == [
            *(("message", "a"), ("message", "b"), ("x", "c")),
        ]


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Last-Event-ID": "ID"}, ""),
        ({}, "&last_event_id=ID"),
        ({}, "&lastEventId=ID"),
        ({"Last-Event-ID": "ID"}, "&last_event_id=x"),
        ({"Last-Event-ID": "x"}, "&last_event_id=ID"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_reconnect_gets_204(headers: dict[str, str], query: str, method: str) -> None:
    """With an id of ours it never reaches the upstream: no browser starts a second generation. It ends EventSource."""
    async with bridged(CHAT) as proxy:
        last = reference_events((await listened(proxy)).body)[0].last_event_id
        sent = {name: value.replace("ID", last) for name, value in headers.items()}
        target = f"/chat/stream?prompt=Hi{query.replace('ID', last)}"
        content = PROMPT if method == "POST" else b""
        answer = await ask(proxy.port, method, target, headers={**EVENT_SOURCE, **sent}, body=content)
        assert (answer.status, answer.body, answer.complete) == (204, b"", True)
        assert len(proxy.upstream.requests) == 1
        await proxy.idle()
        assert proxy.outcomes() == {"completed": 1}


@pytest.mark.parametrize("foreign", ["7", "a.1", "0" * 32, f"{'0' * 32}.", f"{'G' * 32}.1", f"{'0' * 32}.1x", ""])
async def test_a_foreign_id_is_no_reconnect(foreign: str) -> None:
    """The request goes through as a fresh one, without an id that nobody there has given."""
    async with bridged(CHAT) as proxy:
        answer = await listened(proxy, **{"Last-Event-ID": foreign})
        assert hook(reference_events(answer.body)) == ("Hello you", True)
        assert b"last-event-id" not in dict(proxy.upstream.requests[0]["headers"])


async def test_a_reconnect_of_another_site_learns_nothing() -> None:
    """It is refused as any other request."""
    async with bridged(CHAT) as proxy:
        answer = await listened(proxy, **{"Last-Event-ID": f"{'0' * 32}.1", "Sec-Fetch-Site": "cross-site"})
        assert answer.status == 403


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_an_error_before_the_stream_is_its_status(status: int) -> None:
    """The upstream's own answer, which an EventSource does not come back from."""
    document = b'{"error":{"message":"no"}}'
    async with bridged(sends(document, content_type="application/json", status=status)) as proxy:
        answer = await listened(proxy)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (status, document, "application/json")


async def test_an_error_as_the_first_event_is_a_status() -> None:
    """Its own where it names one, since nothing had been sent."""
    async with bridged(sends(b'data: {"error":{"message":"too long","code":400}}\n\n')) as proxy:
        answer = await listened(proxy)
        assert (answer.status, answer.error["message"]) == (400, "too long")


async def test_nobody_at_the_other_end_is_a_502() -> None:
    """As JSON, without the upstream's address."""
    routes = [{"path": "/chat/stream", "upstream_path": "/v1/chat/completions", "body": {"stream": True}}]
    async with proxying(f"http://127.0.0.1:{free_port()}", routes=routes) as proxy:
        answer = await ask(proxy.port, "GET", "/chat/stream", headers=EVENT_SOURCE)
        assert (answer.status, answer.error["code"]) == (502, "upstream_error")
        assert b"127.0.0.1" not in answer.body


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        ([chunk("Hel")], "upstream_truncated"),
        ([chunk("Hel"), b'data: {"error":{"message":"oops","code":500}}\n\n', DONE], "upstream_error"),
    ],
)
@pytest.mark.parametrize("headers", [EVENT_SOURCE, FETCH])
async def test_an_error_in_the_stream_is_an_event(pieces: list[bytes], code: str, headers: dict[str, str]) -> None:
    """Named ``error``, with an id, and no ``done`` behind it; then a clean end."""
    async with bridged(sends(*pieces)) as proxy:
        answer = await (listened(proxy, **headers) if headers is EVENT_SOURCE else fetched(proxy, headers))
        first, last = reference_events(answer.body)
        assert json.loads(first.data) == {"token": "Hel"}
        assert last.type == "error"
        error = json.loads(last.data)["error"]
        assert set(error) == {"message", "type", "code"}
        assert error["code"] == code
        assert numbers(answer.body) == [1, 2]
        assert b"done" not in answer.body
        assert answer.complete
        assert await proxy.outcome() == code


async def test_a_bridge_answers_before_the_upstream_does() -> None:
    """After ``commit_after_seconds`` there are heartbeats; an error is then told in the stream, with an id."""
    refused = sends(b'{"error":{"message":"busy"}}', content_type="application/json", status=503, waits=True)
    async with bridged(refused, commit_after_seconds=0.02, **QUICK) as proxy, listening(proxy) as call:
        assert await call.head() == 200
        assert await call.until(b": ping\n: ping\n") == b": ping\n: ping\n"
        proxy.upstream.go.set()
        told = await call.rest()
        [last] = reference_events(told)
        assert (last.type, json.loads(last.data)["error"]["message"]) == ("error", "busy")
        assert numbers(told) == [1]


@pytest.mark.parametrize("settings", [{"reframe": "never"}, {"route": {"reframe": "never"}}])
async def test_a_bridge_writes_events_whatever_reframe_says(settings: dict[str, Any]) -> None:
    """``never`` is for answers that go to the upstream's own clients, and a bridge's are not."""
    async with bridged(CHAT, **settings) as proxy:
        answer = await listened(proxy)
        assert hook(reference_events(answer.body)) == ("Hello you", True)
        assert numbers(answer.body) == [1, 2, 3, 4]


async def test_tokens_come_as_they_are_made() -> None:
    """The first one while the upstream still works on the second."""
    async with bridged(CHAT) as proxy, listening(proxy) as call:
        await event(proxy.upstream.arrived)
        told: bytes = await call.until(b'"Hel"}\n\n')
        assert hook(reference_events(told)) == ("Hel", False)
        proxy.upstream.go.set()
        assert hook(reference_events(told + await call.rest())) == ("Hello you", True)
