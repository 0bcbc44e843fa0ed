"""What became of the page's own streams: a note of each that ended, for a while.

The page names its requests ``X-Request-Id: playground-…``; the rest of the proxy's traffic passes unseen.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from starlette.types import ASGIApp, Receive, Scope, Send

from ..metrics.base import StreamReport

__all__ = ["PREFIX", "Ended"]

#: How the page's request ids begin.
PREFIX = "playground-"
#: Streams that are remembered; the oldest are forgotten.
_MAX_STREAMS = 64


class Ended:
    """ASGI app around *app*, which tells `streaming.report` to leave a copy of its numbers here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._known: OrderedDict[str, dict[str, object]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = scope.get("sse_proxy.request_id", "") if scope["type"] == "http" else ""
        if identity.startswith(PREFIX):
            scope["sse_proxy.told"] = partial(self._note, identity)
        await self._app(scope, receive, send)

    def find(self, identity: str) -> dict[str, object] | None:
        """What became of the request *identity*, ready for JSON; None: it runs, or is not known."""
        return self._known.get(identity)

    def _note(self, identity: str, report: StreamReport) -> None:
        self._known[identity] = {
            "outcome": report.outcome,
            "dialect": report.dialect,
            "ttft_seconds": report.first_event_seconds,
            "duration_seconds": round(report.duration_seconds, 3),
            "events": report.events,
            "bytes_in": report.bytes_in,
            "bytes_out": report.bytes_out,
            "heartbeats": sum(report.heartbeats.values()),
            "repairs": dict(report.repairs),
        }
        while len(self._known) > _MAX_STREAMS:
            self._known.popitem(last=False)
