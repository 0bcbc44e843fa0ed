"""Each timeout of INTERFACE "Settings": its status or in-stream error, its outcome, and what does not count."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import trustme
from starlette.types import Receive, Scope, Send

from sse_proxy.streaming.client import Client

from .streaming import DONE, Handler, Proxy, Upstream, body, chunk, event, proxied, proxying, start, until
from .upstream_peers import Talk, both_loops, open_sockets, peer, silent_listener
from .wire import Answer, ask, calling, chat

#: As settings: so short that a test does not take long, and waited for with a generous limit.
_SHORT = 0.05
_LONG = 600.0

_RESPONSES = "/v1/responses"
_MESSAGES = "/v1/messages"


def _told(stream: bytes) -> Any:
    """The error object in the last frame but [DONE] of an OpenAI chat stream, which ends with [DONE]."""
    text = "".join(line for line in stream.decode().splitlines(keepends=True) if not line.startswith(":"))
    *_, error, done, end = text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    assert error.startswith('data: {"error":')
    return json.loads(error.removeprefix("data: "))["error"]


def _codes(proxy: Proxy) -> list[str]:
    """The ``code`` of each answered request."""
    counted = (name for name, value in proxy.samples().items() if name.startswith("requests_total{") and value)
    return [name.partition('code="')[2].partition('"')[0] for name in counted]


async def _silence(_upstream: Upstream, _scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def _only_headers(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    await asyncio.Event().wait()


async def _pings(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """What an upstream sends that has nothing to say: comments, pings, empty data, half an event."""
    await start(send)
    while True:
        await body(send, b": ping\n\n")
        await body(send, b"event: ping\ndata: {}\n\n" if b"messages" in _scope["raw_path"] else b"data:\n\n")
        await asyncio.sleep(0.005)


async def _event_then_pings(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, chunk("x"))
    while True:
        await body(send, b": ping\n\ndata: \n\n")
        await asyncio.sleep(0.005)


async def _event_then_silence(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, chunk("x"))
    await asyncio.Event().wait()


async def _anything_then_silence(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"data: x\n\n")
    await asyncio.Event().wait()


async def _endless(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    while True:
        await body(send, chunk("x"))
        await asyncio.sleep(0.005)


def _is_504(answer: Answer, code: str, *, should_retry: bool) -> None:
    assert (answer.status, answer.error["code"]) == (504, code)
    assert answer.headers["x-should-retry"] == ("true" if should_retry else "false")
    assert ("retry-after" in answer.headers) == should_retry


@both_loops
async def test_connect_timeout_is_a_504_that_may_be_retried() -> None:
    """The upstream never had the request."""
    with silent_listener() as (_host, port):
        async with proxying(f"http://127.0.0.1:{port}", connect_timeout_seconds=_SHORT) as proxy:
            async with chat(proxy.port) as call:
                _is_504(await call.answer(), "connect_timeout", should_retry=True)
            assert await proxy.outcome() == "connect_timeout"


async def test_connect_timeout_includes_the_tls_handshake(tmp_path: Path) -> None:
    """An upstream that accepts and says nothing."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    async with peer(Talk.gone) as upstream:
        url = upstream.url.replace("http://", "https://")
        settings = {"upstream_ca_file": tmp_path / "ca.pem", "connect_timeout_seconds": _SHORT}
        async with proxying(url, **settings) as proxy, chat(proxy.port) as call:
            _is_504(await call.answer(), "connect_timeout", should_retry=True)


async def test_connect_timeout_holds_for_ordinary_requests() -> None:
    """Which are no streams, so no stream is counted."""
    with silent_listener() as (_host, port):
        async with proxying(f"http://127.0.0.1:{port}", connect_timeout_seconds=_SHORT) as proxy:
            _is_504(await ask(proxy.port), "connect_timeout", should_retry=True)
            assert proxy.outcomes() == {}
            assert proxy.value('requests_total{code="504",route="other"}') == 1


