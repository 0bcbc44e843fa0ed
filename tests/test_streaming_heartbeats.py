"""Heartbeats on the wire: their form for each dialect and client, and that they never stand inside an event."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from sse_proxy.core import pacing

from .streaming import DONE, Upstream, body, chunk, event, proxied, start
from .wire import Call, calling, chat

_BROWSER = {"Sec-Fetch-Mode": "cors"}
_QUICK = 0.02

_CREATED = b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n'
_MESSAGE_START = b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n'
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def _first(data: bytes) -> Any:
    """A handler that sends *data* and then nothing, until it may end."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, data)
        await upstream.go.wait()
        await body(send, b"", more=False)

    return handler


async def _three(call: Call, first: bytes, beat: bytes) -> None:
    """*first*, and then *beat* three times and nothing else."""
    await call.until(first)
    for _ in range(3):
        assert await call.until(b"\n" if beat == b": ping\n" else b"\n\n") == beat


@pytest.mark.parametrize(
    "path, first, headers, beat",
    [
        ("/v1/chat/completions", chunk("x"), {}, b": ping\n"),
        ("/v1/completions", chunk("x"), {}, b": ping\n"),
        ("/v1/responses", _CREATED, {}, b": ping\n"),
        ("/v1/messages", _MESSAGE_START, {}, _PING),
        ("/v1/messages", _MESSAGE_START, _BROWSER, _PING),
        ("/sse", b"data: x\n\n", {"Accept": "text/event-stream"}, b": ping\n\n"),
        ("/sse", b"id: 1\ndata: x\n\n", {"Accept": "text/event-stream"}, b": ping\n"),
    ],
)
async def test_each_dialect_has_its_own_form(path: str, first: bytes, headers: dict[str, str], beat: bytes) -> None:
    """INTERFACE "Heartbeats"."""
    async with (
        proxied(_first(first), heartbeat_seconds=_QUICK) as proxy,
        chat(proxy.port, path, headers=headers) as call,
    ):
        await _three(call, first, beat)


async def test_a_browser_gets_a_chunk_that_changes_nothing() -> None:
    """Hand-written readers split on blank lines, and would lose the event behind a comment."""
    async with proxied(_first(chunk("x")), heartbeat_seconds=_QUICK) as proxy:
        async with chat(proxy.port, headers=_BROWSER) as call:
            await call.until(chunk("x"))
            beat = await call.until(b"\n\n")
        document = json.loads(beat.removeprefix(b"data: "))
        assert document["choices"] == [{"index": 0, "delta": {}, "finish_reason": None}]
        assert (document["id"], document["model"]) == ("chatcmpl-1", "m")


async def test_a_browser_gets_comments_where_clients_variants_are_off() -> None:
    """``client_variants = false``: who asks makes no difference."""
    async with (
        proxied(_first(chunk("x")), heartbeat_seconds=_QUICK, client_variants=False) as proxy,
        chat(proxy.port, headers=_BROWSER) as call,
    ):
        await _three(call, chunk("x"), b": ping\n")


async def test_now_and_then_everybody_gets_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """For clients whose idle timer counts events: the 60 seconds of the table, made shorter here."""
    monkeypatch.setattr(pacing, "DATA_HEARTBEAT_SECONDS", 3.5 * _QUICK)
    async with proxied(_first(chunk("x")), heartbeat_seconds=_QUICK) as proxy, chat(proxy.port) as call:
        await call.until(chunk("x"))
        for _ in range(2):
            comments, _, noop = (await call.until(b"\n\n")).rpartition(b": ping\n")
            assert comments.replace(b": ping\n", b"") == b""
            assert len(comments) >= len(b": ping\n")
            assert json.loads(noop.removeprefix(b"data: "))["choices"][0]["delta"] == {}


@pytest.mark.parametrize(
    "mode, beat", [("comment", b": ping\n"), ("comment-block", b": ping\n\n"), ("data", b'data: {"object":')]
)
async def test_the_form_can_be_chosen(mode: str, beat: bytes) -> None:
    """``heartbeat_mode`` is stronger than dialect and client."""
    async with proxied(_first(chunk("x")), heartbeat_seconds=_QUICK, heartbeat_mode=mode) as proxy:
        async with chat(proxy.port, headers=_BROWSER if mode != "data" else {}) as call:
            await call.until(chunk("x"))
            assert (await call.until(beat)) == beat
            call.leave()
        await proxy.idle()
        assert proxy.value(f'heartbeats_total{{mode="{mode}"}}') >= 1


@pytest.mark.parametrize(
    "settings", [{"heartbeat_seconds": 0.0}, {"heartbeat_seconds": _QUICK, "heartbeat_mode": "off"}]
)
async def test_they_can_be_switched_off(settings: dict[str, Any]) -> None:
    """Then the stream holds what the upstream sent."""
    async with proxied(_first(b"data: x\n\n"), **settings) as proxy, calling(proxy.port) as call:
        waiting = asyncio.create_task(call.rest())
        await event(proxy.upstream.arrived)
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        proxy.upstream.go.set()
        assert await waiting == b"data: x\n\n"


async def test_comments_and_pings_of_the_upstream_are_swallowed() -> None:
    """The cadence is ours."""
    noise = b": hello\n\n: ping\n" + _PING

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        for _ in range(50):
            await body(send, noise)
        await body(send, _MESSAGE_START)
        for _ in range(50):
            await body(send, noise)
        stop = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
        await body(send, noise + stop, more=False)

    async with proxied(handler, heartbeat_seconds=600) as proxy, chat(proxy.port, "/v1/messages") as call:
        assert await call.rest() == _MESSAGE_START + b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
        assert await proxy.outcome() == "completed"


@pytest.mark.parametrize("reframe", ["auto", "never"])
async def test_no_heartbeat_stands_inside_an_event(reframe: str) -> None:
    """An event that arrives in small pieces, with long pauses between them."""
    pieces = 40
    whole = chunk("x" * 400)

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("y"))
        step = len(whole) // pieces
        for start_of_piece in range(0, len(whole), step):
            await body(send, whole[start_of_piece : start_of_piece + step])
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await body(send, chunk("", finish="stop") + DONE, more=False)

    async with proxied(handler, heartbeat_seconds=0.01, reframe=reframe) as proxy, chat(proxy.port) as call:
        stream = await call.rest()
        assert b": ping\n" in stream
        assert whole in stream
        assert stream.replace(b": ping\n", b"") == chunk("y") + whole + chunk("", finish="stop") + DONE


async def test_they_stop_once_the_answer_is_complete() -> None:
    """What comes behind the terminator may end up in a client's parser that has closed."""
    handler = _first(chunk("", finish="stop") + DONE)
    async with proxied(handler, heartbeat_seconds=_QUICK) as proxy, chat(proxy.port) as call:
        await call.until(DONE)
        waiting = asyncio.create_task(call.rest())
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        proxy.upstream.go.set()
        assert await waiting == b""


async def test_they_are_counted_by_form() -> None:
    """``heartbeats_total{mode}``, when the stream has ended."""
    async with proxied(_first(b"data: x\n\n"), heartbeat_seconds=_QUICK) as proxy, calling(proxy.port) as call:
        await _three(call, b"data: x\n\n", b": ping\n\n")
        proxy.upstream.go.set()
        beats = 3 + (await call.rest()).count(b": ping\n\n")
        await proxy.idle()
        assert proxy.value('heartbeats_total{mode="comment-block"}') == beats
