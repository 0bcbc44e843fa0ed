"""`server`, `listener` and `drain` in the test's own loop: what clients see from the start to the end of a drain."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from starlette.types import Receive, Scope, Send

from sse_proxy import server as server_module
from sse_proxy.core.lag import LagGuard
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.listener import Listener
from sse_proxy.metrics.base import NullMetrics
from sse_proxy.server import Bound, serve
from sse_proxy.settings import Settings, SettingsError
from sse_proxy.sockets import address_of, listen

from .conftest import LIMIT_SECONDS
from .server_app import StreamApp, running


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """A certificate authority, with a certificate of 127.0.0.1 in ``cert.pem`` and ``key.pem``."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return authority


async def test_the_lifespan_of_the_app_is_around_everything() -> None:
    """Its shutdown comes after the last request."""
    async with running() as server:
        assert server.app.lifespan == ["startup"]
        async with server.client() as client:
            assert await client.answer("/hello") == (200, b"hello")
        server.stop.set()
        assert await server.code() == 0
        assert server.app.lifespan == ["startup", "shutdown"]


async def test_a_stream_that_ends_in_time_is_not_cut() -> None:
    """Both listeners answer meanwhile; readiness fails, and new requests are refused."""
    async with running(drain_delay_seconds=0, drain_seconds=30) as server, server.client() as client:
        client.ask("/stream")
        await client.until(b"one")
        server.stop.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            while not server.app.lifecycle.refusing:
                await asyncio.sleep(0.005)
        async with server.client() as late, server.admin() as admin:
            assert await late.answer("/hello") == (503, b"draining")
            assert (await admin.answer("/readyz"))[0] == 503
        assert not server.task.done()
        server.app.release.set()
        assert (await client.rest()).endswith(b"3\r\ntwo\r\n0\r\n\r\n")
        assert await server.code() == 0


async def test_readiness_fails_before_requests_are_refused() -> None:
    """Load balancers learn late that this replica is leaving."""
    async with running(drain_delay_seconds=600) as server, server.client() as client, server.admin() as admin:
        assert (await admin.answer("/readyz"))[0] == 200
        server.stop.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            while not server.app.lifecycle.draining:
                await asyncio.sleep(0.005)
        assert (await admin.answer("/readyz"))[0] == 503
        assert await client.answer("/hello") == (200, b"hello")
        server.task.cancel()


async def test_a_stream_that_does_not_end_is_cut_and_ends_cleanly() -> None:
    """Exit code 0 all the same."""
    async with running(drain_seconds=0.05) as server, server.client() as client:
        client.ask("/stream")
        await client.until(b"one")
        server.stop.set()
        assert (await client.rest()).endswith(b"3\r\ncut\r\n0\r\n\r\n")
        assert await server.code() == 0
        assert server.app.lifespan == ["startup", "shutdown"]


async def test_a_request_that_is_no_stream_may_end_too() -> None:
    """Nobody likes half a JSON document."""
    async with running(drain_seconds=30) as server, server.client() as client:
        client.ask("/request")
        await asyncio.sleep(0)
        async with server.client() as other:
            await other.answer("/hello")  # by now the request has been read
        server.stop.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            while not server.app.lifecycle.refusing:
                await asyncio.sleep(0.005)
        server.app.release.set()
        # The connection is not kept for a next request, so this is all.
        assert (await client.rest()).endswith(b"done")
        assert await server.code() == 0


async def test_what_ends_neither_by_itself_nor_when_cut_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait has a bound; the client sees a broken end."""
    monkeypatch.setattr("sse_proxy.drain.CUT_GRACE_SECONDS", 0.05)
    monkeypatch.setattr("sse_proxy.listener.FLUSH_SECONDS", 0.05)
    async with running() as server, server.client() as client:
        client.ask("/stubborn")
        await client.until(b"one")
        server.stop.set()
        with contextlib.suppress(ConnectionResetError):
            assert not (await client.rest()).endswith(b"0\r\n\r\n")
        assert await server.code() == 0


async def test_a_drain_that_the_admin_port_began_has_no_second_delay() -> None:
    """A pod's preStop has told the load balancers already, and the grace period runs."""
    async with running(drain_delay_seconds=600, drain_seconds=30) as server:
        server.app.lifecycle.refuse()
        server.stop.set()
        assert await server.code() == 0