@pytest.mark.parametrize("handler", [_silence, _only_headers, _pings])
@pytest.mark.parametrize("path", ["/v1/chat/completions", _RESPONSES, _MESSAGES])
async def test_first_event_timeout_is_a_504_until_something_was_sent(handler: Handler, path: str) -> None:
    """Before the upstream's headers and after them; the upstream had the request."""
    async with proxied(handler, first_event_timeout_seconds=_SHORT) as proxy:
        async with chat(proxy.port, path) as call:
            _is_504(await call.answer(), "first_event_timeout", should_retry=False)
        await event(proxy.upstream.left)
        assert await proxy.outcome() == "first_event_timeout"


@pytest.mark.parametrize("handler", [_silence, _only_headers, _pings])
async def test_first_event_timeout_is_told_in_a_stream_that_has_begun(handler: Handler) -> None:
    """After the commit; our own heartbeats do not count as events."""
    settings = {"commit_after_seconds": 0.01, "first_event_timeout_seconds": 0.1, "heartbeat_seconds": 0.01}
    async with proxied(handler, **settings) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert (answer.status, answer.complete) == (200, True)
        assert answer.body.startswith(b": ping\n")
        assert _told(answer.body)["code"] == "first_event_timeout"
        assert await proxy.outcome() == "first_event_timeout"


@pytest.mark.parametrize("handler", [_event_then_silence, _event_then_pings])
@pytest.mark.parametrize("reframe", ["auto", "never"])
async def test_idle_timeout_is_told_in_the_stream(handler: Handler, reframe: str) -> None:
    """Comments, pings and empty data of the upstream do not count, and our heartbeats do not."""
    settings = {"idle_timeout_seconds": 0.1, "heartbeat_seconds": 0.02, "reframe": reframe}
    async with proxied(handler, **settings) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert answer.complete
        assert _told(answer.body)["code"] == "idle_timeout"
        await event(proxy.upstream.left)
        assert await proxy.outcome() == "idle_timeout"


async def test_idle_timeout_runs_from_one_event_to_the_next() -> None:
    """A stream that is slow all the time, but never silent for so long, goes on."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        for _ in range(10):
            await body(send, chunk("x"))
            await asyncio.sleep(0.05)
        await body(send, chunk("", finish="stop") + DONE, more=False)

    async with proxied(handler, idle_timeout_seconds=0.4) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert answer.body == chunk("x") * 10 + chunk("", finish="stop") + DONE
        assert await proxy.outcome() == "completed"


async def test_total_timeout_ends_a_stream_that_flows() -> None:
    """However many events there are."""
    async with proxied(_endless, total_timeout_seconds=0.1) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert answer.complete
        assert _told(answer.body)["code"] == "total_timeout"
        await event(proxy.upstream.left)
        assert await proxy.outcome() == "total_timeout"


async def test_total_timeout_before_anything_was_sent_is_a_504() -> None:
    """It runs from the request on."""
    async with proxied(_silence, total_timeout_seconds=_SHORT) as proxy, chat(proxy.port) as call:
        _is_504(await call.answer(), "total_timeout", should_retry=False)
        assert await proxy.outcome() == "total_timeout"


@pytest.mark.parametrize("last", [chunk("", finish="stop"), chunk("", finish="stop") + DONE])
async def test_completion_grace_ends_a_stream_that_the_upstream_does_not_close(last: bytes) -> None:
    """The terminal signal was seen: what is missing is added, and the stream is a completed one."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("x") + last)
        await asyncio.Event().wait()

    settings = {"completion_grace_seconds": _SHORT, "idle_timeout_seconds": _LONG}
    async with proxied(handler, **settings) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert (answer.body, answer.complete) == (chunk("x") + chunk("", finish="stop") + DONE, True)
        await event(proxy.upstream.left)
        assert await proxy.outcome() == "completed"


