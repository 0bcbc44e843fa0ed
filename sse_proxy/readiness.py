"""Whether the upstream can be reached, told by probes of its own and steadied, for ``/readyz``.

Real traffic does not count: a process without requests must know as well, and one that gets 500s is still reachable.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote, urlsplit

from .lifecycle import Lifecycle
from .settings import Settings
from .sockets import OUT_OF_DESCRIPTORS

__all__ = [
    "CONNECT_TIMEOUT_SECONDS",
    "FAILURES_UNTIL_UNREADY",
    "PROBE_INTERVAL_SECONDS",
    "RESPONSE_TIMEOUT_SECONDS",
    "Hysteresis",
    "UpstreamProbe",
    "probe_response",
]

#: Pause between two probes.
PROBE_INTERVAL_SECONDS = 2.0
#: For the connection, TLS handshake included.
CONNECT_TIMEOUT_SECONDS = 2.0
#: From the connection to the status line, where a path is asked for; an LLM server under load answers late.
RESPONSE_TIMEOUT_SECONDS = 5.0
#: So many failures in a row, since one lost probe is no reason to take a replica with live streams out of service.
FAILURES_UNTIL_UNREADY = 3

_STATUS_LINE = re.compile(rb"HTTP/1\.\d ([1-9]\d\d)[ \r\n]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def probe_response(lifecycle: Lifecycle, upstream_ready: Callable[[], bool]) -> tuple[int, dict[str, str]]:
    """Status and JSON document that answer a readiness probe; ``reason`` is ``draining`` or ``upstream``."""
    if lifecycle.draining:
        return 503, {"status": "unready", "reason": "draining"}
    if not upstream_ready():
        return 503, {"status": "unready", "reason": "upstream"}
    return 200, {"status": "ready"}


class Hysteresis:
    """Ready after one success, unready after `FAILURES_UNTIL_UNREADY` failures in a row; at first unready.

    unready ──success──▶ ready ──failure──▶ ready, 1 failure ──…──▶ unready
                           ▲───success──────────────┘
    """

    def __init__(self) -> None:
        self.ready = False
        self._failures = 0

    def record(self, *, success: bool) -> None:
        """Take the outcome of one probe into account."""
        if success:
            self.ready = True
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= FAILURES_UNTIL_UNREADY:
            self.ready = False


class UpstreamProbe:
    """Probes the upstream as the setting ``readiness_upstream`` says.

    ``tcp`` connects; a path is asked for with GET on the upstream's host, just as it is written (a path prefix of
    ``upstream`` is not put in front), and any status below 400 is a success; ``off`` is always ready.
    *ssl_context* is for paths of an ``https`` upstream; None trusts what the system trusts.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        ssl_context: ssl.SSLContext | None = None,
        interval_seconds: float = PROBE_INTERVAL_SECONDS,
    ) -> None:
        self._kind = settings.readiness_upstream
        self._interval_seconds = interval_seconds
        self._state = Hysteresis()
        url = urlsplit(settings.upstream or "")
        self._socket_path = url.path if url.scheme == "unix" else None
        self._host = url.hostname or "localhost"
        self._port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
        self._host_field = url.netloc.rpartition("@")[2] or "localhost"
        self._ssl: ssl.SSLContext | None = None
        if url.scheme == "https" and self._kind.startswith("/"):
            self._ssl = ssl_context or ssl.create_default_context()

    def ready(self) -> bool:
        """What the probes so far amount to."""
        return self._kind == "off" or self._state.ready

    async def run(self) -> None:
        """Probe for ever, to be cancelled; returns at once where probing is ``off``."""
        while self._kind != "off":
            await self.check()
            await asyncio.sleep(self._interval_seconds)

    async def check(self) -> None:
        """Probe once."""
        try:
            success = await self._probe()
        except (OSError, EOFError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in OUT_OF_DESCRIPTORS:
                return  # a proxy that is full, of which the upstream's state is no part
            # Refused, reset, timed out, no such host, bad certificate; closed before the status line; no such line.
            success = False
        self._state.record(success=success)

    async def _probe(self) -> bool:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            reader, writer = await self._connect()
        try:
            if not self._kind.startswith("/"):
                return True
            async with asyncio.timeout(RESPONSE_TIMEOUT_SECONDS):
                return await self._ask(reader, writer)
        finally:
            # Not close(): that would wait for the peer's part of the TLS closure, and nothing is left to be sent.
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._socket_path is not None:
            return await asyncio.open_unix_connection(self._socket_path)
        return await asyncio.open_connection(self._host, self._port, ssl=self._ssl)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        target = quote(self._kind, safe="/?&=%:;,+@!$'()*~")
        request = f"GET {target} HTTP/1.1\r\nHost: {self._host_field}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("ascii"))
        found = _STATUS_LINE.match(await reader.readline())
        return found is not None and int(found[1]) < 400
