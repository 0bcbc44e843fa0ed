"""Servers as the guide that the project grew out of writes them: behind the proxy or inside the middleware, unharmed.

What a client gets through us is compared with what it gets without: the same events, of the same types, data and ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from sse_proxy.demo import answer

from .conftest import LIMIT_SECONDS
from .event_streams import ReferenceEvent, check_canonical, reference_events
from .sdk_stage import Stage, standing
from .seed_servers import TOKENS, SeedServer, fastapi_servers, hono_server

#: Server → its path, and the last event of its streams.
SERVERS = {
    "basic": ("/basic/chat/stream", ReferenceEvent("done", "[DONE]", "")),
    "openai": ("/openai/chat/stream?prompt=Hello", ReferenceEvent("message", '{"done": true}', "")),
    "resumable": ("/resumable/chat/stream", ReferenceEvent("message", "?", "9")),
    "failing": ("/failing/chat/stream", ReferenceEvent("error", '{"error": "the model is gone"}', "")),
    "hono": ("/chat/stream", ReferenceEvent("done", '{"done":true}', "")),
}
FASTAPI = [name for name in SERVERS if name != "hono"]
#: Those that write with sse-starlette.
STARLETTE = [name for name in FASTAPI if name != "openai"]
PROMPT = {"prompt": "Say hello, please"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Where the proxies live."""
    with standing() as stage:
        yield stage


@pytest.fixture(scope="module")
def fastapi(stage: Stage) -> SeedServer:
    """The FastAPI servers."""
    return stage.enter(fastapi_servers(f"{stage.mock}/v1"))


@pytest.fixture(scope="module")
def hono(stage: Stage) -> SeedServer:
    """The Hono server."""
    return stage.enter(hono_server())


@pytest.fixture
def upstream(request: pytest.FixtureRequest, server: str) -> SeedServer:
    """The process that *server* is in."""
    found: SeedServer = request.getfixturevalue("hono" if server == "hono" else "fastapi")
    return found


