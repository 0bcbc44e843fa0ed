"""``commit_after_seconds``: until then the upstream's real status, then 200, heartbeats and errors in the stream."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.types import Receive, Scope, Send

from .streaming import DONE, Handler, Upstream, body, chunk, event, proxied, proxying, start
from .upstream_peers import Talk, peer, silent_listener
from .wire import Call, calling, chat

_SOON = {"commit_after_seconds": 0.02, "heartbeat_seconds": 600.0}
_ANSWER = chunk("x") + chunk("", finish="stop") + DONE

_ACCEPT = {"Accept": "text/event-stream"}


async def _after_go(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await upstream.go.wait()
    await start(send, x_request_id="of-the-upstream")
    await body(send, _ANSWER, more=False)


async def _headers_then_go(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send, x_request_id="of-the-upstream", set_cookie="a=b")
    await upstream.go.wait()
    await body(send, _ANSWER, more=False)


async def _is_promised(call: Call) -> None:
    assert await call.head() == 200
    assert call.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert call.headers["cache-control"] == "no-cache, no-transform"
    assert call.headers["x-accel-buffering"] == "no"
    assert "content-length" not in call.headers
    assert await call.until(b": ping\n") == b": ping\n"


async def test_a_late_upstream_does_not_keep_the_client_waiting() -> None:
    """200 and a heartbeat before the upstream has said anything; then its events."""
    async with proxied(_after_go, **_SOON) as proxy, chat(proxy.port) as call:
        await _is_promised(call)
        proxy.upstream.go.set()
        assert await call.rest() == _ANSWER
        assert call.complete
        assert await proxy.outcome() == "completed"


async def test_headers_that_have_come_are_not_lost() -> None:
    """Between the upstream's headers and its first event, what is promised are its own headers."""
    async with proxied(_headers_then_go, **_SOON) as proxy, chat(proxy.port) as call:
        await _is_promised(call)
        assert call.headers["x-request-id"] == "of-the-upstream"
        assert call.headers["set-cookie"] == "a=b"
        proxy.upstream.go.set()
        assert await call.rest() == _ANSWER


@pytest.mark.parametrize("handler", [_after_go, _headers_then_go])
async def test_zero_means_never(handler: Handler) -> None:
    """Nothing is sent before the first event, however often a heartbeat would be due."""
    settings = {"commit_after_seconds": 0, "heartbeat_seconds": 0.01}
    async with proxied(handler, **settings) as proxy, chat(proxy.port) as call:
        waiting = asyncio.create_task(call.head())
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        proxy.upstream.go.set()
        assert await waiting == 200
        assert await call.rest() == _ANSWER


async def test_no_heartbeat_is_sent_where_there_are_none() -> None:
    """The headers are promised all the same."""
    async with proxied(_after_go, commit_after_seconds=0.02, heartbeat_mode="off") as proxy, chat(proxy.port) as call:
        assert await call.head() == 200
        proxy.upstream.go.set()
        assert await call.rest() == _ANSWER


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_the_upstreams_own_status_is_kept_before(status: int) -> None:
    """With its body and headers, byte for byte."""
    document = b'{ "error" : { "message" : "no" } }'

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "application/json", status, retry_after="7")
        await body(send, document, more=False)

    async with proxied(handler) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert (answer.status, answer.body, answer.complete) == (status, document, True)
        assert answer.headers["retry-after"] == "7"
        assert "x-should-retry" not in answer.headers
        await proxy.idle()
        assert proxy.outcomes() == ({"upstream_error": 1} if status >= 500 else {})


def _late(content_type: str, status: int, content: bytes) -> Handler:
    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await upstream.go.wait()
        await start(send, content_type, status)
        await body(send, content, more=False)

    return handler


@pytest.mark.parametrize(
    "content_type, status, content, message",
    [
        ("application/json", 400, b'{"error":{"message":"too long","code":"ctx"}}', "too long"),
        ("application/json", 503, b'{"error":"loading"}', "loading"),
        ("text/plain", 500, b"Internal Server Error", "the upstream answered with status 500"),
        ("text/html", 502, b"<html>bad gateway</html>", "the upstream answered with status 502"),
        ("text/plain", 302, b"", "the upstream answered with status 302"),
        ("", 204, b"", "the upstream answered with something else where a stream was asked for"),
        ("text/html", 200, b"<html>welcome</html>", "the upstream answered with HTML where a stream was asked for"),
        ("application/json", 200, b'{"choices":[]}', "the upstream answered with JSON where a stream was asked for"),
        ("application/json", 200, b'{"error":{"message":"no slot"}}', "no slot"),
        ("text/plain", 200, b"x" * 100_000, "the upstream answered with something else where a stream was asked for"),
        ("", 200, b"", "the upstream ended its stream before the answer was complete"),
        ("text/event-stream", 200, b"", "the upstream ended its stream before the answer was complete"),
    ],
)  # fmt: skip
async def test_an_answer_that_is_no_stream_is_told_in_the_stream_after(
    content_type: str, status: int, content: bytes, message: str
) -> None:
    """The status can tell of it no more."""
    async with proxied(_late(content_type, status, content), **_SOON) as proxy, chat(proxy.port) as call:
        await _is_promised(call)
        proxy.upstream.go.set()
        stream = await call.rest()
        assert call.complete
        assert stream.startswith(b'data: {"error":{"message":')
        assert stream.endswith(b"}}\n\n" + DONE)
        assert json.loads(stream.split(b"\n\n")[0][6:])["error"]["message"] == message
        truncated = message.startswith("the upstream ended")
        assert await proxy.outcome() == ("upstream_truncated" if truncated else "upstream_error")


