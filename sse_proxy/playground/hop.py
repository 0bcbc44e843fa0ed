"""What may stand between a lane and the page: a hop that buffers, as many between a server and its users do.

``nginx``  collects 4 KiB before it passes anything on, as nginx does by default (``proxy_buffering on``), but not where
           the response says ``X-Accel-Buffering: no``
``all``    holds everything until the end, whatever the response says: a load balancer or a scanner of content
``slow``   takes `SLOW_BYTES_PER_SECOND` and lets whoever sends wait, as a client that reads slowly. A page that does
           not read is no such client: the browser takes some 70 MB before anybody feels it (Chromium, measured)

What the end is, the app says: where its response breaks off, what is held goes out before the break does.
"""

from __future__ import annotations

import asyncio
from typing import Literal, cast

from starlette.types import Message, Send

from ..core.headers import first

__all__ = ["COLLECTED_BYTES", "HOPS", "SLOW_BYTES_PER_SECOND", "Hop", "Kind"]

#: One memory page, the size of nginx's buffers (``proxy_buffer_size``, 4k or 8k by platform).
COLLECTED_BYTES = 4096
#: A lane may not fill the memory: from here on even a hop that holds everything has to let go.
_MAX_HELD_BYTES = 4_194_304

#: A phone at the edge of its network.
SLOW_BYTES_PER_SECOND = 65_536
_SLOW_PIECE_BYTES = 8192

Kind = Literal["none", "nginx", "all", "slow"]
HOPS: frozenset[str] = frozenset({"none", "nginx", "all", "slow"})


class Hop:
    """ASGI's ``send`` in front of *send*, with a buffer of *kind* between them; one response."""

    def __init__(self, send: Send, kind: str) -> None:
        self._send = send
        self._kind = cast("Kind", kind)
        #: Bytes that are held at least; 0 holds none.
        self._until = 0
        #: The head, held until there is something to send with it.
        self._start: Message | None = None
        self._held = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._until = self._limit(message)
            self._start = message
            if not self._until:
                await self.flush()
            return
        self._held += message.get("body", b"")
        more = message.get("more_body", False)
        if len(self._held) >= self._until or not more:
            await self.flush(more=more)

    async def flush(self, *, more: bool = True) -> None:
        """Send what is held; *more*: and something may follow."""
        start, self._start = self._start, None
        if start is not None:
            await self._send(start)
        held, self._held = bytes(self._held), bytearray()
        while self._kind == "slow" and held:
            piece, held = held[:_SLOW_PIECE_BYTES], held[_SLOW_PIECE_BYTES:]
            await asyncio.sleep(len(piece) / SLOW_BYTES_PER_SECOND)
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if held or not more:
            await self._send({"type": "http.response.body", "body": held, "more_body": more})

    def _limit(self, start: Message) -> int:
        if self._kind == "all":
            return _MAX_HELD_BYTES
        told = first(start.get("headers", ()), b"x-accel-buffering") or b""
        return COLLECTED_BYTES if self._kind == "nginx" and told.lower() != b"no" else 0
