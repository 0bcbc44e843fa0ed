"""`doctor.asking` over real sockets: what came when, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme

from sse_proxy.doctor import asking
from sse_proxy.doctor.asking import Asker
from sse_proxy.doctor.observed import Answer, End, Request

from .conftest import LIMIT_SECONDS, free_port

Writer = asyncio.StreamWriter
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Server:
    """Answers each connection with *parts*, one write for each; a callable among them is done instead."""

    def __init__(self, *parts: bytes | Callable[[Writer], None]) -> None:
        self._parts = parts
        self.heads: list[bytes] = []
        self.sent = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        for part in self._parts:
            if callable(part):
                part(writer)
            else:
                writer.write(part)
                await writer.drain()
        self.sent.set()
        with contextlib.suppress(OSError):
            await reader.read()  # until the client leaves


Serve = Callable[[asyncio.StreamReader, Writer], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The URL of a server that runs *serve* for each connection, and closes it in the end."""
    handlers: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: Writer) -> None:
        current = asyncio.current_task()
        assert current is not None
        handlers.append(current)
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    running = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with running:
        host = "127.0.0.1" if context is None else "localhost"
        yield f"http{'s' if context else ''}://{host}:{running.sockets[0].getsockname()[1]}"
        if handlers:
            _done, hanging = await asyncio.wait(handlers, timeout=LIMIT_SECONDS)
            assert not hanging


async def asked(
    *parts: bytes | Callable[[Writer], None], request: Request | None = None, seconds: float = LIMIT_SECONDS
) -> tuple[Answer, Server]:
    """The answer of a `Server`."""
    server = Server(*parts)
    async with listening(server.serve) as url:
        answer = await Asker().ask(request or Request(url=url + "/events?a=b"), seconds=seconds)
    return answer, server


def close(writer: Writer) -> None:
    """Close in good order."""
    writer.close()


