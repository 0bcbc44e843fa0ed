"""`gate`: who and what gets in, in which order, and what every answer carries. Sockets: test_gate_wire."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from sse_proxy.core.headers import HeaderList, first
from sse_proxy.core.owner import owner_of
from sse_proxy.errors import ClientStalled, ConnectFailed, RequestTooLarge, SSEProxyError
from sse_proxy.gate import Gate
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.base import NullMetrics
from sse_proxy.resume.endpoints import STREAMS
from sse_proxy.settings import Settings

Behaviour = Callable[[Scope, Receive, Send], Any]
PREFLIGHT = [(b"origin", b"https://app.example"), (b"access-control-request-method", b"POST")]


async def answer_ok(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and answer 200 with a route of its own."""
    scope["sse_proxy.route"] = "chat"
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Counts(NullMetrics):
    """Remembers what `Metrics.request` was told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int]] = []

    def request(self, route: str, code: int) -> None:
        self.requests.append((route, code))


@dataclass
class World:
    """A gate, what is around it, and what came through it and out of it."""

    settings: Settings = field(default_factory=Settings)
    behaviour: Behaviour = answer_ok
    ready: bool = True
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    metrics: Counts = field(default_factory=Counts)
    #: What answers for kept streams.
    streams: Behaviour | None = None
    #: Scopes that reached the app below.
    passed: list[Scope] = field(default_factory=list)
    sent: list[Message] = field(default_factory=list)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.passed.append(scope)
        await self.behaviour(scope, receive, send)

    async def ask(
        self,
        method: str = "GET",
        path: str = "/v1/models",
        headers: HeaderList | None = None,
        body: tuple[bytes, ...] = (b"",),
        **scope: Any,
    ) -> Message:
        """One request through a new gate; the start of the answer, or {} when there is none."""
        gate = Gate(
            self.app,
            self.settings,
            lifecycle=self.lifecycle,
            metrics=self.metrics,
            upstream_ready=lambda: self.ready,
            named={} if self.streams is None else {STREAMS: self.streams},
        )
        parts = list(body)

        async def receive() -> Message:
            if not parts:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: Message) -> None:
            self.sent.append(message)

        request = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers or [],
            "client": ("192.0.2.7", 4711),
        }
        self.sent.clear()
        await gate({**request, **scope}, receive, send)
        return self.sent[0] if self.sent else {}

    @property
    def document(self) -> Any:
        """The JSON of the last answer."""
        return json.loads(b"".join(message.get("body", b"") for message in self.sent[1:]))


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """An ``auth_tokens_file`` with the token ``good``."""
    path = tmp_path / "tokens"
    path.write_text("good\n")
    return path


async def test_an_ordinary_request_passes_and_is_counted_once() -> None:
    """Under the route that the app below sets."""
    world = World()
    start = await world.ask("POST", body=(b"a", b"b"))
    assert (start["status"], world.metrics.requests) == (200, [("chat", 200)])


async def test_the_scope_tells_who_is_asking() -> None:
    """Request id, client key and trust for the layers below."""
    world = World(settings=Settings(trusted_proxies=("192.0.2.7",)))
    await world.ask(headers=[(b"x-request-id", b"abc"), (b"x-forwarded-for", b"203.0.113.9")])
    scope = world.passed[0]
    assert scope["sse_proxy.request_id"] == "abc"
    assert scope["sse_proxy.client"] == "address:203.0.113.9"
    assert scope["sse_proxy.trusted"] is True


async def test_a_client_on_a_unix_socket_is_one_client() -> None:
    """It has no address, and `raw_path` is optional in ASGI."""
    world = World()
    await world.ask(client=None, raw_path=None)
    assert (world.passed[0]["sse_proxy.client"], world.passed[0]["sse_proxy.trusted"]) == ("address:", False)


@pytest.mark.parametrize(
    "upstream, client, expected",
    [
        (b"up", b"mine", b"up"),
        (None, b"mine", b"mine"),
        (b"", b"mine", b"mine"),
        (None, b"not sane", None),
        (None, None, None),
    ],
)
async def test_every_answer_has_one_request_id(
    upstream: bytes | None, client: bytes | None, expected: bytes | None
) -> None:
    """The upstream's, else the client's, else new: 32 hex digits, the same as below the gate."""

    async def behaviour(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [] if upstream is None else [(b"X-Request-ID", upstream)]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body"})

    world = World(behaviour=behaviour)
    start = await world.ask(headers=[] if client is None else [(b"x-request-id", client)])
    found = [value for name, value in start["headers"] if name.lower() == b"x-request-id"]
    assert found == [expected or world.passed[0]["sse_proxy.request_id"].encode()]
    assert expected or len(found[0]) == 32


async def test_probes_need_no_token_and_tell_the_truth(tokens: Path) -> None:
    """healthz: this process; readyz: not draining and the upstream reachable; both during the drain too."""
    world = World(settings=Settings(auth_tokens_file=tokens))
    statuses = []
    for ready, refusing in ((True, False), (False, False), (False, True)):
        world.ready, world.lifecycle.draining, world.lifecycle.refusing = ready, refusing, refusing
        for name in ("healthz", "readyz"):
            start = await world.ask("HEAD" if name == "healthz" else "GET", f"/-/sse-proxy/{name}")
            statuses.append((name, start["status"], world.document.get("reason")))
            assert first(start["headers"], b"cache-control") == b"no-store"
    assert statuses == [
        ("healthz", 200, None),
        ("readyz", 200, None),
        ("healthz", 200, None),
        ("readyz", 503, "upstream"),
        ("healthz", 200, None),
        ("readyz", 503, "draining"),
    ]
    assert world.passed == []
    assert set(world.metrics.requests) == {("gate", 200), ("gate", 503)}


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
async def test_probes_take_no_other_method(method: str) -> None:
    """405, which names those that they take (RFC 9110 § 15.5.6)."""
    world = World()
    start = await world.ask(method, "/-/sse-proxy/readyz")
    assert (start["status"], world.passed, world.metrics.requests) == (405, [], [("gate", 405)])
    assert (b"allow", b"GET, HEAD") in start["headers"]
    assert world.document["error"]["code"] == "rejected"


@pytest.mark.parametrize(
    "method, path, root_path",
    [
        ("POST", "/-/sse-proxy/nothing", ""),
        ("GET", "/-/sse-proxy/nothing", ""),
        ("GET", "/-/sse-proxy/../v1/models", ""),
        ("GET", "//-/SSE-proxy/healthz", ""),
        ("GET", "/llm/-/sse-proxy/nothing", "/llm"),
    ],
)
async def test_nothing_else_under_the_prefix_exists_or_reaches_the_upstream(
    method: str, path: str, root_path: str
) -> None:
    """JSON 404, in disguise as well."""
    world = World()
    start = await world.ask(method, path, root_path=root_path)
    assert (start["status"], world.passed, world.metrics.requests) == (404, [], [("gate", 404)])
    assert world.document == {"error": {"message": "not found", "type": "not_found_error", "code": "rejected"}}


@pytest.mark.parametrize(
    "path, root_path, reserved",
    [
        ("/llm/-/sse-proxy/healthz", "/llm", True),
        ("/llm/-/sse-proxy/healthz", "/llm/", True),
        ("/llm/-/sse-proxy/healthz", "", False),
        ("/llm2/v1", "/llm", False),
    ],
)
async def test_mounted_in_another_app_the_prefix_begins_at_the_mount_point(
    path: str, root_path: str, reserved: bool
) -> None:
    """ASGI's root_path is part of the path."""
    world = World()
    await world.ask("GET", path, root_path=root_path)
    assert bool(world.passed) is not reserved


