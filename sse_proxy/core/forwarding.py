"""What HTTP says of requests that a gateway may pass on, and how far."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from ..errors import BadRequest
from .headers import HeaderList, max_forwards, tokens, with_max_forwards

__all__ = ["check_forwardable", "count_hop"]


def check_forwardable(method: str, headers: HeaderList) -> None:
    """Refuse what a gateway cannot pass on.

    Raises:
        BadRequest: TRACE, which would tell credentials to whoever reads the answer (RFC 9110 § 9.3.8); CONNECT, which
            is for tunnels; a websocket handshake. Other ``Upgrade`` offers are ignored (§ 7.8).
    """
    if method in {"CONNECT", "TRACE"}:
        raise BadRequest(f"{method} is not supported")
    if any(offer.partition(b"/")[0] == b"websocket" for offer in tokens(headers, b"upgrade")):
        raise BadRequest("Upgrade is not supported")


def count_hop(scope: MutableMapping[str, Any]) -> bool:
    """Count this hop in ``Max-Forwards`` (RFC 9110 § 7.6.2) of *scope*; False: the request was meant to end here."""
    hops = max_forwards(scope["headers"])
    if hops == 0:
        return False
    if hops is not None:
        scope["headers"] = with_max_forwards(scope["headers"], hops - 1)
    return True
