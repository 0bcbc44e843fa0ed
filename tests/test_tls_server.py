"""`tls_server`: handshakes are counted from the accept on, however they end, and who comes above the limit is reset."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import trustme
import uvloop

from sse_proxy import sockets, tls_server
from sse_proxy.core.admission import Refusal
from sse_proxy.metrics.base import NullMetrics
from sse_proxy.tls_server import TLSServer

from .conftest import LIMIT_SECONDS
from .server_app import Client, running
from .test_server_process import process

InLoop = Callable[[Callable[[], Awaitable[None]]], None]

RESETS = (ConnectionResetError, BrokenPipeError, ssl.SSLError)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def in_loop(request: pytest.FixtureRequest) -> InLoop:
    """Run a coroutine function in a loop of each kind, since their handshakes differ."""

    def run(test: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(LIMIT_SECONDS):
                await test()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main())

    return run


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the certificates."""
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> dict[str, Path]:
    """The settings of TLS."""
    found = {"tls_cert_file": tmp_path / "cert.pem", "tls_key_file": tmp_path / "key.pem"}
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(found["tls_cert_file"])
    certificate.private_key_pem.write_to_path(found["tls_key_file"])
    return found


@dataclass
class Serving:
    """A `TLSServer` that greets, and what became of it."""

    authority: trustme.CA
    listening: socket.socket = field(default_factory=lambda: sockets.listen("127.0.0.1", 0))
    limit: int = 2
    #: Connections are left open.
    stays: bool = False
    #: Called when a handshake is done.
    on_connected: Callable[[], object] = lambda: None
    turned_away: int = 0
    made: list[Greeter] = field(default_factory=list)
    complaints: list[dict[str, Any]] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def server(
        self, *, handshake_seconds: float = LIMIT_SECONDS, counts: bool = True
    ) -> AsyncIterator[TLSServer]:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: self.complaints.append(context))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("127.0.0.1").configure_cert(context)
        server = TLSServer(
            self.listening,
            context,
            self._make,
            has_room=lambda handshakes: handshakes < self.limit,
            turned_away=self._count if counts else None,
            handshake_seconds=handshake_seconds,
        )
        with self.listening:
            try:
                yield server
            finally:
                server.close()
                await server.wait_closed()
                server.close()
        server.close()
        assert server.handshakes == 0
        assert not self.complaints

    async def greeting(self) -> bytes:
        """What a client that shakes hands is sent."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        address = sockets.address_of(self.listening)
        async with Client.to(address, ssl=context, server_hostname="127.0.0.1") as client:
            return await client.rest()

    def raw(self) -> socket.socket:
        """A client that is connected, and no more."""
        return socket.create_connection(sockets.address_of(self.listening))

    def _make(self) -> Greeter:
        self.made.append(Greeter(self.stays, self.on_connected))
        return self.made[-1]

    def _count(self) -> None:
        self.turned_away += 1


class Greeter(asyncio.Protocol):
    """Says hello and closes, unless it *stays*."""

    def __init__(self, stays: bool, on_connected: Callable[[], object]) -> None:
        self.is_connected = self.is_lost = False
        self.descriptor = -1
        self._stays = stays
        self._on_connected = on_connected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.is_connected = True
        self.descriptor = transport.get_extra_info("socket").fileno()
        self._on_connected()
        cast("asyncio.Transport", transport).write(b"hello")
        if not self._stays:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


def shaken(authority: trustme.CA, address: sockets.Address) -> ssl.SSLSocket:
    """A client that has shaken hands, and answers nothing by itself; blocks."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context.wrap_socket(socket.create_connection(address), server_hostname="127.0.0.1")


