"""Proves `sse_proxy.upstream.descriptors` with a pair of sockets; the tests of its users do so over TCP."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket
import ssl
import sys
from collections.abc import Iterator

import pytest

from sse_proxy.upstream.descriptors import enable_keep_alive, has_input, is_vouched_for, reset_if_unsent, unread

from .conftest import LIMIT_SECONDS


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours, which does not block, and the peer's."""
    ours, peer = socket.socketpair()
    with ours, peer:
        ours.settimeout(0)
        yield ours, peer


def test_bytes_and_an_end_are_input(pair: tuple[socket.socket, socket.socket]) -> None:
    """Nothing is taken out by looking."""
    ours, peer = pair
    transport = asyncio.Transport({"socket": ours})
    assert not has_input(transport)
    peer.send(b"x")
    assert has_input(transport)
    assert ours.recv(10) == b"x"
    peer.close()
    assert has_input(transport)


def test_what_is_unread_comes_whole_with_an_end_behind_it_or_without(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """It never waits for more."""
    ours, peer = pair
    transport = asyncio.Transport({"socket": ours})
    assert list(unread(transport)) == []
    peer.send(b"x" * 100_000)
    assert b"".join(unread(transport)) == b"x" * 100_000
    peer.send(b"last")
    peer.close()
    assert list(unread(transport)) == [b"last"]


def test_nothing_is_unread_under_tls(pair: tuple[socket.socket, socket.socket]) -> None:
    """The bytes of the socket are not those of the connection."""
    ours, peer = pair
    peer.send(b"ciphertext")
    assert list(unread(asyncio.Transport({"socket": ours, "sslcontext": ssl.create_default_context()}))) == []


def test_keep_alive_is_set(pair: tuple[socket.socket, socket.socket]) -> None:
    """On unix sockets it does no harm."""
    enable_keep_alive(asyncio.Transport({"socket": pair[0]}))
    assert pair[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


class _Transport(asyncio.Transport):
    """Of *handle*, with *buffered* bytes that it has not written yet."""

    def __init__(self, handle: socket.socket, buffered: int = 0) -> None:
        super().__init__({"socket": handle})
        self._buffered = buffered

    def get_write_buffer_size(self) -> int:
        return self._buffered


@pytest.fixture
def over_tcp() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours, which does not block, and the peer's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    with ours, peer:
        ours.settimeout(0)
        yield ours, peer


@pytest.mark.skipif(sys.platform != "linux", reason="SIOCOUTQ is Linux's")
def test_a_peer_that_does_not_read_is_reset(over_tcp: tuple[socket.socket, socket.socket]) -> None:
    """It learns at once that it was left, in place of an end behind megabytes that it may never read."""
    ours, peer = over_tcp
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(bytes(65536))
    reset_if_unsent(_Transport(ours))
    ours.close()
    peer.settimeout(LIMIT_SECONDS)
    with pytest.raises(ConnectionResetError):
        collections.deque(iter(lambda: peer.recv(65536), b""), maxlen=0)


@pytest.mark.skipif(sys.platform != "linux", reason="SIOCOUTQ is Linux's")
def test_a_peer_is_reset_for_what_is_not_even_written(over_tcp: tuple[socket.socket, socket.socket]) -> None:
    """The transport's own buffer counts too."""
    ours, peer = over_tcp
    reset_if_unsent(_Transport(ours, 1))
    ours.close()
    peer.settimeout(LIMIT_SECONDS)
    with pytest.raises(ConnectionResetError):
        peer.recv(1)


def test_a_peer_that_has_taken_everything_gets_an_end(over_tcp: tuple[socket.socket, socket.socket]) -> None:
    """A reset could destroy what it has not read yet."""
    ours, peer = over_tcp
    ours.send(b"all")
    peer.settimeout(LIMIT_SECONDS)
    assert peer.recv(3) == b"all"
    reset_if_unsent(_Transport(ours))
    ours.close()
    assert peer.recv(1) == b""


def test_a_closed_socket_is_left_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    """There is nobody to be reset."""
    pair[0].close()
    reset_if_unsent(_Transport(pair[0]))


def test_elsewhere_than_on_linux_nothing_is_asked(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of the question means something else there."""
    monkeypatch.setattr(sys, "platform", "darwin")
    reset_if_unsent(_Transport(pair[0], 1))
    assert pair[0].getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == bytes(8)


class _Tls:
    """What OpenSSL says to a read behind the end."""

    def __init__(self, answer: bytes | ssl.SSLError) -> None:
        self._answer = answer

    def read(self, _size: int) -> bytes:
        if isinstance(self._answer, ssl.SSLError):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"", True), (ssl.SSLZeroReturnError(), True), (ssl.SSLWantReadError(), False), (ssl.SSLEOFError(), False)],
)
def test_an_end_under_tls_is_the_peers_own_if_it_said_so(answer: bytes | ssl.SSLError, expected: bool) -> None:
    """Its close_notify comes out of a read as the end, at first, and as an error later."""
    assert is_vouched_for(asyncio.Transport({"ssl_object": _Tls(answer)})) is expected


def test_an_end_without_tls_is_believed() -> None:
    """There is nothing else to go by."""
    assert is_vouched_for(asyncio.Transport())


def test_a_socket_that_the_event_loop_has_given_up_is_left_alone() -> None:
    """In uvloop it has none any more by the time that it tells of the loss."""
    reset_if_unsent(asyncio.Transport())