def reset(writer: Writer) -> None:
    """Close with a reset."""
    handle: socket.socket = writer.get_extra_info("socket")
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize(
    "parts, end, body",
    [
        ([CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"], End.COMPLETE, b"abc"),
        ([HEAD + b"Content-Length: 3\r\n\r\nabc"], End.COMPLETE, b"abc"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], End.COMPLETE, b""),
        ([HEAD + b"\r\nabc", close], End.CLOSED, b"abc"),
        ([CHUNKED + b"3\r\nabc\r\n", close], End.CUT, b"abc"),
        ([HEAD + b"Content-Length: 5\r\n\r\nabc", close], End.CUT, b"abc"),
        ([CHUNKED + b"3\r\nabc\r\nxyz\r\n"], End.CUT, b"abc"),
    ],
    ids=["chunks", "length", "no content", "closed", "cut", "short", "garbage"],
)
async def test_how_a_response_ended_is_told_by_its_framing(
    parts: list[bytes | Callable[[Writer], None]], end: End, body: bytes
) -> None:
    """RFC 9112 § 6.3: where there is none, a close may be anything."""
    answer, _server = await asked(*parts)
    assert (answer.end, answer.body, answer.failure) == (end, body, "")


async def test_a_reset_in_the_middle_is_a_cut() -> None:
    """As of a server that was killed."""
    server = Server(CHUNKED + b"3\r\nabc\r\n")
    writers: list[Writer] = []

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        writers.append(writer)
        await server.serve(reader, writer)

    async with listening(serve) as url:
        asking_ = asyncio.create_task(Asker().ask(Request(url=url), seconds=LIMIT_SECONDS))
        await server.sent.wait()
        await asyncio.sleep(0.05)  # else the reset may overtake the bytes
        reset(writers[0])
        answer = await asking_
    assert answer.end is End.CUT


async def test_status_version_and_headers_are_those_of_the_wire() -> None:
    """Of the final response; an interim one is none."""
    answer, server = await asked(
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 0\r\n\r\n",
    )
    assert (answer.status, answer.http_version) == (200, "1.0")
    assert answer.headers == (("x-a", "1"), ("x-a", "2"), ("content-length", "0"))
    assert answer.values("x-a") == ["1", "2"]
    assert server.heads[0].startswith(b"GET /events?a=b HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_each_read_has_its_time() -> None:
    """In the order of the wire, with the chunks of one read together."""
    first, second = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        await first.wait()
        writer.write(b"1\r\na\r\n1\r\nb\r\n")
        await second.wait()
        writer.write(b"1\r\nc\r\n0\r\n\r\n")

    async with listening(serve) as url:
        asking_ = asyncio.create_task(Asker().ask(Request(url=url), seconds=LIMIT_SECONDS))
        await asyncio.sleep(0.05)
        first.set()
        await asyncio.sleep(0.05)
        second.set()
        answer = await asking_
    assert [read.data for read in answer.reads] == [b"ab", b"c"]
    times = [answer.head_at, *(read.at for read in answer.reads)]
    assert times == sorted(times)
    assert answer.reads[1].at - answer.reads[0].at >= 0.02
    assert answer.ended_at >= answer.last_byte_at == answer.reads[-1].at


async def test_a_post_has_its_body_and_its_length() -> None:
    """And a Host of its own where it has none."""
    server = Server(HEAD + b"Content-Length: 0\r\n\r\n")
    async with listening(server.serve) as url:
        wanted = Request(method="POST", url=url, headers=(("Host", "other"), ("X-A", "b")), body=b"{}")
        await Asker().ask(wanted, seconds=LIMIT_SECONDS)
    assert server.heads == [b"POST / HTTP/1.1\r\nHost: other\r\nX-A: b\r\nContent-Length: 2\r\n\r\n"]


async def test_an_endless_stream_is_left_when_its_time_is_over() -> None:
    """It is not called cut."""
    answer, _server = await asked(CHUNKED + b"1\r\na\r\n", seconds=0.2)
    assert (answer.end, answer.body) == (End.LEFT, b"a")
    assert answer.ended_at >= 0.2


async def test_a_body_without_end_is_left_when_it_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it stands in memory."""
    monkeypatch.setattr(asking, "MAX_BODY_BYTES", 10)
    answer, _server = await asked(HEAD + b"\r\n" + b"x" * 20)
    assert answer.end is End.LEFT


@pytest.mark.parametrize(
    "parts, failure",
    [
        ([close], "the connection was closed before there was a response"),
        ([reset], "the connection was reset before there was a response"),
        ([b"SSH-2.0\r\n\r\n"], "what came is no HTTP/1 response"),
    ],
    ids=["closed", "reset", "garbage"],
)
async def test_why_there_is_no_response_is_told(parts: list[bytes | Callable[[Writer], None]], failure: str) -> None:
    """In words, since there is nothing else to go by."""
    answer, _server = await asked(*parts)
    assert (answer.status, answer.end) == (0, End.NONE)
    assert answer.failure.startswith(failure)


async def test_a_server_that_says_nothing_is_given_up() -> None:
    """With the seconds that it had."""
    answer, _server = await asked(seconds=0.1)
    assert answer.failure == "no response within 0.1 seconds"


async def test_a_change_of_protocol_is_no_stream() -> None:
    """What follows is not HTTP."""
    answer, _server = await asked(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
    assert answer.end is not End.COMPLETE


@pytest.mark.parametrize(
    "url, failure",
    [
        ("http://127.0.0.1:{port}", "the connection was refused"),
        ("http://nobody.invalid", "no connection could be made"),
    ],
)
async def test_a_server_that_is_not_there_is_told(url: str, failure: str) -> None:
    """By what the system says of it."""
    answer = await Asker().ask(Request(url=url.format(port=free_port())), seconds=LIMIT_SECONDS)
    assert answer.failure == failure


@pytest.fixture
def authority() -> trustme.CA:
    """Who signs the certificates."""
    return trustme.CA()


def server_context(authority: trustme.CA, *protocols: str) -> ssl.SSLContext:
    """TLS of a server that speaks *protocols*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    context.set_alpn_protocols(list(protocols))
    return context


def trusting(authority: trustme.CA) -> Callable[[], ssl.SSLContext]:
    """What a client of *authority* makes TLS with."""

    def context() -> ssl.SSLContext:
        made = ssl.create_default_context()
        authority.configure_trust(made)
        return made

    return context


async def test_https_is_asked_with_the_given_authorities(authority: trustme.CA) -> None:
    """And refused without them, by name."""
    server = Server(HEAD + b"Content-Length: 2\r\n\r\nok")
    async with listening(server.serve, server_context(authority, "http/1.1")) as url:
        answer = await Asker(trusting(authority)).ask(Request(url=url), seconds=LIMIT_SECONDS)
        assert answer.body == b"ok"
        refused = await Asker().ask(Request(url=url), seconds=LIMIT_SECONDS)
    assert refused.failure.startswith("the TLS certificate is not trusted: ")


async def test_https_to_a_server_without_tls_is_told(authority: trustme.CA) -> None:
    """A common mistake in front of a port."""

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(serve) as url:
        failed = await Asker(trusting(authority)).ask(Request(url=url.replace("http", "https")), seconds=LIMIT_SECONDS)
    assert failed.failure == "TLS failed"


@pytest.mark.parametrize("protocols, offered", [(("h2", "http/1.1"), True), (("http/1.1",), False)])
async def test_whether_http_2_is_offered_is_asked_by_a_handshake(
    authority: trustme.CA, protocols: tuple[str, ...], offered: bool
) -> None:
    """No request is sent for it."""
    server = Server()
    async with listening(server.serve, server_context(authority, *protocols)) as url:
        assert await Asker(trusting(authority)).offers_http2(url) is offered
    assert server.heads == []


async def test_whether_http_2_is_offered_cannot_always_be_told() -> None:
    """Without TLS nobody asks, and without a connection nobody answers."""
    assert await Asker().offers_http2("http://127.0.0.1:1") is None
    assert await Asker().offers_http2(f"https://127.0.0.1:{free_port()}") is None
    assert await Asker(lambda: None).offers_http2("https://127.0.0.1:1") is None
