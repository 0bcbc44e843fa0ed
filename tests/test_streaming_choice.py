"""`streaming.choice`: what the head of a response says outranks what its request looked like."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.types import Receive, Scope, Send

from .streaming import DONE, Handler, Upstream, body, chunk, proxied, start
from .wire import calling

QUICK = 0.02
OLLAMA = json.dumps({"model": "m", "messages": []}).encode()
FIRST, SECOND = b'data: {"message":{"content":"a"},"done":false}\n\n', b'data: {"done":true}\n\n'


def paused(first: bytes, rest: bytes = b"", **headers: str) -> Handler:
    """An event stream that pauses after *first* until it may go on."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "text/event-stream", 200, **headers)
        await body(send, first)
        await upstream.go.wait()
        await body(send, rest, more=False)

    return handler


@pytest.mark.parametrize(("first", "rest"), [(FIRST, SECOND), (b": first\n\n", FIRST + SECOND)])
@pytest.mark.parametrize("content_type", [True, False])
async def test_an_event_stream_from_an_api_of_another_framing_is_spoken_to_as_one(
    first: bytes, rest: bytes, content_type: bool
) -> None:
    """A gateway in front of Ollama may make one: the heartbeats of NDJSON would spoil the event behind them."""

    async def handler(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        if content_type:
            await paused(first, rest)(upstream, scope, receive, send)
            return
        await start(send, "")
        await body(send, FIRST)
        await upstream.go.wait()
        await body(send, SECOND, more=False)

    async with proxied(handler, heartbeat_seconds=QUICK) as proxy:
        async with calling(proxy.port, "POST", "/api/chat", body=OLLAMA) as call:
            stream = await call.until(b": ping\n\n")
            proxy.upstream.go.set()
            stream += await call.rest()
        assert stream.replace(b": ping\n\n", b"") == FIRST + SECOND
        assert await proxy.outcome() == "completed"


async def test_an_error_of_such_a_stream_is_an_event_too() -> None:
    """Not a line of NDJSON."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, FIRST, more=False)

    async with proxied(handler) as proxy, calling(proxy.port, "POST", "/api/chat", body=OLLAMA) as call:
        answer = await call.answer()
    assert answer.body.startswith(FIRST + b'event: error\ndata: {"error":{')


async def test_what_was_promised_to_the_client_is_kept() -> None:
    """Lines of JSON were begun, so events cannot be told any more."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await upstream.go.wait()
        await start(send)
        await body(send, FIRST + SECOND, more=False)

    async with proxied(handler, heartbeat_seconds=QUICK, commit_after_seconds=QUICK) as proxy:
        async with calling(proxy.port, "POST", "/api/chat", body=OLLAMA) as call:
            assert await call.until(b" ") == b" "
            proxy.upstream.go.set()
            rest = (await call.rest()).strip()
        assert list(json.loads(rest)) == ["error"]


UI = b'data: {"type":"text-delta","id":"0","delta":"a"}\n\ndata: {"type":"finish"}\n\n'


@pytest.mark.parametrize("path", ["/api/chat", "/chat"])
async def test_the_ai_sdk_is_known_by_its_header(path: str) -> None:
    """Though the request looks like Ollama's: the answer is whole, and ends with its own terminator."""
    async with proxied(paused(b"", UI, x_vercel_ai_ui_message_stream="v1")) as proxy:
        async with calling(proxy.port, "POST", path, body=OLLAMA) as call:
            proxy.upstream.go.set()
            assert await call.rest() == UI + DONE
        await proxy.idle()
        assert proxy.value('streams_total{dialect="ai_sdk_ui",outcome="completed"}') == 1


async def test_the_data_stream_of_the_ai_sdk_has_no_heartbeat() -> None:
    """Not even that of Ollama, whose request this looks like."""
    lines = (b'0:"a"\n', b'd:{"finishReason":"stop"}\n')

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "text/plain", x_vercel_ai_data_stream="v1")
        await body(send, lines[0])
        await upstream.go.wait()
        await body(send, lines[1], more=False)

    async with proxied(handler, heartbeat_seconds=QUICK) as proxy:
        async with calling(proxy.port, "POST", "/api/chat", body=OLLAMA) as call:
            await call.until(lines[0])
            await asyncio.sleep(3 * QUICK)
            proxy.upstream.go.set()
            assert await call.rest() == lines[1]
        await proxy.idle()
        assert proxy.value('streams_total{dialect="ai_sdk_data",outcome="completed"}') == 1


async def test_who_is_known_by_its_header_need_not_be_asked_for_a_stream() -> None:
    """``useChat`` posts to any path, and its body does not say that it wants one."""
    lines = b'0:"a"\nd:{"finishReason":"stop"}\n'

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "text/plain", x_vercel_ai_data_stream="v1")
        await body(send, lines, more=False)

    async with proxied(handler) as proxy:
        async with calling(proxy.port, "POST", "/chat", body=b'{"messages":[]}') as call:
            assert await call.rest() == lines
        assert call.headers["x-accel-buffering"] == "no"
        await proxy.idle()
        assert proxy.value('streams_total{dialect="ai_sdk_data",outcome="completed"}') == 1


async def test_a_server_of_one_s_own_at_a_path_that_many_use() -> None:
    """``/generate`` with a prompt is vLLM's demo, or anybody's: events of text are nobody's to judge."""
    stream = b"data: [\n\ndata:  \n\ndata: a]\n\n"
    sent = json.dumps({"prompt": "p", "stream": True}).encode()
    async with proxied(paused(b": first\n", stream), heartbeat_seconds=QUICK, commit_after_seconds=QUICK) as proxy:
        async with calling(proxy.port, "POST", "/generate", body=sent) as call:
            told = await call.until(b": ping\n\n")
            proxy.upstream.go.set()
            told += await call.rest()
        assert told.replace(b": ping\n\n", b"") == stream
        assert await proxy.outcome() == "completed"


async def test_a_head_that_tells_nothing_leaves_it_to_the_first_event() -> None:
    """An event stream of OpenAI's has no header of its own."""
    stream = chunk("x", finish="stop")
    async with proxied(paused(b"", stream)) as proxy, calling(proxy.port, "POST", "/x") as call:
        proxy.upstream.go.set()
        assert await call.rest() == stream + DONE
