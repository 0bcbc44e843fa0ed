"""One client that is told a stream from the journal: what is kept behind its cursor, then what comes, to the end.

The client reads the events that the first one got, with the same ids, and ends as that one did: well, with the error
that is part of the log, or with a connection that breaks where nobody may take the end for a whole answer (it was
cancelled without a word; clients of its API raise on no error frame). A stream that cannot be told to its end gets an
in-stream error. Only that of a lost owner has an id, as if it were the next event, terminator included: an
`EventSource`, which comes back after every end, is then told that nothing is left; whose id is beyond that had events
that the store never got. The others have none, since the event of that number may still be had.

A drain breaks the connection without a word: the stream goes on, so its reader is to come back, to another replica.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.types import Receive, Scope, Send

from ..core.clients import COMMON, variant_of
from ..core.cursor import Cursor
from ..core.headers import accepts
from ..core.numbering import Numbering
from ..core.pacing import Pacer
from ..errors import ClientDisconnected, ClientLeft, ClientStalled, Drained, NotFound, Outcome, SSEProxyError
from ..logs import log_stream
from ..metrics.base import StreamReport
from ..replay.base import End, Reader
from ..settings import Settings
from ..streaming.application import Application
from ..streaming.client import Client
from .heads import Pace, Spoken, location_of
from .lost import LOST
from .pulse import ReaderPulse

__all__ = ["Follower"]

#: What is sent at once of a long replay; a client is stalled that does not take so much in its time. The server takes
#: whatever it is given, and only then waits.
_PIECE_BYTES = 65_536
_STOPPED = {End.STOPPED: Outcome.STOPPED, End.CANCELLED: Outcome.STOPPED}
_OUTCOMES = {End.COMPLETE: Outcome.COMPLETED, End.TRUNCATED: Outcome.UPSTREAM_TRUNCATED, **_STOPPED}


class Follower:
    """A `LiveStream`.

    Args:
        reader: Of the stream; the caller closes it.
        cursor: What the client has.
        scope, receive, send: ASGI; what is left of the request's body is taken and not looked at.
        settings: The route's.
        apart: Each id is a block of its own in front of its event; None: where the request's headers say so.

    Attributes:
        outcome: How it ended; None until then.
    """

    def __init__(
        self,
        reader: Reader,
        cursor: Cursor,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        settings: Settings,
        apart: bool | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader, self._cursor = reader, cursor
        self._scope, self._receive, self._send = scope, receive, send
        self._variant = variant = variant_of(scope["headers"]) if settings.client_variants else COMMON
        if apart is None:  # who asks for an event stream by name has a parser
            apart = variant.splits_blocks and not accepts(scope["headers"], b"text/event-stream")
        self._numbering = Numbering(cursor.stream, apart=apart, after=cursor.after)
        self._started = self._loop.time()
        pace = Pace.of(settings)
        self._pacer = Pacer(pace.limits(settings.commit_after_seconds), self._started)
        self._client = Client(scope, send, self._pacer, self._loop.time)
        self._application = Application()
        self._pulse = ReaderPulse(
            self._client,
            self._pacer,
            pace,
            variant,
            cursor=cursor,
            location=location_of(scope, cursor.stream),
            on_stall=lambda: self.stop(ClientStalled()),
        )
        #: It waits for news, so that it may be stopped without cutting an event.
        self._waits = False
        self._drained = False
        self._knows_head = False
        self._events = 0
        self.outcome: Outcome | None = None

    async def run(self) -> None:
        """Tell the stream to its end, or until the client leaves.

        Raises:
            SSEProxyError: it cannot be told, and nothing was answered.
        """
        self._pacer.sent(self._started)
        self._pulse.arm()
        listener = self._loop.create_task(self._listen())
        try:
            error = await self._application.run(self._tell, self._scope, self._receive, self._send)
        except asyncio.CancelledError:  # the server takes its time no longer
            self.outcome = Outcome.STOPPED
            raise
        finally:
            listener.cancel()
            self._pulse.release()
        if (cause := self._application.cause or error) is not None:
            self._break_off(cause)

    def cut(self) -> None:
        """`LiveStream`: the process ends, but not the stream."""
        self._drained = True
        if self._waits:
            self.stop(Drained())

    def log(self) -> None:
        """One line of its life."""
        now = self._loop.time()
        report = StreamReport(
            dialect=self._pulse.spoken.dialect,
            outcome=self.outcome,
            duration_seconds=now - self._started,
            events=self._events,
            bytes_out=self._client.bytes_out,
        )
        log_stream(
            report,
            request_id=self._scope.get("sse_proxy.request_id"),
            route=self._scope["sse_proxy.route"],
            status=self._client.status,
            last_event_age=now - self._pacer.last_event,
            last_write_age=now - self._pacer.last_write,
        )

    def describe(self) -> dict[str, object]:
        """`LiveStream`: the state now."""
        now = self._loop.time()
        return {
            "id": self._scope.get("sse_proxy.request_id"),
            "route": self._scope.get("sse_proxy.route"),
            "dialect": self._pulse.spoken.dialect,
            "stream": True,
            "status": self._client.status,
            "detached": False,
            "age_seconds": round(now - self._started, 3),
            "ttft_seconds": None,
            "events": self._events,
            "heartbeats": sum(self._pulse.beats.values()),
            "repairs": {},
            "bytes_in": 0,
            "bytes_out": self._client.bytes_out,
            "last_event_age_seconds": round(now - self._pacer.last_event, 3),
            "last_write_age_seconds": round(now - self._pacer.last_write, 3),
        }

    async def _listen(self) -> None:
        """Notice the client's departure."""
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except Exception as error:  # noqa: BLE001  a body over its limit, mostly; `run` tells it
            self.stop(error)
        else:
            self.stop(ClientDisconnected())

    def stop(self, cause: Exception) -> None:
        """End it now, for the first cause that there is."""
        if self._application.cause is None:
            self._application.stop(cause)

    async def _tell(self, *_: object) -> None:
        after = self._cursor.after
        if self._reader.head is not None:
            await self._begin()
        while not self._drained:
            self._waits = True
            batch = await self._reader.read(after)
            self._waits = False
            if batch.events:
                await self._begin()
                await self._write(batch.events)
                after = batch.events[-1][0]
            if batch.end is not None:
                await self._end(batch.end)
                return
        raise Drained

    async def _write(self, events: Sequence[tuple[int, bytes]]) -> None:
        self._events += len(events)
        self._pacer.event(self._loop.time())
        piece, size = [], 0
        for _, event in events:
            piece.append(event)
            size += len(event)
            if size >= _PIECE_BYTES:
                await self._client.write(self._numbering.apply(b"".join(piece)))
                piece, size = [], 0
        if piece:
            await self._client.write(self._numbering.apply(b"".join(piece)))

    async def _begin(self) -> None:
        """Learn from the head how the client is spoken to, and begin the response if it has not."""
        if (head := self._reader.head) is not None and not self._knows_head:
            self._knows_head = True
            self._pulse.speak(Spoken.of(head))
        await self._client.settled()
        if self._client.status is None:
            await self._client.start(*self._pulse.head())

    async def _end(self, end: End) -> None:
        lost = LOST.get(end) or (NotFound if self._reader.head is None else None)
        await self._client.settled()
        if self._client.status is None:
            if lost is not None:
                raise lost
            await self._begin()
        self.outcome = _OUTCOMES.get(end, Outcome.UPSTREAM_ERROR)
        voice, state = self._pulse.spoken.voice, self._pulse.spoken.state
        frame = b"" if lost is None else voice.error_frame(lost(), state)
        if end is End.OWNER_LOST:
            frame = self._numbering.apply_as_one(frame)
        # A clean end behind an error that the client does not take for one would look like success.
        deaf = voice.aborts_after_error or self._variant.needs_abort or (lost is not None and not frame)
        breaks = end is End.CANCELLED or (end is not End.COMPLETE and deaf)
        if frame or not breaks:
            await self._client.write(frame, end=not breaks)
        if breaks:
            self._client.break_off()

    def _break_off(self, cause: Exception) -> None:
        """End in the middle, for the sake of *cause*."""
        client = self._client
        if not isinstance(cause, ClientLeft) and client.status is None:
            raise cause
        if not isinstance(cause, SSEProxyError):
            client.break_off()
            raise cause
        self.outcome = cause.outcome
        if isinstance(cause, ClientLeft):
            client.drop()
        else:
            client.break_off()