async def test_completion_grace_runs_anew_with_each_event() -> None:
    """The usage comes behind the finish signal, and may take its time."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("x") + chunk("", finish="stop"))
        for _ in range(4):
            await asyncio.sleep(0.1)
            await body(send, usage)
        await body(send, DONE, more=False)

    async with proxied(handler, completion_grace_seconds=0.3) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert answer.body == chunk("x") + chunk("", finish="stop") + usage * 4 + DONE
        assert proxy.value('tokens_total{type="output"}') == 2


async def test_first_event_timeout_of_an_ordinary_request_waits_for_headers() -> None:
    """Then it is a 504 in the dialect's shape."""
    async with proxied(_silence, first_event_timeout_seconds=_SHORT) as proxy:
        async with chat(proxy.port, _MESSAGES, stream=False) as call:
            answer = await call.answer()
        _is_504(answer, "first_event_timeout", should_retry=False)
        assert answer.json["type"] == "error"
        await event(proxy.upstream.left)
        assert proxy.outcomes() == {}


async def test_idle_timeout_of_an_ordinary_answer_counts_bytes() -> None:
    """Every byte counts; when none comes, the answer is cut, and the client can tell."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "application/json")
        for _ in range(10):
            await body(send, b" ")
            await asyncio.sleep(0.05)
        await asyncio.Event().wait()

    async with proxied(handler, idle_timeout_seconds=0.4, total_timeout_seconds=0.1) as proxy:
        answer = await ask(proxy.port)
        assert (answer.status, answer.body, answer.complete) == (200, b" " * 10, False)
        await event(proxy.upstream.left)


@pytest.mark.parametrize(
    "options",
    [
        {"method": "GET", "headers": {"Accept": "text/event-stream"}},
        {"method": "GET"},
        {"method": "POST", "body": b"{}", "headers": {"Mcp-Session-Id": "1", "Accept": "text/event-stream"}},
        {"method": "POST", "body": b"{}", "headers": {"MCP-Protocol-Version": "2025-06-18"}},
    ],
)
async def test_generic_get_streams_and_mcp_may_be_silent(options: dict[str, Any]) -> None:
    """They are silent by design; the total timeout still holds for them."""
    settings = {"first_event_timeout_seconds": _SHORT, "idle_timeout_seconds": _SHORT, "total_timeout_seconds": 0.2}
    for handler in (_only_headers, _anything_then_silence):
        async with proxied(handler, **settings) as proxy, calling(proxy.port, target="/events", **options) as call:
            assert b"total_timeout" in await call.rest()
            assert await proxy.outcome() == "total_timeout"


async def _told_by_its_head(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send, "text/event-stream", 200, **{"x-vercel-ai-ui-message-stream": "v1"})
    await body(send, b'data: {"type":"start"}\n\n')
    await asyncio.Event().wait()


@pytest.mark.parametrize("handler", [_event_then_silence, _told_by_its_head])
async def test_an_llm_s_answer_to_a_get_may_not_be_silent(handler: Handler) -> None:
    """It is one as soon as its head, or its first event, has told that."""
    async with proxied(handler, idle_timeout_seconds=_SHORT) as proxy:
        answer = await ask(proxy.port, "GET", "/events", headers={"Accept": "text/event-stream"})
        assert b"the upstream fell silent" in answer.body
        assert await proxy.outcome() == "idle_timeout"


async def test_an_upload_that_stops_is_held_against_the_client() -> None:
    """The upstream is silent since it waits for the rest, as we do."""
    fields = [("Content-Type", "application/octet-stream"), ("Content-Length", "100")]
    async with (
        proxied(_silence, idle_timeout_seconds=_SHORT) as proxy,
        calling(proxy.port, "POST", "/files", headers=fields, body=None) as call,
    ):
        await call.write(b"half of it")
        answer = await call.answer()
        assert (answer.status, answer.error["code"]) == (400, "rejected")
        assert answer.error["message"] == "the request body took too long to arrive"
        assert answer.headers["x-should-retry"] == "false"


async def test_silence_behind_an_answer_is_not_held_against_the_client() -> None:
    """Though its upload stands still, too: who has begun to answer does not wait for the rest of it."""

    async def talk(client: Talk) -> None:
        await client.head()
        event_stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        await client.say(event_stream + chunk("a"))
        await client.gone()

    fields = [("Content-Type", "multipart/form-data; boundary=q"), ("Content-Length", "100")]
    async with (
        peer(talk) as upstream,
        proxying(upstream.url, idle_timeout_seconds=0.5) as proxy,
        calling(proxy.port, "POST", "/v1/chat/completions", headers=fields, body=None) as call,
    ):
        await call.write(b"half of it")
        assert b'"code":"idle_timeout"' in await call.rest()
        assert await proxy.outcome() == "idle_timeout"


@pytest.mark.parametrize(
    ("target", "framing", "error_type"),
    [
        (_MESSAGES, "Content-Length: 1000", "error"),
        ("/v1/chat/completions", "Content-Length: 9000000", None),
        ("/files", "Transfer-Encoding: chunked", None),
    ],
    ids=["look-ahead", "stream", "upload"],
)
async def test_an_upload_that_the_server_gives_up_is_answered_as_any_other_mistake(
    monkeypatch: pytest.MonkeyPatch, target: str, framing: str, error_type: str | None
) -> None:
    """With the client's own id, our CORS fields and its API's error; and it is not a client that has left."""
    monkeypatch.setattr("sse_proxy.client_protocol.UPLOAD_SECONDS", _SHORT)
    name, _, value = framing.partition(": ")
    fields = [
        ("Content-Type", "application/json"), ("Accept", "text/event-stream"), (name, value),
        ("Origin", "https://app.example"), ("X-Request-Id", "mine-1"),
    ]  # fmt: skip
    async with (
        proxied(_silence, cors_origins=["https://app.example"]) as proxy,
        calling(proxy.port, "POST", target, headers=fields, body=None) as call,
    ):
        await call.write(b'5\r\n{"a":\r\n' if "chunked" in framing else b'{"stream":true,')
        answer = await call.answer()
        assert (answer.status, answer.json.get("type")) == (400, error_type)
        assert answer.error["message"] == "the request body took too long to arrive"
        told = [answer.headers[field] for field in ("x-request-id", "access-control-allow-origin", "connection")]
        assert told == ["mine-1", "https://app.example", "close"]
        await until(lambda: bool(_codes(proxy)))
        assert _codes(proxy) == ["400"]
        assert proxy.value("disconnect_silence_seconds_count") == 0


async def test_a_request_that_the_server_answers_is_not_counted_as_one_whose_client_left() -> None:
    """Nobody can tell of a mistake in its framing but the server, in the middle of the upload."""
    fields = [("Accept", "text/event-stream"), ("Transfer-Encoding", "chunked")]
    async with (
        proxied(_silence) as proxy,
        calling(proxy.port, "POST", "/files", headers=fields, body=None) as call,
    ):
        await call.write(b"5\r\nhello\r\n")
        await until(lambda: bool(proxy.upstream.requests))
        await call.write(b"nonsense\r\n")
        assert (await call.answer()).status == 400
        assert await proxy.outcome() == "rejected"
        await until(lambda: bool(_codes(proxy)))
        assert _codes(proxy) == ["400"]
        assert proxy.value("disconnect_silence_seconds_count") == 0


async def test_a_generic_post_stream_may_not_be_silent() -> None:
    """Somebody waits for an answer."""
    async with proxied(_anything_then_silence, idle_timeout_seconds=_SHORT) as proxy:
        answer = await ask(proxy.port, "POST", "/sse", body=b"{}", headers={"Accept": "text/event-stream"})
        assert b'"code":"idle_timeout"' in answer.body
        assert not answer.complete
        assert await proxy.outcome() == "idle_timeout"


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/octet-stream"])
@both_loops
async def test_a_client_that_does_not_read_is_dropped_and_the_upstream_paused(content_type: str) -> None:
    """The upstream's send waits as long as the client reads nothing; then the client's socket is really closed."""
    sent = 0

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal sent
        await start(send, content_type)
        while not upstream.left.is_set():
            await body(send, b"data: " + b"x" * 65536 + b"\n\n")
            sent += 1

    settings = {"client_stall_timeout_seconds": 0.4, "idle_timeout_seconds": 0.2}
    async with proxied(handler, **settings) as proxy:
        before = open_sockets()
        headers = {"Accept": "text/event-stream"} if content_type == "text/event-stream" else {}
        async with calling(proxy.port, "POST", "/sse", headers=headers, receive_buffer_bytes=4096):
            await event(proxy.upstream.arrived)
            await event(proxy.upstream.left)
            # All buffers between here and there together hold less, and one that reads gets it in a moment.
            assert sent < 1000
            # Of the client's connection and the upstream's, only the client's own end is left.
            await until(lambda: open_sockets() <= before + 1)
        if headers:
            assert await proxy.outcome() == "client_stalled"


async def test_a_client_that_the_kernel_gives_up_first_counts_as_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a slow stream the kernel notices before us; it is no departure, so its silence is not told as one's."""
    monkeypatch.setattr(Client, "has_stalled", True)
    async with proxied(_event_then_silence) as proxy:
        async with chat(proxy.port) as call:
            await call.until(b"\n\n")
        assert await proxy.outcome() == "client_stalled"
        assert proxy.value("disconnect_silence_seconds_count") == 0