async def becomes(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds; for what no event tells of."""
    while not condition():
        await asyncio.sleep(0.005)


async def is_closed(client: socket.socket) -> None:
    """Wait until the server has ended the connection of *client*."""
    client.setblocking(False)
    with contextlib.suppress(OSError):
        while await asyncio.get_running_loop().sock_recv(client, 65536):
            pass


def test_a_client_that_shakes_hands_is_served(authority: trustme.CA, in_loop: InLoop) -> None:
    """As by `asyncio.Server`; it is no handshake any more."""
    serving = Serving(authority)

    async def test() -> None:
        async with serving.server() as server:
            for _ in range(5):
                assert await serving.greeting() == b"hello"
            await becomes(lambda: server.handshakes == 0)
        assert serving.turned_away == 0

    in_loop(test)


def test_who_is_above_the_limit_is_reset_until_there_is_room(
    authority: trustme.CA, in_loop: InLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """Before its handshake, which the process has no descriptor for; it is counted and told of."""
    serving = Serving(authority)

    async def test() -> None:
        async with serving.server() as server:
            with serving.raw(), serving.raw():
                await becomes(lambda: server.handshakes == 2)
                with pytest.raises(RESETS):
                    await serving.greeting()
                assert serving.turned_away == 1
                assert not any(greeter.is_connected for greeter in serving.made)
            await becomes(lambda: server.handshakes == 0)
            assert await serving.greeting() == b"hello"

    in_loop(test)
    assert caplog.messages == ["reset before its TLS handshake (the proxy is at its limit of connections)"]


def test_a_burst_takes_no_descriptors(authority: trustme.CA, in_loop: InLoop) -> None:
    """More than are accepted in one turn; each is counted, or closed, before the next."""
    serving = Serving(authority)
    clients = [serving.raw() for _ in range(tls_server.BATCH + 10)]

    async def test() -> None:
        async with serving.server(counts=False) as server:
            for client in clients[2:]:
                await is_closed(client)
            assert server.handshakes == 2

    in_loop(test)
    for client in clients:
        client.close()


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["silent", "begun"])
@pytest.mark.parametrize("leaves", ["closes", "half-closes", "resets", "stays"])
def test_a_handshake_that_comes_to_nothing_is_no_longer_counted(
    authority: trustme.CA, in_loop: InLoop, leaves: str, said: bytes
) -> None:
    """At once, and not when the garbage collector comes."""
    serving = Serving(authority)

    async def test() -> None:
        async with serving.server(handshake_seconds=0.2 if leaves == "stays" else LIMIT_SECONDS) as server:
            with serving.raw() as client:
                client.sendall(said)
                await becomes(lambda: server.handshakes == 1)
                if leaves == "half-closes":
                    client.shutdown(socket.SHUT_WR)
                elif leaves == "resets":
                    sockets.reset_when_closed(client)
                    client.close()
                elif leaves == "closes":
                    client.close()
                await becomes(lambda: server.handshakes == 0)
                if client.fileno() != -1:
                    await is_closed(client)

    gc.disable()
    try:
        in_loop(test)
    finally:
        gc.enable()


def test_who_speaks_no_tls_is_let_go(authority: trustme.CA, in_loop: InLoop) -> None:
    """A browser that was given ``http://``."""
    serving = Serving(authority)

    async def test() -> None:
        async with serving.server() as server:
            with serving.raw() as client:
                client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                await is_closed(client)
            await becomes(lambda: server.handshakes == 0)

    in_loop(test)


def test_the_end_does_not_wait_for_handshakes(authority: trustme.CA, in_loop: InLoop) -> None:
    """Neither one that is under way nor one whose connection has just been accepted."""
    serving = Serving(authority)

    async def test() -> None:
        with serving.raw() as first, serving.raw() as second:
            async with serving.server() as server:
                await becomes(lambda: server.handshakes == 2)
            await is_closed(first)
            await is_closed(second)
        with Serving(authority).listening as listening, socket.create_connection(sockets.address_of(listening)) as late:
            other = Serving(authority, listening)
            async with other.server() as server:
                while not server.handshakes:  # so that its task has had no turn yet
                    await asyncio.sleep(0)
            await is_closed(late)

    in_loop(test)


def test_a_close_in_the_moment_in_which_a_handshake_ends_leaves_the_descriptor(
    authority: trustme.CA, in_loop: InLoop
) -> None:
    """The transport closes the connection; under it, the next one would get the number while it still looks there."""
    serving = Serving(authority, stays=True)

    async def test() -> None:
        loop = asyncio.get_running_loop()
        async with serving.server() as server:
            serving.on_connected = lambda: loop.call_soon(server.close)
            client = await asyncio.to_thread(shaken, authority, sockets.address_of(serving.listening))
            await server.wait_closed()
            (greeter,) = serving.made
            os.fstat(greeter.descriptor)
            client.close()
            await becomes(lambda: greeter.is_lost)

    in_loop(test)


def test_a_closed_server_refuses_connections(authority: trustme.CA, in_loop: InLoop) -> None:
    """The kernel would take them, and nobody would answer."""
    serving = Serving(authority)
    address = sockets.address_of(serving.listening)

    async def test() -> None:
        async with serving.server() as server:
            server.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)

    in_loop(test)


