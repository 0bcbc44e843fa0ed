"""Whoever comes back to a stream, or joins one, is served from the journal: the upstream is never asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Receive, Scope, Send

from ..core.cursor import Cursor
from ..errors import NotFound
from ..lifecycle import Lifecycle
from ..metrics.base import Metrics, Resumed
from ..replay.base import Answer, Journal, Reader, StoreUnavailable
from ..settings import Settings
from .follower import Follower
from .lost import Evicted, StoreDown

__all__ = ["Attaching", "no_content"]


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
        apart: bool | None = None,
        joined: bool = False,
    ) -> None:
        """Answer a request with what follows *cursor*: the kept events, then the live ones, to the stream's end.

        204 where nothing is left. The owner is ``scope["sse_proxy.owner"]``; what is left of the request's body is
        taken and not looked at.

        Args:
            cursor: The last event that the client has.
            settings: The route's own.
            apart: Each id is a block of its own in front of its event; None: where the request's headers say so.
            joined: The client did not ask for a replay, but for what turned out to be this stream.

        Raises:
            NotFound: unknown, expired or somebody else's, or dropped before it had begun; nothing was answered.
            Evicted: what the client lacks is gone (410).
            StoreDown: 503.
        """
        scope["sse_proxy.route"] = "resume"
        with self._asking():
            reader = await self._journal.attach(cursor.stream, scope["sse_proxy.owner"])
        if reader is None:
            raise self._unknown()
        with reader:
            answer = await self._answer(reader, cursor)
            if answer is Answer.NOTHING_LEFT:
                self._metrics.resumed(Resumed.NOTHING_LEFT)
                await no_content(send, stream=cursor.stream)
                return
            self._metrics.resumed(Resumed.JOINED if joined else Resumed.REPLAYED)
            follower = Follower(reader, cursor, scope, receive, send, settings=settings, apart=apart)
            await self._follow(follower)

    async def stop(self, stream: str, owner: str) -> None:
        """Have the producer of *owner*'s *stream* stop, wherever it runs; nothing happens to one that has ended.

        Raises:
            NotFound: unknown, expired or somebody else's.
            StoreDown: 503.
        """
        with self._asking():
            known = await self._journal.stop(stream, owner)
        if not known:
            raise NotFound

    async def latest(self, owner: str, chat: str) -> str:
        """The id of the newest stream that *owner* has named *chat*.

        Raises:
            NotFound: there is none.
            StoreDown: 503.
        """
        with self._asking():
            stream = await self._journal.latest(owner, chat)
        if stream is None:
            raise self._unknown()
        return stream

    async def _answer(self, reader: Reader, cursor: Cursor) -> Answer:
        with self._asking():
            glance = await reader.look()
        if glance is None:
            raise self._unknown()
        if (answer := glance.answer(cursor.after)) is Answer.EVICTED:
            self._metrics.resumed(Resumed.EVICTED)
            raise Evicted
        return answer

    async def _follow(self, follower: Follower) -> None:
        self._lifecycle.add(follower)
        try:
            await follower.run()
        finally:
            self._lifecycle.remove(follower)
            follower.log()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except StoreUnavailable as error:
            self._metrics.resumed(Resumed.UNAVAILABLE)
            raise StoreDown from error

    def _unknown(self) -> NotFound:
        self._metrics.resumed(Resumed.UNKNOWN)
        return NotFound()


async def no_content(send: Send, *, stream: str | None = None) -> None:
    """Answer 204, at which an `EventSource` stops for good (WHATWG HTML § 9.2.3)."""
    headers = [(b"cache-control", b"no-store")]
    if stream is not None:
        headers.append((b"x-stream-id", stream.encode("ascii")))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
