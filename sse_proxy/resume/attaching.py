"""Whoever comes back to a stream, or joins one, is served from the journal: the upstream is never asked.

A store that does not answer is asked again for some seconds before it is said to be down: an `EventSource` comes back
from a lost line, but gives up for good at any status that is not 200 (WHATWG HTML § 9.2.3), and a store that restarts
or fails over is gone for no longer. No heartbeat can be sent meanwhile, since there may be a status to tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from starlette.types import Receive, Scope, Send

from ..core.admission import Admission
from ..core.cursor import Cursor
from ..entrance import Entrance
from ..errors import ClientDisconnected, NotFound
from ..lifecycle import Lifecycle
from ..metrics.base import Metrics, Resumed
from ..replay.base import Answer, Glance, Journal, Reader, StoreUnavailable
from ..settings import Settings
from .follower import Follower
from .heads import Spoken, location_of
from .lost import Evicted, StoreDown
from .seats import Seats

__all__ = ["PATIENCE_SECONDS", "Attaching", "no_content"]

#: For how long a store that is down is asked again; the last try may take a second more.
PATIENCE_SECONDS = 4.0
_FIRST_PAUSE_SECONDS, _LAST_PAUSE_SECONDS = 0.1, 1.0

_T = TypeVar("_T")


class Attaching:
    """Serves streams of *journal*; its readers are open streams of *lifecycle*, and counted in *metrics*.

    *seats*: the places of its readers; None: as many as come. *patience_seconds*: for a store that is down, see the
    module header.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        metrics: Metrics,
        lifecycle: Lifecycle,
        seats: Seats | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.seats = seats or Seats(Entrance(Admission(), metrics))
        self._journal = journal
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._patience_seconds = patience_seconds

    async def attach(
        self,
        cursor: Cursor,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        settings: Settings,
        apart: bool | None = None,
        joined: bool = False,
    ) -> None:
        """Answer a request with what follows *cursor*: the kept events, then the live ones, to the stream's end.

        204 where nothing is left; HEAD gets the head alone, at once. The owner is ``scope["sse_proxy.owner"]``; what is
        left of the request's body is taken and not looked at.

        Args:
            cursor: The last event that the client has.
            settings: The route's own.
            apart: Each id is a block of its own in front of its event; None: where the request's headers say so.
            joined: The client did not ask for a replay, but for what turned out to be this stream.

        Raises:
            NotFound: unknown, expired or somebody else's, or dropped before it had begun; nothing was answered.
            Evicted: what the client lacks is gone (410).
            StoreDown: 503.
            Refused: 503, the client has as many streams as it may.
        """
        scope["sse_proxy.route"] = "resume"
        give_up = self._give_up()
        reader = await self._asked(lambda: self._journal.attach(cursor.stream, scope["sse_proxy.owner"]), give_up)
        if reader is None:
            raise self._unknown()
        with reader:
            glance = await self._look(reader, cursor, give_up)
            if glance.answer(cursor.after) is Answer.NOTHING_LEFT:
                self._metrics.resumed(Resumed.NOTHING_LEFT)
                await no_content(send, stream=cursor.stream)
                return
            if scope["method"] == "HEAD":
                await _tell_head(glance, cursor, scope, send)
                return
            follower = Follower(reader, cursor, scope, receive, send, settings=settings, apart=apart)
            how = Resumed.JOINED if joined else Resumed.REPLAYED
            await self._follow(follower, cursor.stream, scope.get("sse_proxy.client", ""), how)

    async def stop(self, stream: str, owner: str) -> None:
        """Have the producer of *owner*'s *stream* stop, wherever it runs; nothing happens to one that has ended.

        Raises:
            NotFound: unknown, expired or somebody else's.
            StoreDown: 503.
        """
        if not await self._asked(lambda: self._journal.stop(stream, owner), self._give_up()):
            raise NotFound

    async def latest(self, owner: str, chat: str) -> str:
        """The id of the newest stream that *owner* has named *chat*.

        Raises:
            NotFound: there is none.
            StoreDown: 503.
        """
        stream = await self._asked(lambda: self._journal.latest(owner, chat), self._give_up())
        if stream is None:
            raise self._unknown()
        return stream

    async def _look(self, reader: Reader, cursor: Cursor, give_up: float) -> Glance:
        """How the stream stands, from which *cursor* can go on."""
        glance = await self._asked(reader.look, give_up)
        if glance is None:
            raise self._unknown()
        if glance.answer(cursor.after) is Answer.EVICTED:
            self._metrics.resumed(Resumed.EVICTED)
            raise Evicted
        return glance

    async def _follow(self, follower: Follower, stream: str, client: str, how: Resumed) -> None:
        with self.seats.taken(stream, client, partial(follower.stop, ClientDisconnected())):
            self._metrics.resumed(how)
            self._lifecycle.add(follower)
            try:
                await follower.run()
            finally:
                self._lifecycle.remove(follower)
                follower.log()

    def _give_up(self) -> float:
        """When a store that is down from now on is said to be."""
        return asyncio.get_running_loop().time() + self._patience_seconds

    async def _asked(self, ask: Callable[[], Awaitable[_T]], give_up: float) -> _T:
        """What the store answers.

        Raises:
            StoreDown: it has not, until *give_up*.
        """
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await ask()
            except StoreUnavailable as error:
                if loop.time() + pause > give_up:
                    self._metrics.resumed(Resumed.UNAVAILABLE)
                    raise StoreDown from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE_SECONDS)

    def _unknown(self) -> NotFound:
        self._metrics.resumed(Resumed.UNKNOWN)
        return NotFound()


async def _tell_head(glance: Glance, cursor: Cursor, scope: Scope, send: Send) -> None:
    spoken = Spoken.of(glance.head)
    headers = spoken.headers_from(cursor, location_of(scope, cursor.stream))
    await send({"type": "http.response.start", "status": spoken.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def no_content(send: Send, *, stream: str | None = None) -> None:
    """Answer 204, at which an `EventSource` stops for good (WHATWG HTML § 9.2.3)."""
    headers = [(b"cache-control", b"no-store")]
    if stream is not None:
        headers.append((b"x-stream-id", stream.encode("ascii")))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
