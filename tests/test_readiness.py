"""Readiness: the steadied state, and the probe against real sockets."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from sse_proxy import readiness
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.readiness import Hysteresis, UpstreamProbe, probe_response
from sse_proxy.settings import Settings

from .conftest import LIMIT_SECONDS, free_port


class _Upstream:
    """Answers each connection with *reply* after reading a request, or at once where it waits for none.

    ``reply=None`` keeps silent until the peer has left.
    """

    def __init__(self, reply: bytes | None) -> None:
        self.reply = reply
        self.requests: list[bytes] = []
        self.left = asyncio.Semaphore(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.reply is not None:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.reply)
                await writer.drain()
                if writer.can_write_eof():
                    writer.write_eof()
            while await reader.read(1000):
                pass
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()
            self.left.release()


@asynccontextmanager
async def _listening(upstream: _Upstream, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _settings(upstream: str, readiness_upstream: str = "tcp") -> Settings:
    return Settings(upstream=upstream, readiness_upstream=readiness_upstream)


@pytest.mark.parametrize(
    "outcomes, ready",
    [
        ("", False),
        ("-", False),
        ("+", True),
        ("---+", True),
        ("+--", True),
        ("+---", False),
        ("+--+--", True),
        ("+--+---", False),
        ("+---+", True),
    ],
)
def test_one_success_is_enough_and_three_failures_in_a_row_are_not(outcomes: str, ready: bool) -> None:
    """At first unready; ready after any success; unready after the third failure in a row."""
    state = Hysteresis()
    for outcome in outcomes:
        state.record(success=outcome == "+")
    assert state.ready is ready


@pytest.mark.parametrize(
    "draining, upstream, expected",
    [
        (False, True, (200, {"status": "ready"})),
        (False, False, (503, {"status": "unready", "reason": "upstream"})),
        (True, True, (503, {"status": "unready", "reason": "draining"})),
        (True, False, (503, {"status": "unready", "reason": "draining"})),
    ],
)
def test_the_answer_to_a_probe_names_the_reason(
    draining: bool, upstream: bool, expected: tuple[int, dict[str, str]]
) -> None:
    """Ready is 200; else 503, and a drain, which does not pass by itself, is named first."""
    lifecycle = Lifecycle()
    if draining:
        lifecycle.drain()
    assert expected == probe_response(lifecycle, lambda: upstream)


async def test_tcp_is_ready_as_soon_as_the_upstream_accepts() -> None:
    """``tcp`` connects, asks nothing, and leaves the connection at once."""
    upstream = _Upstream(None)
    async with _listening(upstream) as port:
        probe = UpstreamProbe(_settings(f"http://127.0.0.1:{port}"))
        assert not probe.ready()
        await probe.check()
        assert probe.ready()
        async with asyncio.timeout(LIMIT_SECONDS):
            await upstream.left.acquire()
    assert upstream.requests == []


@pytest.mark.parametrize("kind", ["tcp", "/health"])
async def test_an_upstream_that_refuses_makes_unready_after_three_probes(kind: str) -> None:
    """Nothing listens: two failed probes are forgiven, the third is not."""
    upstream = _Upstream(b"HTTP/1.1 200 OK\r\n\r\n")
    async with _listening(upstream) as port:
        probe = UpstreamProbe(_settings(f"http://127.0.0.1:{port}", kind))
        if kind == "tcp":
            upstream.reply = None
        await probe.check()
    for expected in (True, True, False):
        await probe.check()
        assert probe.ready() is expected


async def test_a_unix_socket_is_probed(tmp_path: Path) -> None:
    """``unix:`` upstreams are reached by their path, with a request too."""
    upstream = _Upstream(b"HTTP/1.1 204 No Content\r\n\r\n")
    async with await asyncio.start_unix_server(upstream.serve, tmp_path / "s"):
        probe = UpstreamProbe(_settings(f"unix:{tmp_path / 's'}", "/health"))
        await probe.check()
    assert probe.ready()
    assert b"\r\nHost: localhost\r\n" in upstream.requests[0]


@pytest.mark.parametrize(
    "reply, ready",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.0 302 Found\r\n\r\n", True),
        (b"HTTP/1.1 399\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", False),
        (b"HTTP/1.1 503 Loading model\r\n\r\n", False),
        (b"HTTP/1.1 099 Odd\r\n\r\n", False),
        (b"220 smtp.example.com\r\n", False),
        (b"x" * 200_000, False),
        (b"", False),
    ],
)
async def test_a_path_is_ready_below_400(reply: bytes, ready: bool) -> None:
    """A status line below 400 is ready; any other, or none within a bounded line, is not."""
    upstream = _Upstream(reply)
    async with _listening(upstream) as port:
        probe = UpstreamProbe(_settings(f"http://127.0.0.1:{port}/prefix", "/health?deep=1&name=ä"))
        await probe.check()
        assert probe.ready() is ready
        async with asyncio.timeout(LIMIT_SECONDS):
            await upstream.left.acquire()
    head = upstream.requests[0].split(b"\r\n")
    assert head[0] == b"GET /health?deep=1&name=%C3%A4 HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}".encode() in head


async def test_a_path_over_tls_trusts_the_given_context() -> None:
    """The caller's context decides which certificates count; without one the system's does."""
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with _listening(_Upstream(b"HTTP/1.1 200 OK\r\n\r\n"), server) as port:
        settings = _settings(f"https://localhost:{port}", "/health")
        trusting, doubting = UpstreamProbe(settings, ssl_context=client), UpstreamProbe(settings)
        await trusting.check()
        await doubting.check()
        assert trusting.ready()
        assert not doubting.ready()


@pytest.mark.parametrize("scheme, limit", [("http", "RESPONSE_TIMEOUT_SECONDS"), ("https", "CONNECT_TIMEOUT_SECONDS")])
async def test_a_silent_upstream_costs_a_bounded_time(monkeypatch: pytest.MonkeyPatch, scheme: str, limit: str) -> None:
    """No status line and no TLS handshake in time are failures, and the connection is closed."""
    monkeypatch.setattr(readiness, limit, 0.05)
    upstream = _Upstream(None)
    async with _listening(upstream) as port:
        probe = UpstreamProbe(_settings(f"{scheme}://127.0.0.1:{port}", "/health"))
        async with asyncio.timeout(LIMIT_SECONDS):
            await probe.check()
            await upstream.left.acquire()
    assert not probe.ready()


async def test_tcp_needs_no_handshake_of_a_tls_upstream() -> None:
    """For ``tcp`` an accepted connection is enough, whatever is spoken on it."""
    async with _listening(_Upstream(None)) as port:
        probe = UpstreamProbe(_settings(f"https://127.0.0.1:{port}"))
        await probe.check()
    assert probe.ready()


@pytest.mark.parametrize("scheme, port", [("http", 80), ("https", 443)])
async def test_the_port_is_the_schemes_where_none_is_given(
    monkeypatch: pytest.MonkeyPatch, scheme: str, port: int
) -> None:
    """Without a port the scheme's own is dialled."""
    dialled: list[tuple[str, int]] = []

    async def refuse(host: str, port: int, **_: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        dialled.append((host, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio, "open_connection", refuse)
    await UpstreamProbe(_settings(f"{scheme}://[::1]/base")).check()
    assert dialled == [("::1", port)]


async def test_off_is_ready_without_a_single_connection() -> None:
    """``off`` needs no probe: `run` has nothing to do."""
    probe = UpstreamProbe(_settings(f"http://127.0.0.1:{free_port()}", "off"))
    assert probe.ready()
    await probe.run()
    assert probe.ready()


async def test_running_probes_again_and_again() -> None:
    """`run` goes on after successes and after failures, until it is cancelled."""
    upstream = _Upstream(b"HTTP/1.1 500 Oops\r\n\r\n")
    async with _listening(upstream) as port:
        probe = UpstreamProbe(_settings(f"http://127.0.0.1:{port}", "/health"), interval_seconds=0)
        running = asyncio.create_task(probe.run())
        async with asyncio.timeout(LIMIT_SECONDS):
            await upstream.left.acquire()
            assert not probe.ready()
            upstream.reply = b"HTTP/1.1 200 OK\r\n\r\n"
            for _ in range(3):
                await upstream.left.acquire()
            assert probe.ready()
        await _end(running)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_process_without_descriptors_says_nothing_about_the_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is full, not cut off: unready, its load would go to the next replica, which is full as well then."""
    async with _listening(_Upstream(None)) as port:
        probe = UpstreamProbe(_settings(f"http://127.0.0.1:{port}"))
        await probe.check()

    async def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(asyncio, "open_connection", full)
    for _ in range(10):
        await probe.check()
    assert probe.ready()