async def test_a_draining_process_serves_until_it_refuses() -> None:
    """Then 503, with the advice to go elsewhere, over a connection that ends."""
    world = World()
    world.lifecycle.drain()
    assert (await world.ask())["status"] == 200
    world.lifecycle.refuse()
    start = await world.ask()
    assert start["status"] == 503
    assert [first(start["headers"], name) for name in (b"retry-after", b"x-should-retry", b"connection")] == [
        b"1",
        b"true",
        b"close",
    ]
    assert world.metrics.requests[-1] == ("gate", 503)


async def test_http_2_has_no_connection_field() -> None:
    """RFC 9113 § 8.2.2."""
    world = World()
    world.lifecycle.refuse()
    start = await world.ask(http_version="2")
    assert first(start["headers"], b"connection") is None


@pytest.mark.parametrize(
    "method, headers, message",
    [
        ("CONNECT", [], "CONNECT is not supported"),
        ("TRACE", [], "TRACE is not supported"),
        ("TRACE", [(b"max-forwards", b"0")], "TRACE is not supported"),
        ("GET", [(b"upgrade", b"WebSocket")], "Upgrade is not supported"),
        ("GET", [(b"upgrade", b"h2c, websocket/13")], "Upgrade is not supported"),
        ("POST", [(b"content-length", b"1"), (b"content-length", b"2")], "invalid Content-Length"),
    ],
)
async def test_what_cannot_be_forwarded_is_refused(method: str, headers: HeaderList, message: str) -> None:
    """400 that says why."""
    world = World()
    start = await world.ask(method, headers=headers)
    assert (start["status"], world.document["error"]["message"], world.passed) == (400, message, [])


