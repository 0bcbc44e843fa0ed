"""`client_protocol`: what it adds to uvicorn's connection, on real sockets, in both event loops where they differ."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import trustme
import uvloop
from starlette.types import Receive, Scope, Send

from sse_proxy.client_protocol import MAX_FRAMING_BYTES, ClientProtocol
from sse_proxy.listener import Listener
from sse_proxy.settings import Settings
from sse_proxy.sockets import listen
from sse_proxy.wire import WiredSend

from .conftest import LIMIT_SECONDS
from .server_app import Client, running

UPGRADE = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
ENDINGS = ("sse_proxy.abort", "sse_proxy.close")


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def in_loop(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    """Run a coroutine function in a loop of each kind, since their transports differ."""

    def run(test: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            await test()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(main())

    return run


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """A certificate authority, with a certificate of 127.0.0.1 in ``cert.pem`` and ``key.pem``."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    return authority


def open_sockets() -> int:
    """Return how many sockets this process has open."""
    links = Path("/proc/self/fd").iterdir()
    return sum(1 for link in links if link.is_symlink() and str(link.readlink()).startswith("socket:"))


async def becomes(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds; for what no event tells of."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)


async def test_each_request_gets_its_own_extensions() -> None:
    """What one app writes there must not reach the next request."""
    async with running() as server, server.client() as client:
        for _ in range(2):
            status, body = await client.answer("/scope")
            assert (status, json.loads(body)["extensions"]) == (200, sorted(ENDINGS))


async def test_a_connection_shares_its_dictionary_s_keys() -> None:
    """With one attribute more than 30, CPython gives each instance a dictionary of its own: 1.5 KiB an open stream."""
    async with running() as server, server.client() as client:
        await client.answer("/hello")
        (connection,) = [one for one in gc.get_objects() if isinstance(one, ClientProtocol)]
        assert len(vars(connection)) <= 30


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stalled_client_is_reset_at_once_and_its_descriptor_is_free(
    in_loop: Callable[[Callable[[], Awaitable[None]]], None], ending: str
) -> None:
    """An orderly close would wait for a client that never reads."""

    async def test() -> None:
        async with running(client_send_buffer_bytes=8192) as server:
            server.app.ending = ending
            before = open_sockets()
            stalled = socket.socket()
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.setblocking(False)
            with stalled:
                await asyncio.get_running_loop().sock_connect(stalled, server.bound.traffic)
                stalled.send(b"GET /flood HTTP/1.1\r\nhost: a\r\n\r\n")
                await becomes(lambda: open_sockets() == before + 2)
                server.app.release.set()
                await asyncio.wait_for(server.app.left.wait(), LIMIT_SECONDS)
                await becomes(lambda: open_sockets() == before + 1)

    in_loop(test)


@pytest.mark.parametrize("size", [10, 60_000])
def test_close_lets_a_reading_client_have_what_was_sent(
    in_loop: Callable[[Callable[[], Awaitable[None]]], None], size: int
) -> None:
    """An in-stream error has to arrive before the broken end, which is the missing last chunk."""

    async def test() -> None:
        async with running(client_send_buffer_bytes=4096) as server, server.client() as client:
            server.app.ending, server.app.size = "sse_proxy.close", size
            client.ask("/broken")
            received = await client.rest()
            assert received.count(b"x") == size
            assert not received.endswith(b"0\r\n\r\n")

    in_loop(test)


async def test_an_abort_is_no_mistake_of_the_app(caplog: pytest.LogCaptureFixture) -> None:
    """It looks to uvicorn like an app that returned in the middle of its response."""
    for ending in ENDINGS:
        async with running() as server, server.client() as client:
            server.app.ending = ending
            client.ask("/broken")
            try:
                await client.rest()
            except ConnectionResetError:
                assert ending == "sse_proxy.abort"
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


async def test_an_ending_in_the_moment_of_the_client_s_own_is_no_mistake_of_the_app() -> None:
    """The connection is closing and not lost yet: the app may return now, and has left nothing undone."""
    async with running() as server, server.client() as client:
        client.ask("/stream")
        await client.until(b"one")
        (connection,) = [one for one in gc.get_objects() if isinstance(one, ClientProtocol)]
        connection.transport.close()
        assert not connection.cycle.disconnected
        connection.close()
        assert connection.cycle.disconnected


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_connection_can_be_ended_after_a_whole_answer(ending: str) -> None:
    """Then it is only not kept."""
    async with running() as server, server.client() as client:
        server.app.ending = ending
        client.ask("/late")
        with contextlib.suppress(ConnectionResetError):
            assert (await client.rest()).endswith(b"hello")


@pytest.mark.parametrize(
    "framing", ["content-length: 5\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_an_offer_to_upgrade_is_ignored_and_the_body_arrives(framing: str, step: int) -> None:
    """Java's HttpClient offers h2c with every first request (RFC 9110 § 7.8: a server may ignore it)."""
    request = f"POST /echo HTTP/1.1\r\nhost: a\r\n{UPGRADE}{framing}".encode()
    async with running() as server, server.client() as client:
        for at in range(0, len(request), step):
            client.writer.write(request[at : at + step])
            await client.writer.drain()
            await asyncio.sleep(0)
        head = await client.until(b"\r\n\r\n")
        document = json.loads(await client.until(b"}"))
        assert (head[:15], document["body"]) == (b"HTTP/1.1 200 OK", "hello")
        # And the connection goes on.
        assert await client.answer("/hello") == (200, b"hello")


@pytest.mark.parametrize("extra", ["", "content-length: 0\r\n"])
async def test_an_offer_without_a_body_is_followed_by_the_next_request(extra: str) -> None:
    """Also when that came in the same read, and offers again."""
    one = f"GET /hello HTTP/1.1\r\nhost: a\r\n{UPGRADE}{extra}\r\n"
    two = f"POST /echo HTTP/1.1\r\nhost: a\r\n{UPGRADE}content-length: 2\r\n\r\nhi"
    async with running() as server, server.client() as client:
        client.writer.write((one + two + one).encode())
        await client.until(b"hello")
        assert json.loads((await client.until(b"}")).partition(b"\r\n\r\n")[2])["body"] == "hi"
        await client.until(b"hello")


async def test_trailer_fields_are_dropped() -> None:
    """They must not turn up among the headers that the app is looking at."""
    body = "2\r\nhi\r\n0\r\nx-trailer: 1\r\n\r\n"
    async with running() as server, server.client() as client:
        client.writer.write(f"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}".encode())
        await client.until(b"\r\n\r\n")
        assert json.loads(await client.until(b"}")) == {"body": "hi", "fields": ["host", "transfer-encoding"]}


async def feed_until_closed(client: Client, piece: bytes) -> bytes:
    """Write *piece* again and again until the server closes; return what it said."""
    said = asyncio.create_task(client.rest())
    while not said.done() and not client.writer.is_closing():
        client.writer.write(piece)
        await asyncio.sleep(0.001)
    try:
        return await said
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "beginning",
    ["GET /hello HTTP/1.1\r\nx: ", "GET /", "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: "],
    ids=["header", "target", "trailer"],
)
async def test_a_head_or_trailer_without_end_is_cut_off(beginning: str) -> None:
    """Every buffer has a limit."""
    async with running() as server, server.client() as client:
        client.writer.write(beginning.encode())
        await client.writer.drain()
        said = await feed_until_closed(client, b"x" * (MAX_FRAMING_BYTES // 8))
        # The reset that follows on what was sent too much may overtake the answer.
        assert said == b"" or said.startswith(b"HTTP/1.1 400 Bad Request")


async def test_a_large_body_is_no_large_head() -> None:
    """The limit is for what is no body."""
    async with running() as server, server.client() as client:
        client.ask("/echo", "POST", body="x" * (3 * MAX_FRAMING_BYTES))
        assert b"200 OK" in await client.until(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_line", ["nonsense", "GET  HTTP/1.1", "CONNECT a.example:443 HTTP/1.1", "GET /\xff HTTP/1.1"]
)
async def test_what_is_no_request_gets_400_and_the_end(request_line: str) -> None:
    """A tunnel is none either."""
    async with running() as server, server.client() as client:
        client.writer.write(f"{request_line}\r\nhost: a\r\n\r\n".encode("latin-1"))
        assert (await client.rest()).startswith(b"HTTP/1.1 400 Bad Request")


async def test_much_nonsense_gets_one_answer() -> None:
    """It is no request, and too large for one."""
    async with running() as server, server.client() as client:
        client.writer.write(b"n" * (2 * MAX_FRAMING_BYTES))
        with contextlib.suppress(ConnectionResetError):
            assert (await client.rest()).count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("path", ["/stream", "/request"])
async def test_nonsense_behind_a_request_does_not_land_in_its_answer(path: str) -> None:
    """An answer under way ends broken instead."""
    async with running() as server, server.client() as client:
        client.ask(path, extra="transfer-encoding: chunked\r\n")
        if path == "/stream":
            await client.until(b"one")
        else:
            await becomes(lambda: bool(server.app.lifespan))
        client.writer.write(b"nonsense\r\n")
        rest = await client.rest()
        assert (b"400" in rest) is (path == "/request")
        server.app.release.set()


async def test_nonsense_behind_a_pipelined_request_closes() -> None:
    """The first answer may be under way while the second waits."""
    async with running() as server, server.client() as client:
        client.ask("/stream")
        client.ask("/echo", "POST", extra="transfer-encoding: chunked\r\n")
        await client.until(b"one")
        client.writer.write(b"nonsense\r\n")
        assert b"400" not in await client.rest()


@pytest.mark.parametrize("behind", [b"nonsense\r\n\r\n", b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n", b"n" * 200_000])
async def test_what_follows_a_request_to_close_costs_it_nothing(behind: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read as a request, nor as a mistake (RFC 9112 § 9.6)."""
    received = bytearray()
    receive = ClientProtocol.data_received

    def record(connection: ClientProtocol, data: bytes) -> None:
        received.extend(data)
        receive(connection, data)

    monkeypatch.setattr(ClientProtocol, "data_received", record)
    async with running() as server, server.client() as client:
        client.ask("/request", extra="connection: close\r\n")
        client.writer.write(behind)
        await becomes(lambda: received.endswith(b"\r\n\r\n" + behind))
        server.app.release.set()
        rest = await client.rest()
        assert (rest.count(b"HTTP/1.1"), rest.endswith(b"done")) == (1, True)


@pytest.mark.parametrize("sent", [b"", b"GET /hel", b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"])
async def test_a_connection_without_a_request_is_closed_after_the_keep_alive_time(sent: bytes) -> None:
    """A new one too, and one in the middle of a head."""
    async with running(keep_alive_seconds=0.05) as server, server.client() as client:
        client.writer.write(sent)
        rest = await client.rest()
        assert rest.endswith(b"hello" if sent.endswith(b"\r\n\r\n") else b"")


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
def test_a_client_that_the_kernel_gave_up_is_told_from_one_that_left(
    in_loop: Callable[[Callable[[], Awaitable[None]]], None],
) -> None:
    """It took nothing of what was sent, however little that was."""

    async def test() -> None:
        wires: list[Any] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            wires.append(cast("WiredSend", send).wire)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(6):  # less than all buffers together, more than the client's
                await send({"type": "http.response.body", "body": bytes(4096), "more_body": True})
            while (await receive())["type"] != "http.disconnect":
                pass
            wires.append(None)

        with listen("127.0.0.1", 0, stall_timeout_seconds=0.3) as listening:
            listener = Listener(app, listening, Settings(), lifespan="off")
            await listener.start()
            stalled = socket.socket()
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            stalled.setblocking(False)  # never read from
            loop = asyncio.get_running_loop()
            await loop.sock_connect(stalled, listener.address)
            with stalled:
                await loop.sock_sendall(stalled, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                await becomes(lambda: len(wires) == 2)
            async with Client.to(listener.address) as leaving:
                leaving.ask("/")
                await leaving.until(b"\r\n\r\n")
            await becomes(lambda: len(wires) == 4)
            await listener.stop()
        assert (wires[0].timed_out, wires[2].timed_out) == (True, False)

    in_loop(test)


async def test_an_open_response_outlives_the_keep_alive_time() -> None:
    """That is for idle connections."""
    async with running(keep_alive_seconds=0.01) as server, server.client() as client:
        client.ask("/stream")
        await client.until(b"one")
        await asyncio.sleep(0.05)
        server.app.release.set()
        await client.until(b"two")


@pytest.mark.parametrize("path", ["/hello", "/broken"])
async def test_a_closed_connection_is_freed_without_the_garbage_collector(path: str) -> None:
    """Thousands of short streams would else pile up until it comes."""
    kept: list[dict[str, Any]] = []
    async with running() as server:
        handler = getattr(server.app, path.strip("/"))

        async def keeping(scope: Scope, receive: Receive, send: Send) -> None:
            kept.append(scope["extensions"])
            await handler(scope, receive, send)

        setattr(server.app, path.strip("/"), keeping)
        gc.collect()
        gc.disable()
        try:
            async with server.client() as client:
                client.ask(path)
                await client.until(b"\r\n\r\n")
            await becomes(lambda: not [one for one in gc.get_objects() if isinstance(one, ClientProtocol)])
        finally:
            gc.enable()
    for extensions in kept:
        for ending in ENDINGS:
            extensions[ending]()


async def test_a_reset_connection_leaves_no_timer_behind() -> None:
    """It would keep the connection in memory for the keep-alive time."""
    async with running() as server:
        async with server.client() as client:
            await client.answer("/hello")
            lingering = client.writer.get_extra_info("socket")
            lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        timers = vars(asyncio.get_running_loop())["_scheduled"]  # there is no other way to see
        await becomes(lambda: not [one for one in timers if not one.cancelled() and "keep_alive" in repr(one)])


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"GET /hello HTTP/1.1\r\n\r\n", b"one Host"),
        (b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b"Transfer-Encoding"),
        (b"GET /hello HTTP/1.1\r\nhost: a\r\nx: %b\r\n\r\n" % (b"x" * MAX_FRAMING_BYTES), b"too large"),
    ],
)
async def test_a_head_that_others_may_read_otherwise_is_refused_with_the_reason(head: bytes, said: bytes) -> None:
    """Also a large one that came in one read; and nothing behind it is served."""
    async with running() as server, server.client() as client:
        client.writer.write(head + b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = await client.rest()
        assert (answer[:12], answer.count(b"HTTP/1.1"), said in answer) == (b"HTTP/1.1 400", 1, True)


async def test_white_space_around_a_value_is_none_of_it() -> None:
    """The parser leaves a tab at the end (RFC 9110 § 5.5)."""
    async with running() as server, server.client() as client:
        client.ask("/scope", extra="x-a: \t b \t\r\n")
        await client.until(b"\r\n\r\n")
        assert ["x-a", "b"] in json.loads(await client.until(b"]}"))["headers"]


@contextlib.asynccontextmanager
async def silent_tls(
    address: tuple[str, int], authority: trustme.CA
) -> AsyncIterator[tuple[Callable[[], bytes], Callable[[bytes], None]]]:
    """A client that shakes hands and never closes: what it was told so far, and a way to say something."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    incoming, outgoing, plain = ssl.MemoryBIO(), ssl.MemoryBIO(), bytearray()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    reader, writer = await asyncio.open_connection(*address)

    async def read() -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                incoming.write(data)
                with contextlib.suppress(ssl.SSLError):
                    while piece := tls.read(65536):
                        plain.extend(piece)

    def say(data: bytes) -> None:
        tls.write(data)
        writer.write(outgoing.read())

    while True:
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            break
        writer.write(outgoing.read())
        incoming.write(await asyncio.wait_for(reader.read(65536), LIMIT_SECONDS))
    writer.write(outgoing.read())
    reading = asyncio.create_task(read())
    try:
        yield lambda: bytes(plain), say
    finally:
        reading.cancel()
        writer.transport.abort()


async def trickle(client: Client, pieces: list[bytes]) -> bytes:
    """Send *pieces* in turn until the server closes; return what it said."""
    said = asyncio.create_task(client.rest())
    for piece in pieces:
        if said.done() or client.writer.is_closing():
            break
        client.writer.write(piece)
        await asyncio.sleep(0.02)
    else:
        pytest.fail("all of it was taken")
    return await said


@pytest.mark.parametrize("listener", ["client", "admin"])
@pytest.mark.parametrize("beginning", [b"", b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"], ids=["first", "kept"])
async def test_a_head_that_trickles_in_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, listener: str, beginning: bytes
) -> None:
    """A byte now and then does not hold a connection (slowloris): on neither port, and not between requests either."""
    monkeypatch.setattr("sse_proxy.client_protocol.HEAD_SECONDS", 0.2)
    async with running() as server, getattr(server, listener)() as client:
        said = await trickle(client, [beginning + b"GET / HTTP/1.1\r\nhost: a\r\nx: ", *[b"x"] * 1000])
        assert said.count(b"HTTP/1.1") == bool(beginning)


async def test_a_head_that_begins_during_a_response_has_the_time_of_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the keep-alive time anew, which is ten times as long."""
    monkeypatch.setattr("sse_proxy.client_protocol.HEAD_SECONDS", 0.2)
    async with running(keep_alive_seconds=10 * LIMIT_SECONDS) as server, server.client() as client:
        client.ask("/request")
        client.writer.write(b"GET /hello HT")
        await becomes(
            lambda: bool([one for one in gc.get_objects() if isinstance(one, ClientProtocol) and not one.is_idle])
        )
        server.app.release.set()
        assert (await client.rest()).endswith(b"done")


async def test_a_pipelined_upload_that_stops_is_cut_off_when_its_turn_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before, as that would cut the answer in front of it."""
    monkeypatch.setattr("sse_proxy.client_protocol.UPLOAD_SECONDS", 0.1)
    monkeypatch.setattr("sse_proxy.client_protocol.ANSWER_SECONDS", 0.1)
    async with running() as server, server.client() as client:
        client.ask("/stream")
        client.ask("/echo", "POST", extra="content-length: 9\r\n")
        await client.until(b"one")
        await asyncio.sleep(0.3)  # more than an upload has
        server.app.release.set()
        await client.until(b"two")
        assert b"too long to arrive" in await client.rest()


@pytest.mark.parametrize("path", ["/request", "/stream"], ids=["answered", "cut"])
def test_the_end_that_we_make_under_tls_does_not_wait_for_the_client(
    in_loop: Callable[[Callable[[], Awaitable[None]]], None],
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    """It may never say goodbye: its request ends all the same, and its descriptor is free some seconds later."""
    monkeypatch.setattr("sse_proxy.client_ending.LINGER_SECONDS", 0.2)
    files = {"tls_cert_file": tmp_path / "cert.pem", "tls_key_file": tmp_path / "key.pem"}

    async def test() -> None:
        async with running(**files) as server:
            before = open_sockets()
            async with silent_tls(server.bound.traffic, authority) as (said, say):
                say(b"GET %s HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" % path.encode())
                await becomes(lambda: open_sockets() == before + 2)
                if path == "/stream":
                    await becomes(lambda: b"one" in said())
                say(b"nonsense\r\n")
                # The server has not waited for an answer to its goodbye; ours may be closed by the reset.
                await becomes(lambda: open_sockets() <= before + 1)
                assert (b"400 Bad Request" in said()) is (path == "/request")
            server.app.release.set()

    in_loop(test)


@pytest.mark.parametrize("listener", ["client", "admin"])
@pytest.mark.parametrize("expects", ["", "expect: 100-continue\r\n"])
async def test_a_body_that_stops_is_cut_off(monkeypatch: pytest.MonkeyPatch, listener: str, expects: str) -> None:
    """With an answer, as it may be an honest client's; also one that waits to be asked for the body."""
    monkeypatch.setattr("sse_proxy.client_protocol.UPLOAD_SECONDS", 0.1)
    monkeypatch.setattr("sse_proxy.client_protocol.ANSWER_SECONDS", 0.1)
    async with running() as server, getattr(server, listener)() as client:
        client.ask("/echo", "POST", extra=f"content-length: 9\r\n{expects}")
        client.writer.write(b"hell")
        said = await client.rest()
        assert b"HTTP/1.1 400 Bad Request" in said
        assert b"too long to arrive" in said


async def test_a_body_that_goes_on_slowly_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece has the time anew."""
    monkeypatch.setattr("sse_proxy.client_protocol.UPLOAD_SECONDS", 5)
    async with running() as server, server.client() as client:
        client.ask("/echo", "POST", extra="content-length: 5\r\n")
        for piece in (b"he", b"l", b"lo"):
            client.writer.write(piece)
            await asyncio.sleep(0.01)
        await client.until(b"\r\n\r\n")
        assert json.loads(await client.until(b"}"))["body"] == "hello"


async def test_a_body_that_we_do_not_read_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client cannot send while nobody takes it: the app is at fault, and has timeouts of its own."""
    monkeypatch.setattr("sse_proxy.client_protocol.UPLOAD_SECONDS", 0.05)
    monkeypatch.setattr("sse_proxy.client_protocol.ANSWER_SECONDS", 0.05)
    async with running() as server, server.client() as client:
        client.ask("/request", "POST", extra="content-length: 200000\r\n")
        client.writer.write(b"x" * 150_000)
        await asyncio.sleep(0.3)
        server.app.release.set()
        assert b"200 OK" in await client.until(b"\r\n\r\n")


@pytest.mark.parametrize("body", [b"hi", b"h"], ids=["complete", "incomplete"])
async def test_a_stream_outlives_the_time_for_its_request(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """That time is over with the last byte of the body, or the first of the answer."""
    monkeypatch.setattr("sse_proxy.client_protocol.UPLOAD_SECONDS", 0.1)
    async with running() as server, server.client() as client:
        client.ask("/stream", "POST", extra="content-length: 2\r\n")
        client.writer.write(body)
        await client.until(b"one")
        await asyncio.sleep(0.2)
        server.app.release.set()
        await client.until(b"two")
