"""`sockets`: the options of a listening socket, which the accepted ones inherit, and what is told when it cannot be."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
import sys
from collections.abc import Iterator

import pytest

from sse_proxy import sockets
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.listener import Listener
from sse_proxy.settings import Settings, SettingsError

from .server_app import Client, StreamApp

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")


@contextlib.contextmanager
def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """A connection as the server side sees it."""
    with listener, socket.create_connection(sockets.address_of(listener)), listener.accept()[0] as connection:
        yield connection


@linux_only
def test_an_accepted_socket_inherits_what_the_listener_has() -> None:
    """So no connection ever runs without the small send buffer and the stall timeout."""
    listener = sockets.listen("127.0.0.1", 0, send_buffer_bytes=65536, stall_timeout_seconds=1.5)
    with accepted(listener) as connection:
        # Linux doubles SO_SNDBUF for its own bookkeeping.
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * 65536
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@linux_only
def test_a_listener_without_limits_leaves_them_to_the_kernel() -> None:
    """The admin listener serves small answers."""
    with accepted(sockets.listen("127.0.0.1", 0)) as connection:
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


@linux_only
def test_a_tiny_stall_timeout_does_not_become_none() -> None:
    """0 milliseconds would switch it off."""
    with accepted(sockets.listen("127.0.0.1", 0, stall_timeout_seconds=0.0001)) as connection:
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1


def test_the_stall_timeout_is_left_out_where_the_kernel_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere than on Linux the application's own deadline has to do."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with sockets.listen("127.0.0.1", 0, stall_timeout_seconds=60) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def test_the_unspecified_ipv6_address_is_ipv4_too() -> None:
    """``::`` is what images and charts listen on."""
    with sockets.listen("::", 0) as listener:
        port = sockets.address_of(listener)[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port)).close()


def test_a_machine_without_ipv6_gets_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some clusters switch IPv6 off in the kernel."""
    real = socket.socket

    def without_ipv6(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, kind)

    monkeypatch.setattr(socket, "socket", without_ipv6)
    with sockets.listen("::", 0) as listener:
        assert listener.family == socket.AF_INET


@pytest.mark.parametrize("host, family", [("localhost", socket.AF_INET), ("[::1]", socket.AF_INET6)])
def test_a_name_or_a_bracketed_address_will_do(host: str, family: socket.AddressFamily) -> None:
    """``localhost`` is IPv4, which every client tries."""
    with sockets.listen(host, 0) as listener:
        assert listener.family == family


def test_a_taken_port_is_one_line() -> None:
    """It names the setting and the address."""
    with sockets.listen("127.0.0.1", 0) as first:
        port = sockets.address_of(first)[1]
        with pytest.raises(SettingsError, match=rf"^admin_port: cannot listen on 127.0.0.1:{port}: Address already"):
            sockets.listen("127.0.0.1", port, name="admin_port")


def test_an_unknown_host_is_one_line() -> None:
    """Not every name is this machine's."""
    with pytest.raises(SettingsError, match=r"^host: cannot listen on no-such-host.invalid:1: "):
        sockets.listen("no-such-host.invalid", 1)


@pytest.mark.parametrize("host, expected", [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")])
def test_an_address_is_written_as_in_a_url(host: str, expected: str) -> None:
    """An IPv6 address has brackets."""
    assert sockets.format_address((host, 80)) == expected


def test_the_soft_limit_of_open_files_becomes_the_hard_one() -> None:
    """Each stream takes two descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, before[1]), before[1]))
        sockets.raise_open_files_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_system_that_refuses_its_own_hard_limit_keeps_the_soft_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As macOS may."""

    def refuse(_which: int, _limits: tuple[int, int]) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    sockets.raise_open_files_limit()


def test_windows_has_no_such_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no module to ask."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "resource", None)
    sockets.raise_open_files_limit()
    assert sockets.connections_limit() == 0


@pytest.mark.parametrize(
    ("descriptors", "connections"), [(1024, 448), (200, 67), (3, 1), (1, 1), (resource.RLIM_INFINITY, 0)]
)
def test_clients_get_no_more_connections_than_there_are_descriptors_for(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, connections: int
) -> None:
    """Two for each, and some are left for the rest of the process."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (descriptors, descriptors))
    assert sockets.connections_limit() == connections


async def test_what_the_server_answers_without_a_request_is_counted_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No application sees it: neither a mistake in a head nor a connection that is turned away."""
    counted: list[int] = []
    turned_away: list[str] = []
    with sockets.listen("127.0.0.1", 0) as listening:
        listener = Listener(
            StreamApp(Lifecycle()),
            listening,
            Settings(),
            lifespan="off",
            count_unasked=counted.append,
            count_turned_away=lambda: turned_away.append("one"),
        )
        await listener.start()
        async with Client.to(listener.address) as client:
            client.writer.write(b"nonsense\r\n\r\n")
            assert b" 400 " in await client.rest()
        listener.config.max_connections = 1  # type: ignore[attr-defined]  # what the limit of descriptors sets
        async with Client.to(listener.address) as first:
            await first.answer("/hello")
            async with Client.to(listener.address) as second:
                assert b" 503 " in await second.rest()
        await listener.stop()
    assert counted == [400, 503]
    assert turned_away == ["one"]
    assert [text.count("answered by the server itself") for text in caplog.messages].count(1) == 2
