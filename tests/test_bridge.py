"""`bridge`: which requests become the upstream's own, with which body, and which are refused before they do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import pytest
from starlette.types import Receive, Scope, Send

from .streaming import DONE, Running, Upstream, body, chunk, event, proxied, start, until
from .wire import Answer, ask, calling

EVENT_SOURCE = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}
JSON = {"Content-Type": "application/json"}
TOKENS = ["Hello", " you", ""]
#: Everything that a template can hold.
TEMPLATE = {
    "model": "m",
    "stream": True,
    "temperature": "{temperature}",
    "messages": [{"role": "system", "content": "Be {{brief}}."}, {"role": "user", "content": "{prompt}"}],
    "note": "asked: {prompt} ({tags})",
    "{prompt}": None,
}
CHAT = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "{prompt}"}]}


async def answers(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """An OpenAI chat stream."""
    await start(send)
    for token in TOKENS[:-1]:
        await body(send, chunk(token))
    await body(send, chunk("", finish="stop") + DONE, more=False)


@asynccontextmanager
async def bridged(body: dict[str, Any], **settings: Any) -> AsyncIterator[Running]:
    """A proxy with one bridge, from ``/chat/stream`` to OpenAI chat completions, that sends *body*."""
    route = {"path": "/chat/stream", "upstream_path": "/v1/chat/completions", "body": body, **settings.pop("route", {})}
    async with proxied(answers, routes=[route], **settings) as proxy:
        yield proxy


async def get(proxy: Running, query: str = "prompt=Hi", **headers: str) -> Answer:
    """What an EventSource gets."""
    return await ask(proxy.port, "GET", f"/chat/stream?{query}", headers={**EVENT_SOURCE, **headers})


async def post(proxy: Running, document: object, *, query: str = "", **headers: str) -> Answer:
    """What a page's fetch gets."""
    sent = document if isinstance(document, bytes) else json.dumps(document).encode()
    return await ask(proxy.port, "POST", f"/chat/stream{query}", headers={**JSON, **headers}, body=sent)


def _refused(answer: Answer, proxy: Running, status: int, message: str) -> None:
    assert (answer.status, answer.error["message"]) == (status, message)
    assert answer.error["code"] == "rejected"
    assert answer.headers["content-type"] == "application/json"
    assert proxy.upstream.requests == []


async def test_a_get_becomes_the_upstreams_post() -> None:
    """Its path, its method, a JSON body made from the query; nothing of what described the request that was."""
    async with bridged(CHAT, route={"upstream_path": "/v1/chat/completions?api-version=1"}) as proxy:
        answer = await get(proxy, "prompt=Hello+you%21&prompt=second&other=x", Cookie="a=b")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        [scope], [sent] = proxy.upstream.requests, proxy.upstream.bodies
        assert (scope["method"], scope["path"], scope["query_string"]) == (
            *("POST", "/v1/chat/completions", b"api-version=1"),
        )
        assert json.loads(sent) == {**CHAT, "messages": [{"role": "user", "content": "Hello you!"}]}
        headers = dict(scope["headers"])
        assert headers[b"content-type"] == b"application/json"
        assert headers[b"content-length"] == str(len(sent)).encode()
        assert (headers[b"cookie"], headers[b"accept-encoding"]) == (b"a=b", b"identity")
        assert len(headers) == len(scope["headers"])


async def test_a_post_becomes_the_upstreams_post() -> None:
    """The same body from the JSON of the page; what was chunked has a length."""
    async with bridged(CHAT) as proxy:
        await post(proxy, {"prompt": "Hello", "model": "expensive"})
        async with calling(
            proxy.port, "POST", "/chat/stream", headers={**JSON, "Transfer-Encoding": "chunked"}, body=None
        ) as call:
            await call.write(b'2\r\n{"\r\n11\r\nprompt": "Hello"}\r\n0\r\n\r\n')
            assert (await call.answer()).status == 200
        expected = {**CHAT, "messages": [{"role": "user", "content": "Hello"}]}
        assert [json.loads(sent) for sent in proxy.upstream.bodies] == [expected, expected]
        assert b"transfer-encoding" not in dict(proxy.upstream.requests[1]["headers"])