def asked(url: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The body that a POST to *url* is answered with."""
    with httpx.Client(trust_env=False, timeout=LIMIT_SECONDS) as client:
        response = client.post(url, json=PROMPT, headers=headers)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    return response.content


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_behind_the_proxy_is_unharmed(stage: Stage, upstream: SeedServer, server: str) -> None:
    """Each event of its, with its type, data and id, up to the one that it ends with."""
    proxy = stage.proxy(upstream=upstream.url)
    path, last = SERVERS[server]
    body = asked(f"{proxy.url}{path}")
    assert reference_events(body) == reference_events(asked(f"{upstream.url}{path}"))
    assert reference_events(body)[-1] == last
    check_canonical(body, of_json=False)
    assert proxy.totals("streams_total", "outcome") == {"completed": 1}


@pytest.mark.parametrize("server", FASTAPI)
def test_a_server_inside_the_middleware_is_unharmed(fastapi: SeedServer, server: str) -> None:
    """The same app, wrapped, with no proxy in front."""
    path, last = SERVERS[server]
    body = asked(f"{fastapi.url}/wrapped{path}")
    assert reference_events(body) == reference_events(asked(f"{fastapi.url}{path}"))
    assert reference_events(body)[-1] == last
    check_canonical(body, of_json=False)


def test_line_ends_and_pings_of_sse_starlette_are_gone(stage: Stage, fastapi: SeedServer) -> None:
    r"""``\r\n`` becomes ``\n``, and its comments are swallowed; without us both are there."""
    path, _ = SERVERS["basic"]
    proxy = stage.proxy(upstream=fastapi.url)
    direct = asked(f"{fastapi.url}{path}")
    assert (b"\r\n\r\n" in direct, b": ping" in direct) == (True, True)
    for body in (asked(f"{proxy.url}{path}"), asked(f"{fastapi.url}/wrapped{path}")):
        assert (b"\r" in body, b": ping" in body) == (False, False)


def test_the_openai_client_of_a_server_is_unharmed(stage: Stage, fastapi: SeedServer) -> None:
    """A server that asks an LLM by the OpenAI SDK, blocking its loop meanwhile: the text of that, token by token."""
    proxy = stage.proxy(upstream=fastapi.url)
    events = [json.loads(event.data) for event in reference_events(asked(f"{proxy.url}{SERVERS['openai'][0]}"))]
    assert events == [*({"token": token} for token in answer(20)), {"done": True}]


@pytest.mark.parametrize("wrapped", ["", "/wrapped"], ids=["proxy", "middleware"])
def test_a_last_event_id_goes_through(stage: Stage, fastapi: SeedServer, wrapped: str) -> None:
    """A server with ids of its own resumes by itself: what comes is what the client does not have."""
    base = fastapi.url if wrapped else stage.proxy(upstream=fastapi.url).url
    events = reference_events(asked(f"{base}{wrapped}/resumable/chat/stream", {"Last-Event-ID": "3"}))
    assert events == [ReferenceEvent("message", token, str(number)) for number, token in enumerate(TOKENS[3:], start=4)]


@pytest.mark.parametrize(
    ("server", "path"),
    [
        ("basic", "/basic/chat/stream?pause=60"),
        ("basic", "/wrapped/basic/chat/stream?pause=60"),
        ("hono", "/chat/stream"),
    ],
)
def test_a_client_that_leaves_ends_the_work(stage: Stage, upstream: SeedServer, server: str, path: str) -> None:
    """The server's generator is cancelled, in Hono the request's signal aborted, while there was more to come."""
    base = upstream.url if path.startswith("/wrapped") else stage.proxy(upstream=upstream.url).url
    endless = {"prompt": "token " * 100_000}
    with (
        httpx.Client(trust_env=False, timeout=LIMIT_SECONDS) as client,
        client.stream("POST", f"{base}{path}", json=endless) as response,
    ):
        assert next(response.iter_lines()) == "event: message"
    assert stage.run(upstream.line()) == "left"


#: Server → its text.
TEXTS = {"basic": "".join(TOKENS), "openai": "".join(answer(20)), "hono": "Say hello, please "}


def _bridged(stage: Stage, upstream: SeedServer, server: str) -> str:
    """URL of a proxy whose ``/chat/stream`` asks *server*, and tells its answer in the guide's own events."""
    route: dict[str, Any] = {
        "path": "/chat/stream",
        "upstream_path": SERVERS[server][0],
        "body": {"prompt": "{prompt}"},
    }
    return stage.proxy(upstream=upstream.url, routes=(route,)).url


@pytest.mark.parametrize("server", TEXTS)
def test_a_bridge_gives_a_server_the_events_that_the_guides_readers_know(
    stage: Stage, upstream: SeedServer, server: str
) -> None:
    """``data: {"token": …}`` and ``event: done``, by GET too: the guide's servers write three other forms of that."""
    url = f"{_bridged(stage, upstream, server)}/chat/stream"
    gotten = httpx.get(url, params=PROMPT, trust_env=False, timeout=LIMIT_SECONDS).raise_for_status().content
    for body in (gotten, asked(url)):
        *tokens, done = reference_events(body)
        assert "".join(json.loads(event.data)["token"] for event in tokens) == TEXTS[server]
        assert (done.type, done.data) == ("done", '{"done":true}')


def test_a_bridge_tells_a_servers_error(stage: Stage, fastapi: SeedServer) -> None:
    """The guide's ``{"error": "…"}`` becomes the error that every bridge has, and no ``done`` follows."""
    *tokens, error = reference_events(asked(f"{_bridged(stage, fastapi, 'failing')}/chat/stream"))
    assert "".join(json.loads(event.data)["token"] for event in tokens) == "".join(TOKENS[:3])
    assert (error.type, json.loads(error.data)["error"]["message"]) == ("error", "the model is gone")
