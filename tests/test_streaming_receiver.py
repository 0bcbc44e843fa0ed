"""`Receiver`: one party at a time is inside the server's ``receive``, no message is lost, departures are noticed."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterable
from typing import Any

import pytest
from starlette.types import Message

from sse_proxy.core.ledger import Ledger
from sse_proxy.errors import RequestTooLarge
from sse_proxy.streaming.receiver import MAX_AHEAD_BYTES, NoRoom, Receiver

from .streaming import until

_CHUNKED = [(b"transfer-encoding", b"chunked")]
_DISCONNECT: Message = {"type": "http.disconnect"}


def _scope(headers: Iterable[tuple[bytes, bytes]] = (), version: str = "1.1") -> dict[str, Any]:
    return {"type": "http", "http_version": version, "headers": list(headers)}


def _piece(data: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


class Server:
    """A server's ``receive`` that hands out what it is given, and fails when two are inside."""

    def __init__(self, *messages: Message | Exception) -> None:
        self.queue: asyncio.Queue[Message | Exception] = asyncio.Queue()
        self.taken = 0
        self._inside = False
        for message in messages:
            self.queue.put_nowait(message)

    async def __call__(self) -> Message:
        assert not self._inside
        self._inside = True
        try:
            message = await self.queue.get()
        finally:
            self._inside = False
        self.taken += 1
        if isinstance(message, Exception):
            raise message
        return message