async def test_a_delay_that_the_admin_port_began_is_not_begun_again() -> None:
    """It ends for both at once."""
    async with running(drain_delay_seconds=600, drain_seconds=30) as server, server.admin() as admin:
        server.app.lifecycle.drain()
        server.stop.set()
        assert (await admin.answer("/readyz"))[0] == 503
        assert not server.task.done()
        server.app.lifecycle.refuse()
        assert await server.code() == 0


async def test_idle_connections_are_closed_once_requests_are_refused() -> None:
    """One that has had no request yet may have one under way, and stays until the end."""
    async with running(drain_seconds=30) as server:
        async with server.client() as idle, server.client() as new, server.client() as busy:
            await idle.answer("/hello")
            busy.ask("/stream")
            await busy.until(b"one")
            server.stop.set()
            assert await idle.rest() == b""
            assert await new.answer("/hello") == (503, b"draining")
            server.app.release.set()
            await busy.rest()
            assert await new.rest() == b""
        assert await server.code() == 0


async def test_extra_apps_run_beside_and_their_sockets_are_closed() -> None:
    """The demo's mock is one; it needs no lifespan."""

    async def extra(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise TypeError("no lifespan here")
        await send({"type": "http.response.start", "status": 204, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    listening = listen("127.0.0.1", 0)
    lifecycle, stop, told = Lifecycle(), asyncio.Event(), list[Bound]()
    app = StreamApp(lifecycle)

    def tell(bound: Bound) -> None:
        told.append(bound)
        stop.set()

    settings = Settings(port=0, drain_delay_seconds=0)
    code = await serve(
        app,
        None,
        settings,
        lifecycle=lifecycle,
        metrics=NullMetrics(),
        on_ready=tell,
        stop=stop,
        extra=[(extra, listening)],
    )
    assert code == 0
    assert told[0].admin is None
    assert len(told[0].extra) == 1
    assert listening.fileno() == -1


async def test_an_app_that_does_not_start_is_exit_code_3() -> None:
    """As uvicorn; nothing listens any more."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    code = await serve(app, app, Settings(port=0, admin_port=0), lifecycle=Lifecycle(), metrics=NullMetrics())
    assert code == 3


async def test_a_taken_port_is_an_error_before_anything_starts() -> None:
    """And the port that was free is free again."""
    with listen("127.0.0.1", 0) as taken, listen("127.0.0.1", 0) as probe:
        port, free = address_of(taken)[1], address_of(probe)[1]
        probe.close()
        lifecycle = Lifecycle()
        app = StreamApp(lifecycle)
        settings = Settings(port=free, admin_port=port)
        with pytest.raises(SettingsError, match=f"^admin_port: cannot listen on 127.0.0.1:{port}"):
            await serve(app, app, settings, lifecycle=lifecycle, metrics=NullMetrics())
        assert app.lifespan == []
        listen("127.0.0.1", free).close()


async def test_a_listener_that_was_never_started_just_closes_its_socket() -> None:
    """As after a failure of the one before it."""
    listening = listen("127.0.0.1", 0)
    await Listener(StreamApp(Lifecycle()), listening, Settings(), lifespan="off").stop()
    assert listening.fileno() == -1


async def test_a_listener_that_breaks_ends_the_process() -> None:
    """Better restarted than half alive."""
    async with running() as server:
        [listener] = [task for task in asyncio.all_tasks() if "Server.serve" in repr(task)][:1]
        listener.cancel()
        assert await server.code() == 1


async def test_the_event_loop_lag_is_sampled(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The metrics are told how late a timer ran, and so is who lets streams in; the log, when that changes anything."""
    monkeypatch.setattr(server_module, "_LAG_INTERVAL_SECONDS", 0.001)

    class Sampled(NullMetrics):
        lags: asyncio.Queue[float] = asyncio.Queue()

        def loop_lag(self, seconds: float) -> None:
            self.lags.put_nowait(seconds)

    class Guard(LagGuard):
        def sample(self, lag_seconds: float, now: float) -> bool:
            self.refuses = now > 0
            return True

    lifecycle, stop = Lifecycle(), asyncio.Event()
    lifecycle.lag = Guard()
    settings = Settings(port=0, drain_delay_seconds=0)
    task = asyncio.create_task(
        serve(StreamApp(lifecycle), None, settings, lifecycle=lifecycle, metrics=Sampled(), stop=stop)
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        assert await Sampled.lags.get() >= 0
    assert lifecycle.lag.refuses
    assert "new streams are refused" in caplog.text
    stop.set()
    assert await task == 0


async def test_tls_is_on_the_traffic_listener_only(authority: trustme.CA, tmp_path: Path) -> None:
    """Probes and scrapes stay plain."""
    files = {"tls_cert_file": tmp_path / "cert.pem", "tls_key_file": tmp_path / "key.pem"}
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with (
        running(**files) as server,
        server.client(ssl=context, server_hostname="127.0.0.1") as client,
        server.admin() as admin,
    ):
        assert b'"scheme": "https"' in (await client.answer("/scope"))[1]
        assert b'"scheme": "http"' in (await admin.answer("/scope"))[1]


async def test_mtls_lets_in_who_has_a_certificate(authority: trustme.CA, tmp_path: Path) -> None:
    """And nobody else."""
    names = {"tls_cert_file": "cert.pem", "tls_key_file": "key.pem", "tls_client_ca_file": "ca.pem"}
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with running(**{name: tmp_path / file for name, file in names.items()}) as server:
        with pytest.raises((ssl.SSLError, OSError, asyncio.IncompleteReadError)):
            async with server.client(ssl=context, server_hostname="127.0.0.1") as client:
                await client.answer("/hello")
        authority.issue_cert("client.example").configure_cert(context)
        async with server.client(ssl=context, server_hostname="127.0.0.1") as client:
            assert await client.answer("/hello") == (200, b"hello")


@pytest.mark.parametrize("ending", ["sse_proxy.abort", "sse_proxy.close"])
async def test_a_connection_with_tls_can_be_dropped_too(authority: trustme.CA, tmp_path: Path, ending: str) -> None:
    """The socket under the TLS is what counts."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    files = {"tls_cert_file": tmp_path / "cert.pem", "tls_key_file": tmp_path / "key.pem"}
    async with running(**files) as server:
        server.app.ending = ending
        async with server.client(ssl=context, server_hostname="127.0.0.1") as client:
            client.ask("/broken")
            try:
                received = await client.rest()
            except OSError:
                assert ending == "sse_proxy.abort"
            else:
                assert not received.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_an_unusable_certificate_is_one_line(content: str | None, tmp_path: Path) -> None:
    """Before anything listens."""
    path = tmp_path / "cert.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=r"^tls_cert_file: got .*, expected a PEM certificate and its key: "):
        async with running(tls_cert_file=path, tls_key_file=path):
            pass


class _Terminal:
    closed = False

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "number, terminal, expected",
    [
        (signal.SIGTERM, _Terminal(), (5.0, 20.0)),
        (signal.SIGINT, _Terminal(), (0.0, 2.0)),
        (signal.SIGINT, None, (5.0, 20.0)),
    ],
)
def test_ctrl_c_on_a_terminal_is_short(
    monkeypatch: pytest.MonkeyPatch, number: int, terminal: Any, expected: tuple[float, float]
) -> None:
    """Elsewhere SIGINT is how some supervisors say SIGTERM."""
    monkeypatch.setattr("sys.stdin", terminal)
    monkeypatch.setattr("sys.stderr", None)
    assert server_module._drain_times(Settings(), number) == expected  # noqa: SLF001 -- a terminal is hard to come by


async def test_ipv6_and_ipv4_clients_reach_the_same_listener() -> None:
    """``::`` is what charts and images set."""
    async with running(host="::") as server:
        port = server.bound.traffic[1]
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port)):
                pass
