"""The whole proxy: limits, access tokens and CORS, with streams behind them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from .streaming import DONE, Running, Upstream, body, chunk, event, proxied, start, until
from .wire import Answer, Call, ask, chat

_ANSWER = chunk("", finish="stop") + DONE


async def _one_then_go(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send, access_control_allow_origin="https://of.the.upstream", access_control_max_age="1")
    await body(send, chunk("x"))
    await upstream.go.wait()
    await body(send, _ANSWER, more=False)


async def _open(stack: AsyncExitStack, proxy: Running, **headers: str) -> Call:
    call = await stack.enter_async_context(chat(proxy.port, headers=headers))
    await call.until(chunk("x"))
    return call


async def _refused(proxy: Running, path: str = "/v1/chat/completions", **headers: str) -> Answer:
    async with chat(proxy.port, path, headers=headers) as call:
        answer = await call.answer()
    assert (answer.status, answer.error["code"]) == (503, "rejected")
    assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("1", "true")
    return answer


async def test_streams_over_the_limit_are_refused() -> None:
    """``max_streams``: 503 in the dialect's shape, and a place is free as soon as a stream ends."""
    async with proxied(_one_then_go, max_streams=2) as proxy, AsyncExitStack() as stack:
        first = await _open(stack, proxy)
        await _open(stack, proxy)
        await _refused(proxy)
        assert (await _refused(proxy, "/v1/messages")).json["type"] == "error"
        first.leave()
        await until(lambda: len(proxy.lifecycle) == 1)
        await _open(stack, proxy)
        assert proxy.outcomes() == {"rejected": 2, "client_disconnected": 1}
        assert len(proxy.upstream.requests) == 3
        assert proxy.value("streams_active") == 2
        proxy.upstream.go.set()


