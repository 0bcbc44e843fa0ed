"""Idle connections, the latest first: it is the one that the upstream is least likely to be about to close.

There is no limit on connections in use: admission is decided elsewhere, and a pool that makes requests wait is a pool
that cancelled requests can leak places of (DESIGN fact 6). A connection in use is not known here at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .connection import Connection, Origin

__all__ = ["IDLE_SECONDS", "MAX_IDLE_CONNECTIONS", "Pool"]

#: Below the 5 s after which vLLM, SGLang and llama-server close, so that we close first and no request meets their FIN.
IDLE_SECONDS = 4.0
#: Kept at most, of each origin; the oldest goes first.
MAX_IDLE_CONNECTIONS = 64


class Pool:
    """Idle connections by origin; for one event loop. *clock*: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # Oldest first, each with the time when it became idle.
        self._idle: dict[Origin, list[tuple[Connection, float]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    def take(self, origin: Origin) -> Connection | None:
        """A connection to *origin* that is open and silent, no longer kept here; None: make a new one."""
        self.expire()
        entries = self._idle.get(origin, [])
        while entries:
            connection, _ = entries.pop()
            if connection.usable():
                return connection
            connection.abort()
        return None

    def put(self, connection: Connection) -> None:
        """Keep *connection* until it is taken, gets data, is closed, or expires."""
        if self._closed:
            connection.abort()
            return
        entries = self._idle.setdefault(connection.origin, [])
        entries.append((connection, self._clock()))
        if len(entries) > MAX_IDLE_CONNECTIONS:
            entries[0][0].abort()
        if self._timer is None:
            self._arm()

    def discard(self, connection: Connection) -> None:
        """Forget *connection*, if it is here."""
        entries = self._idle.get(connection.origin, [])
        entries[:] = [entry for entry in entries if entry[0] is not connection]

    def expire(self) -> None:
        """Close what has been idle for `IDLE_SECONDS`."""
        oldest = self._clock() - IDLE_SECONDS
        for entries in list(self._idle.values()):
            while entries and entries[0][1] <= oldest:
                entries[0][0].abort()  # calls `discard`

    def close(self) -> None:
        """Close all, and keep none from now on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for entries in list(self._idle.values()):
            for connection, _ in list(entries):
                connection.abort()

    def _arm(self) -> None:
        # One timer for all, there only while something is idle: sockets must not linger when no request comes.
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.expire()
        if len(self):
            self._arm()
