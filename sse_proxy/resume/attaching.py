"""Whoever comes back to a stream, or joins one, is served from the journal: the upstream is never asked."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from ..core.cursor import Cursor
from ..lifecycle import Lifecycle
from ..metrics.base import Metrics
from ..replay.base import Journal
from ..settings import Settings

__all__ = ["Attaching"]


class Attaching:
    """Serves streams of *journal*; its readers are open streams of *lifecycle*, and counted in *metrics*."""

    def __init__(self, journal: Journal, *, metrics: Metrics, lifecycle: Lifecycle) -> None:
        self._journal = journal
        self._metrics = metrics
        self._lifecycle = lifecycle

    async def attach(
        self,
        cursor: Cursor,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        settings: Settings,
        apart: bool,
        joined: bool = False,
    ) -> None:
        """Answer a request with what follows *cursor*: the kept events, then the live ones, to the stream's end.

        204 where nothing is left. The owner is ``scope["sse_proxy.owner"]``; what is left of the request's body is
        taken and not looked at.

        Args:
            cursor: The last event that the client has.
            settings: The route's own.
            apart: Each id is a block of its own in front of its event.
            joined: The client did not ask for a replay, but for what turned out to be this stream.

        Raises:
            NotFound: unknown, expired or somebody else's, or dropped before it had begun; nothing was answered.
            Evicted: what the client lacks is gone (410).
            Refused: the store is down (503).
        """
        raise NotImplementedError