NASTY = 'He said "{prompt}", {temperature}: }}]}\\ \n\t\0 \u2028 é 🙂'


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_value_never_becomes_structure(method: str) -> None:
    """Filled after parsing: quotes, braces, line ends and placeholders in it are text, and keys are left alone."""
    async with bridged(TEMPLATE) as proxy:
        temperature: object = "0.5"
        if method == "GET":
            await get(proxy, f"prompt={quote(NASTY)}&temperature=0.5&tags=a")
            tags = "a"
        else:
            await post(proxy, {"prompt": NASTY, "temperature": 0.5, "tags": ["a", None]})
            temperature, tags = 0.5, '["a", null]'
        [sent] = proxy.upstream.bodies
        assert json.loads(sent) == {
            "model": "m",
            "stream": True,
            "temperature": temperature,
            "messages": [{"role": "system", "content": "Be {brief}."}, {"role": "user", "content": NASTY}],
            "note": f"asked: {NASTY} ({tags})",
            "{prompt}": None,
        }


@pytest.mark.parametrize("value", [0.5, 3, True, None, [], {"a": [{"b": "{prompt}"}]}, "", "half \ud83d"])
async def test_a_placeholder_that_is_the_whole_string_keeps_the_type(value: object) -> None:
    """Any JSON value of a POST, a list of messages for example."""
    async with bridged({"model": "m", "messages": "{messages}"}) as proxy:
        assert (await post(proxy, {"messages": value})).status == 200
        assert json.loads(proxy.upstream.bodies[0]) == {"model": "m", "messages": value}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "missing: prompt"),
        ({"Prompt": "x"}, "missing: prompt"),
        ([], "expected a JSON object"),
        ("prompt", "expected a JSON object"),
        (b"", "expected a JSON object"),
        (b'{"prompt": ', "expected a JSON object"),
        (b"[" * 100_000, "expected a JSON object"),
        (b'{"prompt": NaN}', "a value is no JSON, or nested too deeply"),
    ],
)
async def test_a_post_that_cannot_fill_the_body_is_a_400(document: object, message: str) -> None:
    """It says what is missing; the upstream hears nothing of it."""
    async with bridged(CHAT) as proxy:
        _refused(await post(proxy, document), proxy, 400, message)


async def test_a_get_without_a_value_is_a_400() -> None:
    """A value may be empty, but has to be there; what the template does not ask for is never missed."""
    async with bridged(CHAT) as proxy:
        _refused(await get(proxy, "message=x"), proxy, 400, "missing: prompt")
        assert (await get(proxy, "prompt=")).status == 200


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_another_content_type_is_a_400(kind: str) -> None:
    """Those a form can have included: a page of another site could send them without asking."""
    async with bridged(CHAT) as proxy:
        headers = {"Content-Type": kind} if kind else {}
        answer = await ask(proxy.port, "POST", "/chat/stream", headers=headers, body=b'{"prompt": "x"}')
        _refused(answer, proxy, 400, "expected a JSON body, with Content-Type: application/json")
        assert (await post(proxy, {"prompt": "x"}, **{"Content-Type": "application/JSON; charset=utf-8"})).status == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_another_method_is_a_405(method: str) -> None:
    """With the methods that there are."""
    async with bridged(CHAT) as proxy:
        answer = await ask(proxy.port, method, "/chat/stream?prompt=x")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
        assert proxy.upstream.requests == []


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        ({"inspect_request_bytes": 100_000}, 100_000),
        ({"inspect_request_bytes": 0}, 65_536),
        ({"inspect_request_bytes": 100_000, "max_request_bytes": 1_000}, 1_000),
        ({"inspect_request_bytes": 1_000, "max_request_bytes": 100_000}, 100_000),
    ],
)
async def test_a_body_has_a_limit(limits: dict[str, int], limit: int) -> None:
    """``max_request_bytes`` where there is one, else what may be held of a JSON body anyway."""
    async with bridged(CHAT, **limits) as proxy:
        largest = b'{"prompt": "%s"}' % (b"x" * (limit - len(b'{"prompt": ""}')))
        _refused(await post(proxy, largest + b" "), proxy, 413, "the request body is too large")
        async with calling(
            proxy.port, "POST", "/chat/stream", headers={**JSON, "Transfer-Encoding": "chunked"}, body=None
        ) as call:
            await call.write(b"%x\r\n%b\r\n1\r\n \r\n" % (len(largest), largest))
            _refused(await call.answer(), proxy, 413, "the request body is too large")
        assert (await post(proxy, largest)).status == 200


