"""`Client`: one writer at a time, every send timed, and an end that does not pretend to be one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from sse_proxy.core.pacing import Limits, Pacer
from sse_proxy.streaming.client import Client


class Wire:
    """Our own server's, which takes *room* writes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.timed_out = False
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> bool:
        self.sent.append(data)
        self.room -= 1
        return self.room > 0


class Server:
    """A server's ``send`` that takes a message only when it is let."""

    def __init__(self) -> None:
        self.wire: Wire | None = None
        self.messages: list[Message] = []
        self.free = asyncio.Event()
        self.free.set()
        self.error: Exception | None = None

    async def __call__(self, message: Message) -> None:
        await self.free.wait()
        if self.error is not None:
            raise self.error
        self.messages.append(message)

    @property
    def sent(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


def _client(server: Server, *, wire: Wire | None = None, **extensions: Any) -> tuple[Client, Pacer]:
    pacer = Pacer(Limits(), 0.0)
    server.wire = wire
    scope = {"type": "http", "extensions": {f"sse_proxy.{name}": end for name, end in extensions.items()}}
    return Client(scope if extensions else {"type": "http"}, server, pacer, lambda: 1.0), pacer


async def test_a_write_waits_for_the_heartbeat_in_flight() -> None:
    """So no event is ever split, and none overtakes."""
    server = Server()
    client, pacer = _client(server)
    await client.start(200, [])
    server.free.clear()
    armed: list[bool] = []
    client.background(client.write_beat(b": ping\n", data=False), then=lambda: armed.append(True))
    writing = asyncio.create_task(client.write(b"data: x\n\n", end=True))
    await asyncio.sleep(0)
    assert pacer.sending_since is not None
    server.free.set()
    await writing
    assert (server.sent, client.bytes_out, client.finished) == (b": ping\ndata: x\n\n", 16, True)
    assert armed == [True]


@pytest.mark.parametrize("heartbeat", [True, False])
@pytest.mark.parametrize("method", ["start", "write"])
async def test_a_send_that_was_interrupted_is_remembered(method: str, heartbeat: bool) -> None:
    """What it had to send may never have been sent; the heartbeat that it waited for goes on."""
    server = Server()
    client, _ = _client(server)
    server.free.clear()
    if heartbeat:
        client.background(client.write_beat(b": ping\n", data=False), then=lambda: None)
    sending = asyncio.create_task(client.start(200, []) if method == "start" else client.write(b"x"))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait({sending})
    assert client.interrupted
    assert not client.finished
    server.free.set()
    await client.settled()
    assert server.sent == (b": ping\n" if heartbeat else b"")


async def test_giving_up_stops_the_heartbeat_in_flight() -> None:
    """And nothing is armed again."""
    server = Server()
    client, _ = _client(server)
    server.free.clear()
    client.background(client.write_beat(b": ping\n", data=False), then=pytest.fail)
    await asyncio.sleep(0)
    client.drop()
    await client.settled()
    assert (server.sent, client.finished) == (b"", True)


@pytest.mark.parametrize("method, used", [("drop", "abort"), ("break_off", "close")])
async def test_our_own_server_ends_the_connection_as_it_is_told(method: str, used: str) -> None:
    """With a reset for a client that does not read, behind what was sent for one that is to see a broken end."""
    ended: list[str] = []
    client, _ = _client(Server(), abort=lambda: ended.append("abort"), close=lambda: ended.append("close"))
    getattr(client, method)()
    assert (ended, client.finished) == ([used], True)


@pytest.mark.parametrize("method", ["drop", "break_off"])
async def test_other_servers_do_it_when_the_application_returns(method: str) -> None:
    """There is nothing to call."""
    client, _ = _client(Server())
    getattr(client, method)()
    assert client.finished


@pytest.mark.parametrize("error, told", [(OSError(), 0), (RuntimeError("broken"), 1)])
async def test_a_heartbeat_that_fails_is_told_unless_the_client_is_gone(error: Exception, told: int) -> None:
    """Some servers raise when nobody is there any more; anything else is a mistake that must be seen."""
    contexts: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: contexts.append(context))
    server = Server()
    client, _ = _client(server)
    server.error = error
    client.background(client.write_beat(b": ping\n", data=False), then=lambda: None)
    await client.settled()
    assert [context["exception"] for context in contexts] == [error] * told


async def test_there_is_a_sink_only_where_the_server_lends_a_wire() -> None:
    """Elsewhere all goes through ``send``."""
    for wire in (None, Wire(9)):
        client, _ = _client(Server(), wire=wire)
        client.flow(print)
        assert (client.sink is print) == (wire is not None)


async def test_a_client_that_does_not_keep_up_closes_the_sink() -> None:
    """The write that filled it up is counted, and sent; whoever comes next has to wait."""
    wire = Wire(2)
    client, _ = _client(Server(), wire=wire)
    sinks = []
    client.flow(print)
    for data in (b"one", b"two"):
        client.write_now(data)
        sinks.append(client.sink)
    client.flow(print)
    assert [*sinks, client.sink] == [print, None, print]
    assert (client.bytes_out, wire.sent) == (6, [b"one", b"two"])


@pytest.mark.parametrize("end", ["drop", "break_off", "heartbeat"])
async def test_nothing_flows_past_a_heartbeat_or_an_end(end: str) -> None:
    """Or it would overtake, or follow the last byte."""
    server = Server()
    client, _ = _client(server, wire=Wire(9))
    await client.start(200, [])
    client.flow(print)
    if end == "heartbeat":
        client.background(client.write_beat(b": ping\n", data=False), then=lambda: None)
    else:
        getattr(client, end)()
    assert client.sink is None
    await client.settled()


async def test_only_our_own_server_can_tell_that_the_kernel_gave_the_client_up() -> None:
    """Elsewhere one that stalled may look like one that left."""
    wire = Wire(1)
    client, _ = _client(Server(), wire=wire)
    other, _ = _client(Server())
    assert (client.has_stalled, other.has_stalled) == (False, False)
    wire.timed_out = True
    assert client.has_stalled
    client.detach()
    assert not client.has_stalled