async def test_a_client_that_reads_slowly_is_not_dropped() -> None:
    """As long as it reads anything; the wait for it is not held against the upstream either."""
    events = 200

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        for number in range(events):
            await body(send, b"id: %d\ndata: " % number + b"x" * 20_000 + b"\n\n")
        await body(send, b"", more=False)

    settings = {"client_stall_timeout_seconds": 2.0, "idle_timeout_seconds": 0.3}
    async with proxied(handler, **settings) as proxy, calling(proxy.port, "POST", receive_buffer_bytes=4096) as call:
        for number in range(events):
            await call.until(b"id: %d\n" % number)
            await asyncio.sleep(0.005)
        assert await call.rest()
        assert call.complete
        assert await proxy.outcome() == "completed"


async def test_a_heartbeat_that_is_not_taken_finds_a_stalled_client_too() -> None:
    """The upstream is silent after it has filled the client's buffers."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"data: " + b"x" * 16_000_000 + b"\n\n")
        await asyncio.Event().wait()

    settings = {"client_stall_timeout_seconds": 0.2, "heartbeat_seconds": 0.02}
    async with (
        proxied(handler, **settings) as proxy,
        calling(proxy.port, "POST", "/sse", receive_buffer_bytes=4096),
    ):
        assert await proxy.outcome() == "client_stalled"


@pytest.mark.parametrize("leaves", [True, False])
@both_loops
async def test_an_error_that_nobody_takes_does_not_hold_the_connection(leaves: bool) -> None:
    """The client reads nothing: telling it of the timeout ends with its departure, or with the stall timeout."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        while True:
            await body(send, chunk("x" * 65536))
            await asyncio.sleep(0)

    settings = {"total_timeout_seconds": 0.3, "client_stall_timeout_seconds": 30.0 if leaves else 0.6}
    async with proxied(handler, **settings) as proxy:
        before = open_sockets()
        async with chat(proxy.port, receive_buffer_bytes=4096) as call:
            await event(proxy.upstream.arrived)
            await event(proxy.upstream.left)
            assert proxy.outcomes() == {}
            if leaves:
                call.leave()
            assert await proxy.outcome() == "total_timeout"
        await until(lambda: open_sockets() == before)
