"""`routing`: which route a request is on, and that what it says is in force there and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from sse_proxy import Settings, create_app
from sse_proxy.metrics.base import NullMetrics
from sse_proxy.routing import Router, Rule
from sse_proxy.settings import Route

from .streaming import DONE, Handler, Upstream, body, chunk, proxied, start
from .wire import Answer, ask, chat

NDJSON = "application/x-ndjson"


def rule(**route: Any) -> Rule:
    """A rule in a proxy with the default settings."""
    return Rule.of(Route.model_validate(route), Settings())


async def matched(target: str, *routes: dict[str, Any], method: str = "GET", root_path: str = "") -> str | None:
    """The path of the route that a request is on; None where it is on none."""
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    raw_path, _, query = target.encode().partition(b"?")
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": httpx.URL(raw_path.decode()).path if raw_path.startswith(b"/") else raw_path.decode(),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": root_path,
        "headers": [],
    }
    await Router(app, Settings(routes=routes))(scope, _nothing, _nowhere)  # type: ignore[arg-type]  # pydantic reads them
    found: Rule | None = seen[0].get("sse_proxy.rule")
    return None if found is None else found.path


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


async def _nowhere(message: Message) -> None:
    raise AssertionError(message)


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [
        ("/a", "/a", True),
        ("/a", "/a?b=c", True),
        ("/a", "/%61", True),
        ("/a", "/a/", False),
        ("/a", "/A", False),
        ("/a", "/ab", False),
        ("/a*", "/a", True),
        ("/a*", "/ab/c", True),
        ("/a/*", "/a", False),
        ("/a/*", "/a/", True),
        ("/a/*", "/a/b/c", True),
        ("/*", "/", True),
        ("/*", "/a/b", True),
        ("*", "/a/b", True),
        ("/a", "http://host/a", True),
    ],
)
async def test_a_path_is_exact_or_a_prefix(path: str, asked: str, expected: bool) -> None:
    """Compared with what was asked for once it is decoded, without the query; upper and lower case differ."""
    assert await matched(asked, {"path": path}) == (path if expected else None)


async def test_the_path_is_that_below_the_mount_point() -> None:
    """The proxy may be mounted in another app."""
    assert await matched("/llm/a", {"path": "/a"}, root_path="/llm") == "/a"
    assert await matched("/llm/a", {"path": "/llm/a"}, root_path="/llm") is None


@pytest.mark.parametrize(
    ("method", "asked", "expected"), [(None, "PUT", True), ("put", "PUT", True), ("GET", "PUT", False)]
)
def test_a_route_may_be_for_one_method(method: str | None, asked: str, expected: bool) -> None:
    """However it is written."""
    assert rule(path="/a", method=method).fits(asked, "/a") is expected


async def test_the_first_match_wins() -> None:
    """In the order of the file, not by length."""
    routes = ({"path": "/a", "method": "POST"}, {"path": "/a*"}, {"path": "/a/b"})
    assert await matched("/a/b", *routes) == "/a*"
    assert await matched("/a", *routes, method="POST") == "/a"
    assert await matched("/a", *routes) == "/a*"
    assert await matched("/c", *routes) is None


async def test_what_is_no_request_passes() -> None:
    """Lifespan has no path."""
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    scope = {"type": "lifespan"}
    await Router(app, Settings(routes=(Route(path="/*"),)))(scope, _nothing, _nowhere)
    assert seen == [{"type": "lifespan"}]


def test_a_rule_is_the_proxys_settings_with_the_routes_own_over_them() -> None:
    """What a route does not say is as everywhere else, though it may have been set to something."""
    settings = Settings(idle_timeout_seconds=7, total_timeout_seconds=8)
    found = Rule.of(Route(path="/a", total_timeout_seconds=0, dialect="cohere", output="openai"), settings).settings
    assert (found.idle_timeout_seconds, found.total_timeout_seconds) == (7, 0)
    assert found.heartbeat_seconds == 15


def _answers(content_type: str, *pieces: bytes, waits: bool = False) -> Handler:
    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        if waits:
            await upstream.go.wait()
        await start(send, content_type)
        for piece in pieces:
            await body(send, piece)
        await body(send, b"", more=False)

    return handler


CHAT = _answers("text/event-stream", chunk("Hi"), chunk("", finish="stop") + DONE)
TOKENS = b'data: {"token":"Hi"}\n\nevent: done\ndata: {"done":true}\n\n'


async def _post(port: int, path: str, **document: object) -> Answer:
    content = json.dumps({"stream": True, **document}).encode()
    return await ask(port, "POST", path, headers={"Content-Type": "application/json"}, body=content)


async def test_output_is_that_of_the_route() -> None:
    """The same upstream in three forms, by path."""
    routes = [{"path": "/a/*", "output": "tokens"}, {"path": "/b/*", "output": "openai"}]
    async with proxied(CHAT, routes=routes) as proxy:
        assert (await _post(proxy.port, "/a/v1/chat/completions")).body == TOKENS
        told = (await _post(proxy.port, "/b/v1/chat/completions")).body
        assert b'"content":"Hi"' in told
        assert told.endswith(DONE)
        assert told != chunk("Hi") + chunk("", finish="stop") + DONE
        native = (await _post(proxy.port, "/v1/chat/completions")).body
        assert native == chunk("Hi") + chunk("", finish="stop") + DONE
        await proxy.idle()
        assert proxy.value('events_total{dialect="openai_chat"}') == 9


@pytest.mark.parametrize("reframe", ["auto", "never"])
async def test_output_is_for_every_stream_of_the_route(reframe: str) -> None:
    """Whether the request has asked for one or not, since the guide's fetch does not; a document is none."""
    routes = [{"path": "/a", "output": "tokens", "reframe": reframe}]
    headers, content = {"Content-Type": "application/json"}, b'{"prompt":"p"}'
    async with proxied(_answers(NDJSON, b'{"text":"Hi"}\n'), routes=routes) as proxy:
        assert (await ask(proxy.port, "POST", "/a", headers=headers, body=content)).body == TOKENS
    async with proxied(_answers("application/json", b'{"text":"Hi"}'), routes=routes) as proxy:
        assert (await ask(proxy.port, "POST", "/a", headers=headers, body=content)).body == b'{"text":"Hi"}'


