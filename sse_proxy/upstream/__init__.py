"""The way to the upstream: an HTTP/1.1 client as an `httpx.AsyncBaseTransport`, on `asyncio.Protocol` and llhttp.

It promises to close the upstream's connection at once when a request is cancelled or a stream left, in every phase; to
send a request at most once, byte for byte as given; to tell a complete response from a cut one; and to cost little for
each event. It refuses to know of redirects, cookies, proxies, retries, content codings and HTTP/2.

Why not one that exists (DESIGN facts 6, 7 and 9): httpcore leaks places of its pool for good when requests are
cancelled while they connect, and its pool is O(n²). httpx-aiohttp quotes URLs anew, merges duplicate header fields,
adds fields of its own and cannot send a raw request target. Both cost 29-42 µs of CPU an event and more, where an
httptools protocol costs about 22 with the work of a proxy around it.

    transport ─┬─ dial, tls
               └─ pool ── connection ─┬─ writer ── request   (head and upload)
                          descriptors ┤
                                      ├─ head               (strict reader)
                                      └─ body ── decoders   (stream, framing)
    errors: for any transport
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from ..core.ledger import Ledger
from .body import ResponseBody
from .errors import IncompleteMessage, translate
from .tls import create_ssl_context
from .transport import HTTPTransport

__all__ = [
    "HTTPTransport",
    "IncompleteMessage",
    "ResponseBody",
    "UpstreamSettings",
    "create_transport",
    "translate",
]


class UpstreamSettings(Protocol):
    """What `create_transport` reads of the settings."""

    @property
    def upstream(self) -> str | None:
        """``http://…``, ``https://…`` or ``unix:/path.sock``; not None here."""

    @property
    def connect_timeout_seconds(self) -> float: ...

    @property
    def upstream_ca_file(self) -> Path | None: ...

    @property
    def upstream_client_cert(self) -> Path | None: ...

    @property
    def upstream_client_key(self) -> Path | None: ...


def create_transport(settings: UpstreamSettings, *, ledger: Ledger | None = None) -> HTTPTransport:
    """A transport for ``settings.upstream``; does no I/O but to read the TLS files of an ``https`` upstream.

    *ledger*: where what is unread is counted.

    Raises:
        ValueError: there is no upstream, or a TLS file cannot be used; the message names the setting.
    """
    if settings.upstream is None:
        raise ValueError("upstream: not set")
    url = urlsplit(settings.upstream)
    context = None
    if url.scheme == "https":
        context = create_ssl_context(
            ca_file=settings.upstream_ca_file,
            client_cert=settings.upstream_client_cert,
            client_key=settings.upstream_client_key,
        )
    return HTTPTransport(
        unix_path=url.path if url.scheme == "unix" else None,
        ssl_context=context,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        ledger=ledger,
    )
