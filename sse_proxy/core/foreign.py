"""Whether a page of another site is behind a request; what such a page can make a browser send must start nothing.

Decided by Fetch Metadata (W3C Fetch Metadata § 2.4, ``Sec-Fetch-Site``), and by ``Origin`` where a browser does not
say: an older one, or one that knows us by no secure origin. A client that is no browser sends neither and is not
foreign.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .headers import first

__all__ = ["is_foreign"]

_WELCOME_SITES = frozenset({b"same-origin", b"none"})


def is_foreign(scope: Mapping[str, Any]) -> bool:
    """Whether a page of another site, which nobody has let in (``cors_origins``), is behind the ASGI *scope*."""
    if scope.get("sse_proxy.welcome"):
        return False
    headers = scope["headers"]
    site = first(headers, b"sec-fetch-site")
    if site is not None:
        return site.lower() not in _WELCOME_SITES
    origin = scope.get("sse_proxy.origin") or first(headers, b"origin")
    # A browser that does not say (or an origin that is no secure context) gives the host that it knows us by.
    told = first(headers, b"x-forwarded-host") if scope.get("sse_proxy.trusted") else None
    host = told or first(headers, b"host") or b""
    return origin is not None and origin.lower().partition(b"://")[2] != host.lower()
