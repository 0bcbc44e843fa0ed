"""`exchange`: byte counting, completed headers and the ways a refusal ends a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message

from sse_proxy import exchange as module
from sse_proxy.core.headers import HeaderList, RawHeaders
from sse_proxy.errors import RequestTooLarge
from sse_proxy.exchange import Exchange

DISCONNECT: Message = {"type": "http.disconnect"}


def part(body: bytes, *, more: bool) -> Message:
    """One message of a request body."""
    return {"type": "http.request", "body": body, "more_body": more}


class Server:
    """The server's side: hands out *messages*, and then never again anything."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self.messages:
            raise TimeoutError  # what a wait for ever ends in
        return self.messages.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def exchange(
        self, headers: Sequence[tuple[bytes, bytes]] = (), *, limit: int = 0, http_version: str = "1.1"
    ) -> Exchange:
        """An `Exchange` with this server, which marks every response as completed."""

        def complete(headers: RawHeaders) -> HeaderList:
            return [*headers, (b"completed", b"yes")]

        return Exchange(
            {"type": "http", "http_version": http_version, "headers": list(headers)},
            self.receive,
            self.send,
            request_id=b"id",
            max_request_bytes=limit,
            complete=complete,
        )


async def test_a_body_within_the_limit_passes() -> None:
    """The limit itself is allowed."""
    exchange = Server(part(b"ab", more=True), part(b"c", more=False), DISCONNECT).exchange(limit=3)
    assert [await exchange.receive() for _ in range(3)] == [part(b"ab", more=True), part(b"c", more=False), DISCONNECT]
    assert (exchange.client_left, exchange.too_large, exchange.code) == (True, False, 499)


async def test_a_body_over_the_limit_raises_and_spoils_any_other_answer() -> None:
    """From then on the answer is 413, so the app's own cannot start."""
    server = Server(part(b"abcd", more=True))
    exchange = server.exchange(limit=3)
    with pytest.raises(RequestTooLarge):
        await exchange.receive()
    with pytest.raises(RequestTooLarge):
        await exchange({"type": "http.response.start", "status": 502, "headers": []})
    assert (server.sent, exchange.code) == ([], 500)


async def test_headers_are_completed_once_and_bodies_pass_as_they_are() -> None:
    """A start without headers is valid ASGI."""
    server = Server()
    exchange = server.exchange()
    body: Message = {"type": "http.response.body", "body": b"x", "more_body": False}
    await exchange({"type": "http.response.start", "status": 201})
    await exchange(body)
    assert server.sent[0]["headers"] == [(b"x-request-id", b"id"), (b"completed", b"yes")]
    assert server.sent[1] is body
    assert exchange.code == 201


async def test_a_response_keeps_an_id_of_its_own() -> None:
    """The upstream's wins."""
    server = Server()
    await server.exchange()({"type": "http.response.start", "status": 200, "headers": [(b"X-Request-Id", b"up")]})
    assert server.sent[0]["headers"] == [(b"X-Request-Id", b"up"), (b"completed", b"yes")]


@pytest.mark.parametrize(
    "messages, left",
    [
        ([part(b"a", more=True), part(b"b", more=False), DISCONNECT], 1),
        ([part(b"a", more=True), DISCONNECT, DISCONNECT], 1),
        ([part(b"a", more=True)], 0),
    ],
)
async def test_a_refusal_that_closes_reads_the_body_first(messages: list[Message], left: int) -> None:
    """To its end, to the client's departure, or until time is up; the client has the whole answer meanwhile."""
    server = Server(*messages)
    await server.exchange().respond(503, [(b"content-length", b"2")], b"no", close=True)
    assert len(server.messages) == left
    assert [(message.get("body"), message.get("more_body")) for message in server.sent[1:]] == [
        (b"no", True),
        (b"", False),
    ]
    assert (b"connection", b"close") in server.sent[0]["headers"]


async def test_a_body_that_was_read_is_not_waited_for() -> None:
    """After its end only the disconnect would come."""
    server = Server(part(b"a", more=False), DISCONNECT)
    exchange = server.exchange()
    await exchange.receive()
    await exchange.respond(503, [], close=True)
    assert server.messages == [DISCONNECT]


@pytest.mark.parametrize(
    "http_version, expect, read, closes",
    [
        ("1.1", True, False, True),
        ("1.1", True, True, False),
        ("1.1", False, False, False),
        ("2", True, False, False),
    ],
)
async def test_an_answer_in_place_of_100_continue_closes(
    http_version: str, expect: bool, read: bool, closes: bool
) -> None:
    """Nobody knows whether the body still comes (RFC 9110 § 10.1.1); so nothing is waited for either."""
    server = Server(part(b"a", more=False), DISCONNECT)
    exchange = server.exchange([(b"expect", b"100-Continue")] if expect else [], http_version=http_version)
    if read:
        await exchange.receive()
    await exchange.respond(401, [])
    assert ((b"connection", b"close") in server.sent[0]["headers"]) is closes
    assert len(server.messages) == (1 if read else 2)


async def test_reading_on_after_a_refusal_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that never ends its upload holds the connection for the linger time only."""
    monkeypatch.setattr(module, "_LINGER_SECONDS", 0.0)

    class Endless(Server):
        async def receive(self) -> Message:
            await asyncio.sleep(0)
            return part(b"x", more=True)

    server = Endless()
    await server.exchange().respond(413, [], close=True)
    assert server.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