async def test_anthropic_clients_are_told_in_their_own_way() -> None:
    """``event: error``, and no terminator."""
    content = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'
    async with proxied(_late("application/json", 529, content), **_SOON) as proxy:
        async with chat(proxy.port, "/v1/messages") as call:
            assert await call.until(b"\n\n") == b'event: ping\ndata: {"type": "ping"}\n\n'
            proxy.upstream.go.set()
            stream = await call.rest()
        assert call.complete
        assert stream.startswith(b'event: error\ndata: {"type":"error","error":{')
        assert b'"message":"busy"' in stream


async def test_one_json_document_becomes_one_event_of_a_generic_stream() -> None:
    """As with MCP, where a server may answer with either."""
    content = b'{"jsonrpc": "2.0",\r\n "id": 1}\n'
    async with proxied(_late("application/json", 200, content), **_SOON) as proxy:
        async with calling(proxy.port, "POST", "/sse", body=b"{}", headers=_ACCEPT) as call:
            assert await call.until(b"\n\n") == b": ping\n\n"
            proxy.upstream.go.set()
            assert await call.rest() == b'data: {"jsonrpc": "2.0", "id": 1}\n\n'
            assert call.complete
        assert await proxy.outcome() == "completed"
        assert proxy.value('repairs_total{kind="single_json"}') == 1


async def test_html_ends_a_generic_stream_with_an_abort() -> None:
    """An error event for those who look, a broken end for the others."""
    async with proxied(_late("text/html", 200, b"<html></html>"), **_SOON) as proxy:
        async with calling(proxy.port, "POST", "/sse", body=b"{}", headers=_ACCEPT) as call:
            await call.until(b"\n\n")
            proxy.upstream.go.set()
            stream = await call.rest()
        assert stream.startswith(b"event: error\ndata: {")
        assert call.complete is False
        assert await proxy.outcome() == "upstream_error"


async def test_an_upstream_that_cannot_be_connected_to_is_told_in_the_stream_after() -> None:
    """Only the promise has been made by then."""
    with silent_listener() as (_host, port):
        settings = {**_SOON, "connect_timeout_seconds": 0.2}
        async with proxying(f"http://127.0.0.1:{port}", **settings) as proxy, chat(proxy.port) as call:
            await _is_promised(call)
            stream = await call.rest()
            assert b'"code":"connect_timeout"' in stream
            assert stream.endswith(DONE)
            assert await proxy.outcome() == "connect_timeout"


async def test_an_upstream_that_closes_without_an_answer_is_told_in_the_stream_after() -> None:
    """As a crash during the prefill does."""
    go = asyncio.Event()

    async def talk(client: Talk) -> None:
        await client.head()
        await go.wait()

    async with peer(talk) as upstream, proxying(upstream.url, **_SOON) as proxy, chat(proxy.port) as call:
        await _is_promised(call)
        go.set()
        assert b'"code":"upstream_error"' in await call.rest()
        assert await proxy.outcome() == "upstream_error"


async def test_the_first_events_error_passes_as_it_is_after() -> None:
    """It is the upstream's own, in the stream's own form."""
    error = b'data: {"error":{"message":"no","code":400}}\n\n'
    async with proxied(_late("text/event-stream", 200, error), **_SOON) as proxy, chat(proxy.port) as call:
        await _is_promised(call)
        proxy.upstream.go.set()
        assert await call.rest() == error + DONE
        assert await proxy.outcome() == "upstream_error"


async def test_only_who_asks_for_an_event_stream_is_promised_one() -> None:
    """An ordinary request, or a stream in a format that is not known, waits for the upstream's own answer."""
    document = b'{"answer":"late"}'
    async with proxied(_late("application/json", 200, document), **_SOON) as proxy:
        for target, ask in (("/v1/chat/completions", False), ("/any/chat", True)):
            proxy.upstream.go.clear()
            async with chat(proxy.port, target, stream=ask) as call:
                waiting = asyncio.create_task(call.answer())
                await event(proxy.upstream.arrived)
                done, _ = await asyncio.wait({waiting}, timeout=0.2)
                assert not done
                proxy.upstream.go.set()
                answer = await waiting
                assert (answer.body, answer.headers["content-type"]) == (document, "application/json")


async def test_a_head_is_not_promised_a_stream() -> None:
    """It gets the upstream's own head, however late, and is no stream for anybody."""
    async with proxied(_late("text/event-stream", 200, b""), **_SOON) as proxy:
        async with calling(proxy.port, "HEAD", headers=_ACCEPT) as call:
            waiting = asyncio.create_task(call.answer())
            done, _ = await asyncio.wait({waiting}, timeout=0.2)
            assert not done
            proxy.upstream.go.set()
            answer = await waiting
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
        assert answer.complete
        await proxy.idle()
        assert proxy.outcomes() == {}


async def test_nothing_is_promised_where_bodies_stay_as_they_are() -> None:
    """``reframe = never``: what is no stream could not be made one."""
    document = b'{"error":"late"}'
    handler = _late("application/json", 500, document)
    async with proxied(handler, reframe="never", **_SOON) as proxy, chat(proxy.port) as call:
        waiting = asyncio.create_task(call.answer())
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        proxy.upstream.go.set()
        answer = await waiting
        assert (answer.status, answer.body) == (500, document)