async def test_ordinary_requests_are_not_limited() -> None:
    """Models can be listed while all places are taken."""

    async def handler(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await _one_then_go(upstream, scope, receive, send)
        await start(send, "application/json")
        await body(send, b"[]", more=False)

    async with proxied(handler, max_streams=1) as proxy, AsyncExitStack() as stack:
        await _open(stack, proxy)
        assert (await ask(proxy.port, target="/v1/models")).body == b"[]"
        proxy.upstream.go.set()


async def test_streams_of_one_client_are_limited(tmp_path: Path) -> None:
    """``max_streams_per_client``: a client is its token, in whichever field it comes."""
    (tmp_path / "tokens").write_text("alice\nbob\n")
    settings = {"max_streams_per_client": 1, "auth_tokens_file": tmp_path / "tokens"}
    async with proxied(_one_then_go, **settings) as proxy, AsyncExitStack() as stack:
        await _open(stack, proxy, Authorization="Bearer alice")
        await _refused(proxy, **{"x-api-key": "alice"})
        await _open(stack, proxy, Authorization="Bearer bob")
        proxy.upstream.go.set()


async def test_streams_of_one_address_are_limited() -> None:
    """Where there are no tokens; behind a trusted proxy it is the address that the proxy tells."""
    settings = {"max_streams_per_client": 1, "trusted_proxies": ["127.0.0.1"]}
    async with proxied(_one_then_go, **settings) as proxy, AsyncExitStack() as stack:
        await _open(stack, proxy, **{"X-Forwarded-For": "203.0.113.1"})
        await _refused(proxy, **{"X-Forwarded-For": "203.0.113.1"})
        await _open(stack, proxy, **{"X-Forwarded-For": "203.0.113.2"})
        proxy.upstream.go.set()


@pytest.mark.parametrize("field", ["Authorization", "x-api-key", "api-key", "x-goog-api-key"])
async def test_a_token_of_ours_lets_in_and_goes_no_further(field: str, tmp_path: Path) -> None:
    """The upstream sees neither the field nor the token."""
    (tmp_path / "tokens").write_text("our-secret\n")
    async with proxied(_one_then_go, auth_tokens_file=tmp_path / "tokens") as proxy:
        proxy.upstream.go.set()
        token = "Bearer our-secret" if field == "Authorization" else "our-secret"
        async with chat(proxy.port, headers={field: token}) as call:
            assert await call.rest() == chunk("x") + _ANSWER
        assert b"our-secret" not in repr(proxy.upstream.requests[0]["headers"]).encode()


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic our-secret"}])
async def test_without_a_token_of_ours_nobody_gets_in(headers: dict[str, str], tmp_path: Path) -> None:
    """401 in the dialect's shape; the upstream never hears of it."""
    (tmp_path / "tokens").write_text("our-secret\n")
    async with proxied(_one_then_go, auth_tokens_file=tmp_path / "tokens") as proxy:
        async with chat(proxy.port, "/v1/messages", headers=headers) as call:
            answer = await call.answer()
        assert (answer.status, answer.json["type"], answer.error["type"]) == (401, "error", "authentication_error")
        assert proxy.upstream.requests == []
        assert (await ask(proxy.port, target="/-/sse-proxy/healthz")).status == 200


async def test_a_stream_carries_cors_of_ours_alone() -> None:
    """``cors_origins``: the upstream's own is dropped, and it never sees the origin."""
    async with proxied(_one_then_go, cors_origins=["https://app.example"]) as proxy:
        proxy.upstream.go.set()
        async with chat(proxy.port, headers={"Origin": "https://app.example"}) as call:
            assert await call.rest() == chunk("x") + _ANSWER
        assert call.headers["access-control-allow-origin"] == "https://app.example"
        assert call.headers["access-control-expose-headers"] == "X-Stream-Id, Location, X-Request-Id, Retry-After"
        assert "access-control-max-age" not in call.headers
        assert b"origin" not in dict(proxy.upstream.requests[0]["headers"])


async def test_a_promised_stream_carries_cors_too() -> None:
    """The upstream has not answered yet."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    settings = {"cors_origins": ["*"], "commit_after_seconds": 0.01}
    async with proxied(handler, **settings) as proxy:
        async with chat(proxy.port, headers={"Origin": "https://app.example"}) as call:
            await call.head()
        assert call.headers["access-control-allow-origin"] == "*"


async def test_error_answers_carry_cors_too() -> None:
    """Or the page could not read why."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, b"", more=False)

    async with proxied(handler, cors_origins=["https://app.example"]) as proxy:
        async with chat(proxy.port, headers={"Origin": "https://app.example"}) as call:
            answer = await call.answer()
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (502, "https://app.example")


async def test_without_cors_of_ours_the_upstreams_passes() -> None:
    """Untouched, as the origin does."""
    async with proxied(_one_then_go) as proxy:
        proxy.upstream.go.set()
        async with chat(proxy.port, headers={"Origin": "https://app.example"}) as call:
            await call.rest()
        assert call.headers["access-control-allow-origin"] == "https://of.the.upstream"
        assert dict(proxy.upstream.requests[0]["headers"])[b"origin"] == b"https://app.example"


async def test_a_preflight_is_answered_without_the_upstream(tmp_path: Path) -> None:
    """And without a token, which browsers do not send along."""
    (tmp_path / "tokens").write_text("our-secret\n")
    settings = {"cors_origins": ["https://app.example"], "auth_tokens_file": tmp_path / "tokens"}
    async with proxied(_one_then_go, **settings) as proxy:
        headers = {
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        answer = await ask(proxy.port, "OPTIONS", "/v1/chat/completions", headers=headers)
        assert answer.status == 204
        assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
        assert proxy.upstream.requests == []


async def test_a_proxy_that_refuses_lets_open_streams_go_on() -> None:
    """The end of a drain: new requests get 503, old ones their answer."""
    async with proxied(_one_then_go) as proxy, AsyncExitStack() as stack:
        call = await _open(stack, proxy)
        proxy.lifecycle.refuse()
        answer = await _refused(proxy)
        assert answer.headers["connection"] == "close"
        proxy.upstream.go.set()
        assert await call.rest() == _ANSWER


async def test_reserved_paths_are_ours() -> None:
    """However they are spelt, the upstream never sees them."""
    async with proxied(_one_then_go) as proxy:
        for path in ("/-/sse-proxy/unknown", "/-%252Fsse-proxy/healthz", "/x/../-/sse-proxy/healthz"):
            assert (await ask(proxy.port, target=path)).status == 404
        assert (await ask(proxy.port, target="/-/sse-proxy/readyz")).status == 200
        assert proxy.upstream.requests == []
        proxy.upstream.go.set()
        assert (await ask(proxy.port, target="/-/other")).status == 200
        await event(proxy.upstream.arrived)