class Heard:
    """A `Listener` that remembers."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.receiver: Receiver | None = None

    def on_upload(self) -> None:
        self.events.append("upload")

    def on_request_complete(self) -> None:
        self.events.append("complete")

    def on_disconnect(self) -> None:
        self.events.append("disconnect")


async def _settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_without_framing_a_request_has_no_body() -> None:
    """It is complete before anything is asked of the server."""
    for headers in ([], [(b"content-length", b"0")]):
        receiver, heard = Receiver(_scope(headers), Server()), Heard()
        receiver.listen(heard)
        assert heard.events == ["complete"]
        assert await receiver.look_ahead(0) == b""
        assert await receiver() == _piece(b"", more=False)


async def test_with_http_2_a_body_needs_no_framing() -> None:
    """RFC 9113 § 8.1: the frames tell."""
    receiver = Receiver(_scope(version="2"), Server(_piece(b"x", more=False)))
    assert await receiver() == _piece(b"x", more=False)


async def test_messages_go_straight_through_until_there_is_a_watch() -> None:
    """The application asks, the server answers; nothing is read ahead."""
    server = Server(_piece(b"a"), _piece(b"b", more=False))
    receiver, heard = Receiver(_scope(_CHUNKED), server), Heard()
    receiver.listen(heard)
    assert await receiver() == _piece(b"a")
    assert (server.taken, heard.events) == (1, ["upload"])
    assert await receiver() == _piece(b"b", more=False)
    assert heard.events == ["upload", "upload", "complete"]
    server.queue.put_nowait(_DISCONNECT)
    assert await receiver() == _DISCONNECT
    assert receiver.gone
    assert heard.events[3:] == ["disconnect"]
    receiver.close()


async def test_the_application_gets_what_was_looked_at() -> None:
    """Every byte, in the messages in which it came."""
    receiver = Receiver(_scope(_CHUNKED), Server(_piece(b"ab"), _piece(b"c", more=False)))
    assert await receiver.look_ahead(3) == b"abc"
    assert [await receiver(), await receiver()] == [_piece(b"ab"), _piece(b"c", more=False)]


@pytest.mark.parametrize("last", [True, False])
async def test_a_body_over_the_bound_is_not_looked_at_further(last: bool) -> None:
    """None, whether its end has come or not."""
    receiver = Receiver(_scope(_CHUNKED), Server(_piece(b"ab"), _piece(b"cd", more=not last), _piece(b"e")))
    assert await receiver.look_ahead(3) is None
    assert [await receiver(), await receiver()] == [_piece(b"ab"), _piece(b"cd", more=not last)]


async def test_a_rest_that_is_there_is_taken_at_once() -> None:
    """As if the application had asked for every message; from then on it can only hear of the departure."""
    receiver, heard = Receiver(_scope(_CHUNKED), Server(_piece(b"a"), _piece(b"bc", more=False), _DISCONNECT)), Heard()
    assert await receiver.look_ahead(3) == b"abc"
    receiver.listen(heard)
    assert receiver.take_rest(2) is None
    assert await receiver() == _piece(b"a")
    assert receiver.take_rest(2) == b"bc"
    assert heard.events == ["complete", "upload", "upload"]
    assert receiver.take_rest(2) is None
    assert await receiver() == _DISCONNECT


async def test_a_rest_of_which_more_is_to_come_is_not_taken() -> None:
    """The application has to ask for it."""
    receiver = Receiver(_scope(_CHUNKED), Server(_piece(b"a"), _piece(b"b")))
    assert await receiver.look_ahead(1) is None
    assert receiver.take_rest(9) is None
    assert await receiver() == _piece(b"a")


async def test_a_client_that_leaves_during_the_look_ahead_is_gone() -> None:
    """There is no body to look at."""
    receiver = Receiver(_scope(_CHUNKED), Server(_piece(b"ab"), _DISCONNECT))
    assert await receiver.look_ahead(3) is None
    assert receiver.gone
    assert [await receiver(), await receiver(), await receiver()] == [_piece(b"ab"), _DISCONNECT, _DISCONNECT]


async def test_a_watch_reads_ahead_of_the_application() -> None:
    """So a client that leaves in the middle of its upload is noticed behind what it has sent."""
    server = Server(_piece(b"a"), _piece(b"b"), _DISCONNECT)
    receiver, heard = Receiver(_scope(_CHUNKED), server), Heard()
    receiver.listen(heard)
    receiver.watch()
    receiver.watch()
    await _settle()
    assert heard.events == ["disconnect"]
    assert [await receiver(), await receiver(), await receiver()] == [_piece(b"a"), _piece(b"b"), _DISCONNECT]


async def test_a_watch_does_not_read_ahead_without_bound() -> None:
    """Back-pressure: an application that does not ask keeps the client waiting."""
    big = _piece(bytes(MAX_AHEAD_BYTES // 2))
    server = Server(*[big] * 10)
    receiver = Receiver(_scope(_CHUNKED), server)
    receiver.watch()
    await _settle()
    assert server.taken == 3
    await receiver()
    await _settle()
    assert server.taken == 4
    receiver.close()
    await _settle()


async def test_a_watch_hands_on_what_comes_later() -> None:
    """The application waits for what the watch takes, not for the server itself."""
    server = Server()
    receiver = Receiver(_scope(_CHUNKED), server)
    receiver.watch()
    waiting = asyncio.create_task(receiver())
    await _settle()
    server.queue.put_nowait(_piece(b"a", more=False))
    assert await waiting == _piece(b"a", more=False)
    receiver.close()
    await _settle()


async def test_a_watch_waits_until_the_application_is_out_of_the_server() -> None:
    """Then it takes over."""
    server = Server()
    receiver, heard = Receiver(_scope(_CHUNKED), server), Heard()
    receiver.listen(heard)
    waiting = asyncio.create_task(receiver())
    await _settle()
    receiver.watch()
    await _settle()
    server.queue.put_nowait(_piece(b"a", more=False))
    assert await waiting == _piece(b"a", more=False)
    server.queue.put_nowait(_DISCONNECT)
    await _settle()
    assert heard.events == ["upload", "complete", "disconnect"]


async def test_two_of_the_application_may_ask_at_once() -> None:
    """One of them gets the message, both the departure."""
    server = Server()
    receiver = Receiver(_scope(_CHUNKED), server)
    waiting = [asyncio.create_task(receiver()) for _ in range(2)]
    await _settle()
    server.queue.put_nowait(_piece(b"a", more=False))
    await _settle()
    server.queue.put_nowait(_DISCONNECT)
    assert sorted([(await task)["type"] for task in waiting]) == ["http.disconnect", "http.request"]
    receiver.close()
    await _settle()


@pytest.mark.parametrize("watched", [True, False])
async def test_what_the_server_raises_is_for_the_application(watched: bool) -> None:
    """Behind what has come before, however often it asks; and nobody waits for ever."""
    receiver = Receiver(_scope(_CHUNKED), Server(_piece(b"a"), RequestTooLarge()))
    if watched:
        receiver.watch()
        await _settle()
    assert await receiver() == _piece(b"a")
    for _ in range(2):
        with pytest.raises(RequestTooLarge):
            await receiver()


async def test_an_application_that_is_cancelled_while_it_asks_leaves_the_way_free() -> None:
    """The next one gets the message."""
    server = Server()
    receiver = Receiver(_scope(_CHUNKED), server)
    waiting = asyncio.create_task(receiver())
    await _settle()
    waiting.cancel()
    await asyncio.wait({waiting})
    server.queue.put_nowait(_piece(b"a"))
    assert await receiver() == _piece(b"a")


async def test_departures_are_of_no_interest_once_it_is_closed() -> None:
    """The response is over."""
    server = Server()
    receiver, heard = Receiver(_scope(), server), Heard()
    receiver.listen(heard)
    receiver.watch()
    await _settle()
    receiver.close()
    server.queue.put_nowait(_DISCONNECT)
    await _settle()
    assert heard.events == ["complete"]


async def test_a_closed_receiver_is_in_no_cycle() -> None:
    """It goes when its owner does, with all that the server gave it, and waits for no garbage collector."""
    receiver, heard = Receiver(_scope(_CHUNKED), Server(_piece(b"a", more=False))), Heard()
    heard.receiver = receiver  # as `Response` has it
    receiver.listen(heard)
    receiver.watch()
    await _settle()
    gone = weakref.ref(receiver)
    gc.disable()
    try:
        receiver.close()
        await _settle()
        del receiver, heard
        assert gone() is None
    finally:
        gc.enable()


async def test_nothing_is_read_ahead_while_all_buffers_are_full() -> None:
    """The client waits; what the application has not asked for is on the books until it has, or nobody will."""
    ledger = Ledger(10)
    receiver = Receiver(_scope(_CHUNKED), Server(_piece(b"x" * 11), _piece(b"y"), _piece(b"z", more=False)), ledger)
    receiver.watch()
    await until(lambda: ledger.bytes > 0)
    for _ in range(5):
        await asyncio.sleep(0)
    assert ledger.bytes == 11
    assert (await receiver())["body"] == b"x" * 11
    await until(lambda: ledger.bytes == 2)
    receiver.close()
    assert ledger.bytes == 0
    assert (await receiver())["body"] == b"y"
    assert ledger.bytes == 0


async def test_a_look_ahead_without_room_ends() -> None:
    """If it has become large; a small body is read to its end."""
    ledger = Ledger(10)
    small = Receiver(_scope(_CHUNKED), Server(_piece(b"x" * 11, more=False)), ledger)
    assert await small.look_ahead(1 << 20) == b"x" * 11
    large = Receiver(_scope(_CHUNKED), Server(_piece(b"x" * 60_000), _piece(b"x" * 60_000)), ledger)
    with pytest.raises(NoRoom):
        await large.look_ahead(1 << 20)


async def test_it_is_starved_while_the_rest_of_the_body_is_the_clients_to_send() -> None:
    """Not while something waits for the application, nor behind the end."""
    server = Server()
    receiver = Receiver(_scope(_CHUNKED), server)
    receiver.watch()
    seen = [receiver.is_starved]
    for piece in (_piece(b"a"), _piece(b"b", more=False)):
        server.queue.put_nowait(piece)
        while server.taken <= len(seen) // 2:
            await asyncio.sleep(0)
        seen.append(receiver.is_starved)
        await receiver()
        seen.append(receiver.is_starved)
    receiver.close()
    assert seen == [True, False, True, False, False]
