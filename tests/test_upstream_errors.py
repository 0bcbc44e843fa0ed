"""Proves `sse_proxy.upstream.errors`: every failure of any transport has one error of ours."""

from __future__ import annotations

import socket
import ssl

import httpx
import pytest

from sse_proxy import errors
from sse_proxy.upstream import IncompleteMessage, translate

ADDRESS = "10.1.2.3:8000"

# exception, ours when nothing was sent, ours when something was
CASES: list[tuple[Exception, type[errors.SSEProxyError], type[errors.SSEProxyError]]] = [
    (httpx.ConnectError(ADDRESS), errors.ConnectFailed, errors.ConnectFailed),
    (httpx.ProxyError(ADDRESS), errors.ConnectFailed, errors.ConnectFailed),
    (httpx.ConnectTimeout(ADDRESS), errors.ConnectTimeout, errors.ConnectTimeout),
    (httpx.PoolTimeout(ADDRESS), errors.ConnectTimeout, errors.ConnectTimeout),
    (httpx.LocalProtocolError(ADDRESS), errors.BadRequest, errors.BadRequest),
    (httpx.UnsupportedProtocol(ADDRESS), errors.BadRequest, errors.BadRequest),
    (httpx.InvalidURL(ADDRESS), errors.BadRequest, errors.BadRequest),
    (httpx.ReadTimeout(ADDRESS), errors.ConnectTimeout, errors.IdleTimeout),
    (httpx.WriteTimeout(ADDRESS), errors.ConnectTimeout, errors.IdleTimeout),
    (TimeoutError(ADDRESS), errors.ConnectTimeout, errors.IdleTimeout),
    (httpx.ReadError(ADDRESS), errors.ConnectFailed, errors.UpstreamClosed),
    (httpx.WriteError(ADDRESS), errors.ConnectFailed, errors.UpstreamClosed),
    (httpx.CloseError(ADDRESS), errors.ConnectFailed, errors.UpstreamClosed),
    (IncompleteMessage(ADDRESS), errors.ConnectFailed, errors.UpstreamClosed),
    (httpx.RemoteProtocolError(ADDRESS), errors.ConnectFailed, errors.UpstreamProtocolError),
    (httpx.DecodingError(ADDRESS), errors.UpstreamError, errors.UpstreamProtocolError),
    (httpx.StreamClosed(), errors.UpstreamError, errors.UpstreamClosed),
    (ConnectionResetError(ADDRESS), errors.ConnectFailed, errors.UpstreamClosed),
    (BrokenPipeError(ADDRESS), errors.ConnectFailed, errors.UpstreamClosed),
    (OSError(ADDRESS), errors.ConnectFailed, errors.UpstreamClosed),
    (socket.gaierror(ADDRESS), errors.ConnectFailed, errors.UpstreamClosed),
    (ssl.SSLError(ADDRESS), errors.ConnectFailed, errors.UpstreamClosed),
    (ValueError(ADDRESS), errors.UpstreamError, errors.UpstreamError),
]


@pytest.mark.parametrize("exc, before, after", CASES, ids=[type(case[0]).__name__ for case in CASES])
def test_every_failure_has_one_error_of_ours_without_an_address(
    exc: Exception, before: type[errors.SSEProxyError], after: type[errors.SSEProxyError]
) -> None:
    """The type says whether the upstream can have had the request; the message never says where it is."""
    for sent, expected in ((False, before), (True, after)):
        ours = translate(exc, sent=sent)
        assert expected is type(ours)
        assert ADDRESS not in str(ours)
        assert str(ours)


@pytest.mark.parametrize("sent", [False, True])
def test_an_error_of_ours_comes_back_as_it_is(sent: bool) -> None:
    """A request stream may raise one through the transport."""
    ours = errors.ClientDisconnected()
    assert translate(ours, sent=sent) is ours


@pytest.mark.parametrize(
    "cause, words",
    [
        (ssl.SSLCertVerificationError(f"not valid for {ADDRESS}"), "TLS"),
        (socket.gaierror(-2, ADDRESS), "name"),
        (UnicodeError(ADDRESS), "name"),
        (ConnectionRefusedError(ADDRESS), "refused"),
    ],
)
def test_a_failed_connection_tells_its_kind_of_reason(cause: Exception, words: str) -> None:
    """In fixed words, also where the reason is two causes down, as in httpx over httpcore."""
    middle, outer = OSError(), httpx.ConnectError(ADDRESS)
    middle.__cause__, outer.__cause__ = cause, middle
    ours = translate(outer, sent=False)
    assert words in str(ours)
    assert ADDRESS not in str(ours)