async def test_other_upgrades_are_ignored() -> None:
    """RFC 9110 § 7.8: an offer need not be taken."""
    world = World()
    assert (await world.ask(headers=[(b"upgrade", b"h2c")]))["status"] == 200


@pytest.mark.parametrize(
    "method, sent, passed",
    [
        ("OPTIONS", b"0", None),
        ("OPTIONS", b"5", b"4"),
        ("OPTIONS", b"x", b"x"),
        ("GET", b"0", b"0"),
    ],
)
async def test_max_forwards_counts_this_hop(method: str, sent: bytes, passed: bytes | None) -> None:
    """RFC 9110 § 7.6.2: for OPTIONS; at 0 we are the end of the way."""
    world = World()
    start = await world.ask(method, headers=[(b"max-forwards", sent)])
    assert start["status"] == 200
    assert (first(world.passed[0]["headers"], b"max-forwards") if world.passed else None) == passed


async def test_with_a_token_file_only_known_tokens_get_in(tokens: Path) -> None:
    """401 with a challenge; a good token is stripped and becomes the key of the limits."""
    world = World(settings=Settings(auth_tokens_file=tokens))
    for headers in ([], [(b"authorization", b"Bearer bad")]):
        start = await world.ask(headers=headers)
        assert (start["status"], first(start["headers"], b"www-authenticate")) == (401, b'Bearer realm="sse-proxy"')
        assert world.document["error"]["type"] == "authentication_error"
    assert world.passed == []
    await world.ask(headers=[(b"x-api-key", b"good"), (b"x", b"1")])
    assert world.passed[0]["headers"] == [(b"x", b"1")]
    assert world.passed[0]["sse_proxy.client"].startswith("token:")


@pytest.mark.parametrize("length, status", [(b"5", 200), (b"6", 413)])
async def test_a_body_that_announces_too_much_is_refused(length: bytes, status: int) -> None:
    """By Content-Length, before anything of it is read."""
    world = World(settings=Settings(max_request_bytes=5))
    start = await world.ask("POST", headers=[(b"content-length", length)])
    assert (start["status"], bool(world.passed)) == (status, status == 200)


async def test_a_body_that_grows_too_large_is_refused() -> None:
    """Counted while it streams; the app's reading fails."""
    world = World(settings=Settings(max_request_bytes=5))
    start = await world.ask("POST", body=(b"abc", b"def", b"ghi"))
    assert (start["status"], world.metrics.requests) == (413, [("chat", 413)])
    assert world.document["error"]["type"] == "request_too_large"


async def mistake_for_upstream_failure(_scope: Scope, receive: Receive, _send: Send) -> None:
    """An HTTP client that wraps whatever its body's source raises."""
    try:
        await receive()
    except RequestTooLarge as error:
        raise OSError("cannot send the body") from error


