"""The process's own state: which streams are open, whether it is draining, and how much it has to bear.

One `Lifecycle` is shared by the traffic listener, the admin listener and the server that receives SIGTERM. It decides
nothing about timing: the server (or the admin endpoint) says when to refuse and when to cut.

    serving ──drain()──▶ draining (not ready, still serving) ──refuse()──▶ refusing (new requests get 503)
       ▲                     │                                                │
       └──────undrain()──────┴────────────────────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from .core.lag import LagGuard
from .core.ledger import Ledger

__all__ = ["Lifecycle", "LiveStream"]


class LiveStream(Protocol):
    """What the process can do with a stream that is open."""

    def describe(self) -> dict[str, object]:
        """JSON-ready facts for ``/-/streams``: no path, body, query or secret."""

    def cut(self) -> None:
        """End it now with the dialect's in-stream error and a clean end (outcome ``drained``)."""


class Lifecycle:
    """Open streams and drain state of one process; used from its event loop only."""

    def __init__(self) -> None:
        self.draining = False
        self.refusing = False
        #: What all buffers hold together; whoever knows the settings sets its limit.
        self.ledger = Ledger()
        #: Whether the event loop lags; whoever runs it feeds this.
        self.lag = LagGuard()
        self._streams: set[LiveStream] = set()
        #: `refusing` for those who wait for it; the end of a drain that was called off wakes them too.
        self._refused = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def streams(self) -> tuple[LiveStream, ...]:
        """A snapshot of the open streams."""
        return tuple(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, stream: LiveStream) -> None:
        """Count *stream* in until `remove`."""
        self._streams.add(stream)
        self._empty.clear()

    def remove(self, stream: LiveStream) -> None:
        """Count *stream* out; unknown streams are ignored."""
        self._streams.discard(stream)
        if not self._streams:
            self._empty.set()

    def drain(self) -> None:
        """From now on ``/readyz`` fails; requests are still served. Idempotent."""
        self.draining = True

    def refuse(self) -> None:
        """From now on new requests get 503. Implies `drain`."""
        self.draining = True
        self.refusing = True
        self._refused.set()

    def undrain(self) -> None:
        """Back to normal service."""
        self.draining = False
        self.refusing = False
        self._refused.set()
        self._refused = asyncio.Event()

    def cut_all(self) -> None:
        """Cut every open stream; each ends by itself soon after."""
        for stream in self.streams:
            stream.cut()

    async def wait_refusing(self, seconds: float) -> bool:
        """Return True as soon as new requests are refused, or the drain is called off; False after *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                await self._refused.wait()
        except TimeoutError:
            return False
        return True

    async def wait_drained(self, seconds: float) -> bool:
        """As `wait_empty`, but not before new requests are refused: until then the next stream may be on its way."""
        try:
            async with asyncio.timeout(seconds):
                await self._refused.wait()
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def wait_empty(self, seconds: float) -> bool:
        """Return True as soon as no stream is open, False when *seconds* are over first."""
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
