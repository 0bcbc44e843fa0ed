"""`core.forwarding`: which requests a gateway passes on, and how far."""

from __future__ import annotations

import pytest

from sse_proxy.core.forwarding import check_forwardable, count_hop
from sse_proxy.core.headers import HeaderList
from sse_proxy.errors import BadRequest


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_methods_that_a_gateway_cannot_pass_on_are_refused(method: str) -> None:
    """By name."""
    with pytest.raises(BadRequest, match=f"^{method} is not supported$"):
        check_forwardable(method, [])


@pytest.mark.parametrize("offer", [b"websocket", b"WebSocket", b"h2c, websocket", b"websocket/13"])
def test_a_websocket_handshake_is_refused(offer: bytes) -> None:
    """Wherever in the list the offer stands, with a version or without."""
    with pytest.raises(BadRequest, match=r"^Upgrade is not supported$"):
        check_forwardable("GET", [(b"upgrade", offer)])


@pytest.mark.parametrize(
    "headers", [[], [(b"upgrade", b"h2c")], [(b"upgrade", b"h2c/websocket")], [(b"via", b"websocket")]]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "trace", "X"])
def test_everything_else_is_passed_on(method: str, headers: HeaderList) -> None:
    """Other offers are ignored (RFC 9110 § 7.8), and methods have case (§ 9.1)."""
    check_forwardable(method, headers)


@pytest.mark.parametrize(
    ("before", "after"), [(b"10", b"9"), (b"1", b"0"), (b" 2 ", b"1"), (b"x", b"x"), (b"-1", b"-1"), (b"", b"")]
)
def test_a_hop_is_counted(before: bytes, after: bytes) -> None:
    """Where the field is a number; other fields stay as they are."""
    scope = {"headers": [(b"a", b"10"), (b"Max-Forwards", before)]}
    assert count_hop(scope) is True
    assert scope["headers"] == [(b"a", b"10"), (b"Max-Forwards", after)]


def test_a_request_without_the_field_goes_any_way() -> None:
    """It is the very same."""
    headers = [(b"a", b"b")]
    scope = {"headers": headers}
    assert count_hop(scope) is True
    assert scope["headers"] is headers


def test_at_0_it_was_meant_to_end_here() -> None:
    """Nothing is counted below."""
    scope = {"headers": [(b"max-forwards", b"0")]}
    assert count_hop(scope) is False
    assert scope["headers"] == [(b"max-forwards", b"0")]