def test_a_client_that_does_not_say_goodbye_does_not_spoil_the_end(
    files: dict[str, Any], authority: trustme.CA, in_loop: InLoop
) -> None:
    """It was answered, stays, and never answers close_notify: it is reset, and all ends well."""

    def answered(address: sockets.Address) -> ssl.SSLSocket:
        client = shaken(authority, address)
        client.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(9) == b"HTTP/1.1 "
        return client

    async def test() -> None:
        async with running(**files, drain_seconds=0.1) as server:
            client = await asyncio.to_thread(answered, server.bound.traffic)
        assert server.task.result() == 0
        client.close()

    in_loop(test)


@pytest.mark.parametrize("what", [errno.EMFILE, errno.ENOMEM, errno.EPROTO], ids=["files", "memory", "connection"])
def test_accepting_goes_on_after_an_error(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: int
) -> None:
    """After a pause where there is nothing left for a connection; some errors are the connection's own."""

    class Failing(socket.socket):
        errors = 1

        def accept(self) -> tuple[socket.socket, Any]:
            if self.errors:
                self.errors -= 1
                raise OSError(what, "no")
            return super().accept()

    monkeypatch.setattr(tls_server, "RETRY_SECONDS", 0.01)
    plain = sockets.listen("127.0.0.1", 0)
    listening = Failing(plain.family, plain.type, plain.proto, plain.detach())
    serving = Serving(authority, listening)

    async def test() -> None:
        async with serving.server():
            assert await serving.greeting() == b"hello"
            listening.errors = 1
            monkeypatch.setattr(tls_server, "RETRY_SECONDS", LIMIT_SECONDS)
            with serving.raw():
                await becomes(lambda: not listening.errors)

    asyncio.run(test())
    pauses = what != errno.EPROTO
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2 * pauses


async def test_above_the_limit_some_may_shake_hands_to_be_told(
    files: dict[str, Any], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 503, as without TLS; those above them are reset. Connections and handshakes count alike."""
    refused: list[Refusal] = []
    monkeypatch.setattr(NullMetrics, "refused", lambda _self, reason: refused.append(reason))
    monkeypatch.setattr("sse_proxy.listener.connections_limit", lambda: 4)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with asyncio.timeout(LIMIT_SECONDS), running(**files) as server, contextlib.AsyncExitStack() as stack:

        async def connected() -> Client:
            connecting = server.client(ssl=context, server_hostname="127.0.0.1")
            return await stack.enter_async_context(connecting)

        for _ in range(3):
            assert (await (await connected()).answer("/hello"))[0] == 200
        with (
            socket.create_connection(server.bound.traffic),
            socket.create_connection(server.bound.traffic),
            pytest.raises(RESETS),
        ):
            await connected()
        assert refused == [Refusal.OPEN_FILES]
        fourth = await persistently(connected)
        assert (await fourth.answer("/hello"))[0] == 200
        assert b"HTTP/1.1 503 " in await (await persistently(connected)).rest()
        assert (await fourth.answer("/hello"))[0] == 200


async def test_a_handshake_has_no_more_time_than_a_head(files: dict[str, Any]) -> None:
    """Which is the keep-alive time where that is short."""
    async with asyncio.timeout(LIMIT_SECONDS), running(**files, keep_alive_seconds=0.1) as server:
        with socket.create_connection(server.bound.traffic) as client:
            await is_closed(client)


async def persistently(connect: Callable[[], Awaitable[Client]]) -> Client:
    """Try again until the server has noticed that others are gone."""
    while True:
        with contextlib.suppress(*RESETS):
            return await connect()


async def test_who_never_shakes_hands_does_not_take_the_admin_ports_descriptors(
    files: dict[str, Any], authority: trustme.CA, tmp_path: Path
) -> None:
    """Three times as many as there are descriptors; when they have gone, whoever comes is served."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with asyncio.timeout(LIMIT_SECONDS), contextlib.AsyncExitStack() as stack:
        server = stack.enter_context(process(tmp_path, open_files=100, **files))
        with contextlib.ExitStack() as raw:
            for _ in range(300):
                raw.enter_context(socket.create_connection(server.traffic))
            for _ in range(3):
                async with Client.to(server.admin) as admin:
                    assert (await admin.answer("/readyz"))[0] == 200
            held = len(list(Path(f"/proc/{server.popen.pid}/fd").iterdir()))
            assert held < 70

        async def connected() -> Client:
            connecting = Client.to(server.traffic, ssl=context, server_hostname="127.0.0.1")
            return await stack.enter_async_context(connecting)

        assert (await (await persistently(connected)).answer("/hello"))[0] == 200
