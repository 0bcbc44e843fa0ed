"""``json_keepalive_seconds``: an answer that is no stream, so late that a hop would cut it."""

from __future__ import annotations

import gzip
import json

import pytest
from starlette.types import Receive, Scope, Send

from .streaming import Handler, Upstream, body, proxied, start
from .wire import Call, chat

_SOON = {"json_keepalive_seconds": 0.02}
_ANSWER = b'{"choices": [{"message": {"content": "Hello"}}]}'


def _late(content_type: str, status: int, *pieces: bytes, **headers: str) -> Handler:
    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await upstream.go.wait()
        await start(send, content_type, status, **headers)
        for piece in pieces:
            await body(send, piece)
        await body(send, b"", more=False)

    return handler


async def _is_kept(call: Call) -> None:
    assert await call.head() == 200
    assert call.headers["content-type"] == "application/json"
    assert call.headers["x-accel-buffering"] == "no"
    assert "content-length" not in call.headers
    assert await call.until(b"   ") == b"   "


@pytest.mark.parametrize("coding", ["", "gzip"])
async def test_spaces_come_in_front_of_the_document(coding: str) -> None:
    """One after each interval, and then the answer, decoded, to a complete end."""
    content = gzip.compress(_ANSWER) if coding else _ANSWER
    headers = {"content_encoding": coding} if coding else {}
    handler = _late("application/json; charset=utf-8", 200, content[:20], content[20:], **headers)
    async with proxied(handler, **_SOON) as proxy, chat(proxy.port, stream=False) as call:
        await _is_kept(call)
        proxy.upstream.go.set()
        assert (await call.rest()).lstrip(b" ") == _ANSWER
        assert call.complete
        await proxy.idle()
        assert proxy.outcomes() == {}


async def test_a_call_that_is_never_streamed_is_kept_too() -> None:
    """Many texts take an embedding model as long as an answer takes."""
    handler = _late("application/json", 200, b'{"data": []}')
    async with proxied(handler, **_SOON) as proxy, chat(proxy.port, "/v1/embeddings", stream=False) as call:
        await _is_kept(call)
        proxy.upstream.go.set()
        assert ((await call.rest()).lstrip(b" "), call.complete) == (b'{"data": []}', True)


@pytest.mark.parametrize(
    ("content_type", "status", "content", "message"),
    [
        ("application/json", 400, b'{"error":{"message":"too long"}}', b'"too long"'),
        ("text/html", 502, b"<html>", b"the upstream answered with status 502"),
        ("text/plain", 200, b"Hello", b"something else than JSON"),
        ("text/plain", 200, b"x" * 100_000, b"something else than JSON"),
    ],
)
async def test_an_error_is_told_and_the_connection_broken_off(
    content_type: str, status: int, content: bytes, message: bytes
) -> None:
    """No status can tell of it any more, and no client may take its document for an answer."""
    handler = _late(content_type, status, content)
    async with proxied(handler, **_SOON) as proxy, chat(proxy.port, stream=False) as call:
        await _is_kept(call)
        proxy.upstream.go.set()
        told = await call.rest()
        assert json.loads(told).keys() == {"error"}
        assert message in told
        assert not call.complete


async def test_a_timeout_is_told_in_the_same_way() -> None:
    """The upstream never answers."""
    handler = _late("application/json", 200, _ANSWER)
    settings = {**_SOON, "first_event_timeout_seconds": 0.3}
    async with proxied(handler, **settings) as proxy, chat(proxy.port, stream=False) as call:
        await _is_kept(call)
        assert b"first_event_timeout" in await call.rest()
        assert not call.complete


@pytest.mark.parametrize("settings", [{}, _SOON])
async def test_an_answer_in_time_is_untouched(settings: dict[str, float]) -> None:
    """With its own status, headers and length."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "application/json", 404, content_length="2", etag="x")
        await body(send, b"{}", more=False)

    async with proxied(handler, **settings) as proxy, chat(proxy.port, stream=False) as call:
        answer = await call.answer()
        assert (answer.status, answer.body, answer.headers["etag"]) == (404, b"{}", "x")
        assert answer.headers["content-length"] == "2"


async def test_a_route_may_have_it_for_itself() -> None:
    """As any other setting of time."""
    routes = [{"path": "/v1/*", **_SOON}]
    handler = _late("application/json", 200, _ANSWER)
    async with proxied(handler, routes=routes) as proxy, chat(proxy.port, stream=False) as call:
        await _is_kept(call)
        proxy.upstream.go.set()
        assert json.loads(await call.rest()) == json.loads(_ANSWER)
        assert call.complete


async def test_streams_have_heartbeats_of_their_own() -> None:
    """The setting is for documents only."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await upstream.go.wait()
        await start(send, "application/json", 503)
        await body(send, b"{}", more=False)

    async with proxied(handler, **_SOON) as proxy, chat(proxy.port, stream=True) as call:
        proxy.upstream.go.set()
        assert await call.head() == 503