async def test_a_request_on_a_route_is_counted_as_the_dialect_it_is() -> None:
    """The label is never a path; what no dialect is known of is "other"."""
    routes = [{"path": "/v1/*"}, {"path": "/ask", "dialect": "openai_chat"}, {"path": "/x"}]
    async with proxied(CHAT, routes=routes) as proxy:
        for path in ("/v1/chat/completions", "/ask", "/x"):
            await _post(proxy.port, path)
        await proxy.idle()
        assert proxy.value('requests_total{code="200",route="openai_chat"}') == 2
        assert proxy.value('requests_total{code="200",route="other"}') == 1


async def test_dialect_tells_what_an_unknown_path_speaks() -> None:
    """So that a cut stream is found to be cut."""
    cut = _answers("text/event-stream", chunk("Hi"))
    async with proxied(cut, routes=[{"path": "/ask", "dialect": "openai_chat"}]) as proxy:
        answer = await _post(proxy.port, "/ask")
        assert answer.body.startswith(chunk("Hi") + b'data: {"error":{')
        assert answer.body.endswith(DONE)
        assert await proxy.outcome() == "upstream_truncated"


@pytest.mark.parametrize(
    ("path", "expected"), [("/auto", b'{"a" : 1}\n'), ("/always", b'data: {"a" : 1}\n\n'), ("/never", b'{"a" : 1}\n')]
)
async def test_reframe_is_that_of_the_route(path: str, expected: bytes) -> None:
    """Lines of JSON, for a client that does not say what it wants."""
    routes = [{"path": "/always", "reframe": "always"}, {"path": "/never", "reframe": "never"}]
    async with proxied(_answers(NDJSON, b'{"a" : 1}\n'), routes=routes) as proxy:
        assert (await ask(proxy.port, "GET", path)).body == expected


async def test_timeouts_are_those_of_the_route() -> None:
    """A first event that is late for one path is not for the others."""
    routes = [{"path": "/v1/*", "first_event_timeout_seconds": 0.05}]
    async with proxied(_answers("text/event-stream", waits=True), routes=routes) as proxy:
        answer = await _post(proxy.port, "/v1/chat/completions")
        assert (answer.status, answer.error["code"]) == (504, "first_event_timeout")


@pytest.mark.parametrize(("seconds", "beats"), [(20, True), (0, False)])
async def test_heartbeats_are_those_of_the_route(seconds: int, beats: bool) -> None:
    """The first of them comes with the early head, unless the route has none."""
    routes = [{"path": "/v1/*", "commit_after_seconds": 0.02, "heartbeat_seconds": seconds, "heartbeat_mode": "data"}]
    late = _answers("text/event-stream", chunk("Hi"), chunk("", finish="stop") + DONE, waits=True)
    async with proxied(late, routes=routes) as proxy, chat(proxy.port) as call:
        assert await call.head() == 200
        if beats:
            assert b'"delta":{}' in await call.until(b"\n\n")
        proxy.upstream.go.set()
        assert await call.rest() == chunk("Hi") + chunk("", finish="stop") + DONE


@pytest.mark.parametrize(
    ("output", "beat"), [("tokens", b": ping\n\n"), ("openai", b": ping\n"), ("native", b": ping\n")]
)
async def test_heartbeats_are_those_of_the_output(output: str, beat: bytes) -> None:
    """A blank line behind the comment is for readers of tokens, while there are no ids."""
    routes = [{"path": "/v1/*", "commit_after_seconds": 0.02, "output": output}]
    late = _answers("text/event-stream", chunk("Hi"), chunk("", finish="stop") + DONE, waits=True)
    async with proxied(late, routes=routes) as proxy, chat(proxy.port) as call:
        assert await call.until(beat) == beat
        proxy.upstream.go.set()
        assert (await call.rest()).startswith(b"data: {")


@pytest.mark.parametrize(("output", "beat"), [("tokens", b": ping\n\n"), ("openai", b": ping\n")])
async def test_a_first_event_with_nothing_to_tell_begins_the_stream(output: str, beat: bytes) -> None:
    """Anthropic's start, OpenAI's role: the silence behind it is filled, long before a stream would be promised."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk(""))
        await upstream.go.wait()
        await body(send, chunk("Hi") + chunk("", finish="stop") + DONE, more=False)

    routes = [{"path": "/v1/*", "output": output}]
    async with proxied(handler, routes=routes, heartbeat_seconds=0.02) as proxy, chat(proxy.port) as call:
        assert await call.until(beat) == beat
        proxy.upstream.go.set()
        assert b'"Hi"' in await call.rest()


async def test_connecting_has_the_time_of_the_route() -> None:
    """Told to the transport with the request."""
    asked: list[dict[str, float]] = []

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.extensions["timeout"])
            return httpx.Response(204)

    settings = Settings(upstream="http://host", routes=(Route(path="/a", connect_timeout_seconds=1),))
    app = create_app(settings, metrics=NullMetrics(), transport=Transport())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert [(await client.get(path)).status_code for path in ("/a", "/b")] == [204, 204]
    assert asked == [{"connect": 1.0}, {"connect": 5.0}]
