"""One probe's stream: written to its plan, event by event, until its end or until its client leaves."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from ..core.headers import first, sse_response_headers
from ..core.probing import Plan, event_bytes, events_of, padding_of, shown_headers
from ..lifecycle import Lifecycle
from ..version import version

__all__ = ["Moment", "Run", "abort"]

#: Over what the plan takes: for a client that reads slowly.
_GRACE_SECONDS = 30.0
#: How often a silence looks whether the process is going.
_LOOK_SECONDS = 1.0


class Moment(NamedTuple):
    """One moment on the clock that never jumps, and on the wall's."""

    monotonic: float
    wall: float


class Run:
    """One probe's stream."""

    def __init__(
        self, plan: Plan, scope: Scope, arrived: Moment, about: dict[str, object], lifecycle: Lifecycle
    ) -> None:
        self._plan = plan
        self._scope = scope
        self._arrived = arrived
        self._about = about
        self._lifecycle = lifecycle
        self._headers = sse_response_headers(())

    async def __call__(self, receive: Receive, send: Send) -> None:
        """Write it to its end, or until the client leaves."""
        after = self._after()
        if after > self._plan.events:
            await send({"type": "http.response.start", "status": 204, "headers": [(b"cache-control", b"no-store")]})
            await send({"type": "http.response.body", "body": b""})
            return
        self._send = send
        # A task of its own, since a client that leaves in a silence of minutes would hold a place for as long.
        self._gone = asyncio.create_task(_left(receive))
        try:
            async with asyncio.timeout(self._plan.seconds + _GRACE_SECONDS):
                await self._stream(after)
        except TimeoutError:
            abort(self._scope)
        finally:
            self._gone.cancel()

    def _after(self) -> int:
        """What the client has, by its ``Last-Event-ID``: the number of an event; -1 for nothing."""
        told = first(self._scope["headers"], b"last-event-id") or b""
        return int(told) if self._plan.ids and re.fullmatch(rb"[0-9]{1,9}", told) else -1

    async def _stream(self, after: int) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})
        began, ids = time.monotonic(), self._plan.ids
        await self._write(self._event("start", 0, self._told(), with_id=self._plan.ids and after < 0))
        goes_on = True
        for turn, numbers in enumerate(events_of(self._plan, after), start=1):
            # By the clock and not by pauses, so that the pace does not depend on what writing costs.
            goes_on = await self._pause(began + turn * self._plan.interval)
            if not goes_on:
                break
            await self._write(b"".join(self._event("tick", n, self._padding(n), with_id=ids) for n in numbers))
        goes_on = goes_on and await self._be_silent()
        if not self._gone.done():
            drained = {} if goes_on else {"drained": True}
            await self._write(self._event("end", self._plan.events + 1, drained, with_id=ids), more=False)

    async def _be_silent(self) -> bool:
        """The idle stretch, with its comments; False when nothing more is to come."""
        start, beat, end = time.monotonic(), self._plan.heartbeat, self._plan.idle
        beats = int(end / beat) if beat else 0
        for turn in range(1, beats + 1):
            if not await self._pause(start + turn * beat):
                return False
            await self._write(b": ping\n\n")
        return await self._pause(start + end)

    async def _pause(self, until: float) -> bool:
        """Wait; False when the client has left or the process is going."""
        while not (self._gone.done() or self._lifecycle.refusing):
            left = until - time.monotonic()
            if left <= 0:
                return True
            await asyncio.wait({self._gone}, timeout=min(left, _LOOK_SECONDS))
        return False

    async def _write(self, data: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    def _event(self, kind: str, n: int, more: Mapping[str, object], *, with_id: bool) -> bytes:
        moment = {"n": n, "offset": round(time.monotonic() - self._arrived.monotonic, 6), "wall": round(time.time(), 6)}
        return event_bytes(kind, {**moment, **more}, with_id=with_id)

    def _padding(self, n: int) -> dict[str, str]:
        return {"padding": padding_of(self._plan.padding, n)} if self._plan.padding else {}

    def _told(self) -> dict[str, object]:
        scope = self._scope
        return {
            "probe": 1,
            "version": version(),
            "arrived": round(self._arrived.wall, 6),
            "method": scope["method"],
            "http_version": scope["http_version"],
            "scheme": scope.get("scheme", "http"),
            "headers": shown_headers(scope["headers"]),
            "answered": [[name.decode("ascii"), value.decode("ascii")] for name, value in self._headers],
            "seconds": self._plan.seconds,
            **self._about,
        }


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def abort(scope: Scope) -> None:
    """Close the connection; a server without that extension does it when the app returns in the middle."""
    scope.get("extensions", {}).get("sse_proxy.abort", lambda: None)()