async def test_a_body_that_does_not_come_is_a_400() -> None:
    """Within the route's ``idle_timeout_seconds``."""
    async with (
        bridged(CHAT, route={"idle_timeout_seconds": 0.05}) as proxy,
        calling(proxy.port, "POST", "/chat/stream", headers={**JSON, "Content-Length": "9"}, body=None) as call,
    ):
        await call.write(b"{")
        _refused(await call.answer(), proxy, 400, "the request body took too long to arrive")


async def test_a_client_that_leaves_while_it_posts_is_no_ones_problem() -> None:
    """Counted as what it is."""
    async with bridged(CHAT) as proxy:
        async with calling(
            proxy.port, "POST", "/chat/stream", headers={**JSON, "Content-Length": "9"}, body=None
        ) as call:
            await call.write(b"{")
            call.leave()
        await until(lambda: proxy.value('requests_total{code="499",route="other"}') == 1)
        assert proxy.upstream.requests == []


SELF = "http://test"
FOREIGN = "https://evil.example"
REFUSED = "not allowed from another site"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "Cross-Site", "Origin": SELF},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "no such word"},
        {"Origin": FOREIGN},
        {"Origin": "null"},
        {"Origin": "http://test:8080"},
        {"Origin": FOREIGN, "X-Forwarded-Host": "evil.example"},
    ],
)
async def test_a_page_of_another_site_is_refused(headers: dict[str, str]) -> None:
    """Before anything is asked of the upstream: its GET needs no preflight, and would cost as much as any other."""
    async with bridged(CHAT) as proxy:
        _refused(await get(proxy, **headers), proxy, 403, REFUSED)
        _refused(await post(proxy, {"prompt": "x"}, **headers), proxy, 403, REFUSED)


@pytest.mark.parametrize(
    ("headers", "settings"),
    [
        ({}, {}),
        ({"Sec-Fetch-Site": "same-origin"}, {}),
        ({"Sec-Fetch-Site": "none"}, {}),
        ({"Sec-Fetch-Site": "same-origin", "Origin": FOREIGN}, {}),
        ({"Origin": SELF}, {}),
        ({"Origin": "https://TEST"}, {}),
        ({"Origin": "https://app.example", "X-Forwarded-Host": "app.example"}, {"trusted_proxies": ["127.0.0.1"]}),
        ({"Origin": SELF}, {"cors_origins": ["https://app.example"]}),
        ({"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}, {"cors_origins": ["https://app.example"]}),
        ({"Origin": FOREIGN, "Sec-Fetch-Site": "cross-site"}, {"cors_origins": "*"}),
    ],
)
async def test_our_own_pages_and_those_that_were_let_in_are_not(
    headers: dict[str, str], settings: dict[str, Any]
) -> None:
    """By what the browser says of itself, by the origin otherwise; programs say neither."""
    async with bridged(CHAT, **settings) as proxy:
        assert (await get(proxy, **headers)).status == 200
        assert (await post(proxy, {"prompt": "x"}, **headers)).status == 200


async def test_cors_lets_in_its_origins_only() -> None:
    """The refusal can be read by those that may read at all; an image has no origin to be let in by."""
    async with bridged(CHAT, cors_origins=["https://app.example"]) as proxy:
        _refused(await get(proxy, Origin=FOREIGN), proxy, 403, REFUSED)
        _refused(await get(proxy, **{"Sec-Fetch-Site": "cross-site"}), proxy, 403, REFUSED)
        answer = await get(proxy, Origin="https://app.example", **{"Sec-Fetch-Site": "cross-site"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert b"origin" not in dict(proxy.upstream.requests[0]["headers"])


async def test_a_client_that_leaves_stops_the_upstream() -> None:
    """At once, before the first event as well as behind it."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await upstream.go.wait()
        await start(send)
        await body(send, chunk("Hi"))
        await asyncio.Event().wait()

    route = {"path": "/chat/stream", "upstream_path": "/v1/chat/completions", "body": CHAT}
    for begun in (False, True):
        async with proxied(handler, routes=[route]) as proxy:
            async with calling(proxy.port, "GET", "/chat/stream?prompt=x", headers=EVENT_SOURCE) as call:
                await event(proxy.upstream.arrived)
                if begun:
                    proxy.upstream.go.set()
                    await call.until(b'"Hi"}\n\n')
                call.leave()
            await event(proxy.upstream.left)
            assert await proxy.outcome() == "client_disconnected"