async def answer_502(_scope: Scope, receive: Receive, send: Send) -> None:
    """An app that makes a response of any failure, and of the failure of that, nothing."""
    try:
        await receive()
    except RequestTooLarge:
        try:
            await send({"type": "http.response.start", "status": 502, "headers": []})
        except RequestTooLarge:
            return


@pytest.mark.parametrize("behaviour", [mistake_for_upstream_failure, answer_502])
async def test_too_large_is_told_whatever_the_app_makes_of_it(behaviour: Behaviour) -> None:
    """413, since the client is to blame and not the upstream."""
    world = World(settings=Settings(max_request_bytes=5), behaviour=behaviour)
    start = await world.ask("POST", body=(b"abcdef",))
    assert (start["status"], world.metrics.requests) == (413, [("other", 413)])


async def test_an_error_of_the_app_before_its_response_is_answered() -> None:
    """In the shape that *render* gives it, and nothing is left for the server to log."""

    async def behaviour(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ConnectFailed

    world = World(behaviour=behaviour)
    start = await world.ask()
    assert (start["status"], first(start["headers"], b"x-should-retry")) == (502, b"true")
    assert world.metrics.requests == [("other", 502)]


async def test_an_unknown_exception_is_a_500_and_goes_on() -> None:
    """The client learns that it failed, not how; the server logs the rest."""

    async def behaviour(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError("10.0.0.1 is secret")

    world = World(behaviour=behaviour)
    with pytest.raises(LookupError):
        await world.ask()
    assert world.sent[0]["status"] == 500
    assert world.document["error"] == {"message": "internal error", "type": "server_error", "code": "upstream_error"}
    assert world.metrics.requests == [("other", 500)]


@pytest.mark.parametrize("error", [SSEProxyError(), LookupError()])
async def test_after_the_start_an_error_aborts_the_response(error: Exception) -> None:
    """What has begun cannot become another answer: the exception goes to the server."""

    async def behaviour(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    world = World(behaviour=behaviour)
    with pytest.raises(type(error)):
        await world.ask()
    assert len(world.sent) == 1
    assert world.metrics.requests == [("other", 200)]


async def leave_quietly(_scope: Scope, receive: Receive, _send: Send) -> None:
    """Read to the disconnect and return."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def leave_loudly(scope: Scope, receive: Receive, send: Send) -> None:
    """Read to the disconnect and fail because of it."""
    await leave_quietly(scope, receive, send)
    raise ConnectFailed


async def stall(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Give a client up that the server still believes in."""
    raise ClientStalled


@pytest.mark.parametrize("behaviour", [leave_quietly, leave_loudly, stall])
async def test_a_client_that_left_first_counts_as_499(behaviour: Behaviour) -> None:
    """Nobody is there to be answered."""
    world = World(behaviour=behaviour)
    assert await world.ask() == {}
    assert world.metrics.requests == [("other", 499)]


async def test_an_app_that_answers_nothing_counts_as_500() -> None:
    """That is what the server makes of it."""

    async def behaviour(_scope: Scope, _receive: Receive, _send: Send) -> None:
        return

    world = World(behaviour=behaviour)
    await world.ask()
    assert world.metrics.requests == [("other", 500)]


async def test_a_preflight_is_answered_before_auth_and_draining(tokens: Path) -> None:
    """Browsers send it without credentials, and the upstream never sees it."""
    world = World(settings=Settings(cors_origins=("https://app.example",), auth_tokens_file=tokens))
    world.lifecycle.refuse()
    start = await world.ask("OPTIONS", headers=PREFLIGHT)
    assert start["status"] == 204
    assert first(start["headers"], b"access-control-allow-origin") == b"https://app.example"
    assert first(start["headers"], b"access-control-allow-methods") == b"POST"
    assert first(start["headers"], b"x-request-id") is not None
    assert (world.passed, world.metrics.requests) == ([], [("gate", 204)])


@pytest.mark.parametrize("path", ["/v1/models", "/-/sse-proxy/healthz", "/-/sse-proxy/nothing"])
async def test_with_cors_every_answer_can_be_read_by_the_page(tokens: Path, path: str) -> None:
    """Refusals included, or a page sees a network error where there was a 401."""
    world = World(settings=Settings(cors_origins=("*",), auth_tokens_file=tokens))
    start = await world.ask(path=path, headers=[(b"origin", b"https://app.example")])
    assert first(start["headers"], b"access-control-allow-origin") == b"*"


async def test_with_cors_the_origin_is_not_forwarded() -> None:
    """The upstream must not judge origins a second time."""
    world = World(settings=Settings(cors_origins=("*",)))
    await world.ask(headers=[(b"Origin", b"https://app.example"), (b"x", b"1")])
    assert world.passed[0]["headers"] == [(b"x", b"1")]


async def test_without_cors_the_upstreams_own_passes_untouched() -> None:
    """Preflights reach it, the origin too, and its answer is not changed."""

    async def behaviour(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"access-control-allow-origin", b"https://app.example"), (b"x-request-id", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    world = World(behaviour=behaviour)
    start = await world.ask("OPTIONS", headers=PREFLIGHT)
    assert world.passed[0]["headers"] == PREFLIGHT
    assert start["headers"] == [(b"access-control-allow-origin", b"https://app.example"), (b"x-request-id", b"1")]


@pytest.mark.parametrize(
    "extensions, sent, status",
    [
        ({}, ["websocket.close"], 403),
        (
            {"websocket.http.response": {}},
            ["websocket.http.response.start", "websocket.http.response.body"],
            400,
        ),
    ],
)
async def test_websockets_are_denied(extensions: dict[str, Any], sent: list[str], status: int) -> None:
    """With a reason where the server can carry one."""
    world = World()
    await world.ask(type="websocket", extensions=extensions)
    assert [message["type"] for message in world.sent] == sent
    assert (world.passed, world.metrics.requests) == ([], [("gate", status)])


async def test_lifespan_passes() -> None:
    """It is for the app below alone."""

    async def behaviour(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})

    world = World(behaviour=behaviour)
    await world.ask(type="lifespan")
    assert world.sent == [{"type": "lifespan.startup.complete"}]
    assert world.metrics.requests == []


async def test_a_token_never_reaches_the_log(tokens: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nor does its hash."""
    caplog.set_level(logging.DEBUG)
    world = World(settings=Settings(auth_tokens_file=tokens))
    await world.ask(headers=[(b"authorization", b"Bearer good")])
    await world.ask(headers=[(b"authorization", b"Bearer not-so-good")])
    assert "good" not in caplog.text


async def test_the_owner_of_kept_streams_is_told_before_the_token_is_stripped(tokens: Path) -> None:
    """The same as without tokens; and nothing is told where no streams are kept."""
    headers = [(b"authorization", b"Bearer good")]
    world = World(Settings(auth_tokens_file=tokens), streams=answer_ok)
    await world.ask(headers=headers)
    [scope] = world.passed
    assert scope["sse_proxy.owner"] == owner_of(headers, ["authorization"])
    assert scope["headers"] == []
    world = World()
    await world.ask(headers=headers)
    assert "sse_proxy.owner" not in world.passed[0]


@pytest.mark.parametrize("path", ["/-/sse-proxy/streams", "/-/sse-proxy/streams/x", "/-/sse-proxy/streams/"])
async def test_the_names_of_kept_streams_lead_to_them(path: str, tokens: Path) -> None:
    """Behind the token; and they are nobody's where none are kept."""
    world = World(Settings(auth_tokens_file=tokens), streams=answer_ok)
    assert (await world.ask(path=path))["status"] == 401
    start = await world.ask(path=path, headers=[(b"authorization", b"Bearer good")])
    assert (start["status"], world.passed) == (200, [])
    assert (await World().ask(path=path))["status"] == 404


@pytest.mark.parametrize("path", ["/-/sse-proxy/streamsx", "/-/sse-proxy/STREAMS/x", "/-/sse-proxy//streams/x"])
async def test_disguised_names_of_kept_streams_lead_nowhere(path: str) -> None:
    """As every disguised reserved path."""
    assert (await World(streams=answer_ok).ask(path=path))["status"] == 404
