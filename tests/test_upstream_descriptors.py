"""Proves `sse_proxy.upstream.descriptors` with a pair of sockets; the tests of its users do so over TCP."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator

import pytest

from sse_proxy.upstream.descriptors import enable_keep_alive, has_input, unread


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
