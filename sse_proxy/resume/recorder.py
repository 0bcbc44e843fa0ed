"""One response on its way into the journal: what its client gets, others can be told again.

The `Recorder` is the response's ``send``, which sees how it starts, and its `Numbering`, which sees every event that
goes out. A response that turns out to be no numbered event stream is dropped from the journal, and its client is told
nothing. Once the client is gone the recorder takes its place, for as long as somebody may come back. However the
response ends, the log has its end: what nobody was there to be told, the recorder adds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from starlette.types import Message, Send

from ..core.admission import Place
from ..core.dialects import StreamState, Voice
from ..core.headers import RawHeaders, first, media_type, without
from ..core.numbering import Numbering
from ..core.pipeline import Pipeline
from ..core.wish import RESUME_HEADER
from ..errors import Outcome, SSEProxyError
from ..replay.base import End, Head, Recording
from ..replay.null import NullRecording
from ..streaming.detachment import Abandoned
from .heads import Pace, head_of
from .lost import OwnerLost
from .seats import Seats

__all__ = ["Recorder", "Stopped", "Stream"]

#: How old the news may be that somebody on another replica listens.
_NEWS_SECONDS = 3.0

_ENDS = {
    Outcome.COMPLETED: End.COMPLETE,
    Outcome.UPSTREAM_TRUNCATED: End.TRUNCATED,
    Outcome.CLIENT_DISCONNECTED: End.CANCELLED,
    Outcome.CLIENT_STALLED: End.CANCELLED,
    Outcome.STOPPED: End.CANCELLED,
}


class Stopped(SSEProxyError):
    """410: the caller has stopped this very stream, from another connection."""

    status = 410
    outcome = Outcome.STOPPED
    error_type = "request_cancelled"
    default_message = "the stream was stopped"


class Stream(Protocol):
    """What the recorder asks of the response's `Transfer`."""

    numbering: Numbering | None
    pipeline: Pipeline | None

    @property
    def voice(self) -> Voice: ...

    @property
    def told(self) -> StreamState: ...


class Recorder:
    """See the module header.

    Args:
        numbering: For the events of the response; tells them to the recorder from now on.
        send: The server's.
        seats: Where who listens to it has a place.
        location: Where the stream can be had again.
        is_named: It can be found by a name of the caller's, too.
        reconnects: The client is an `EventSource`, which sends its request again with the last id that it has. Without
            any it would be a new request, so one is sent where the response begins before its first event: a block
            without data, which dispatches nothing (WHATWG HTML § 9.2.6), but is an event to other parsers.
        detach_seconds: How long it may go on with nobody listening.
        pace: Of its route, for its readers.
        clock: The journal's.

    Attributes:
        recording: In the journal.
    """

    recording: Recording

    def __init__(
        self,
        numbering: Numbering,
        *,
        send: Send,
        seats: Seats,
        location: str,
        is_named: bool,
        reconnects: bool = False,
        detach_seconds: float,
        pace: Pace,
        clock: Callable[[], float],
    ) -> None:
        #: What is numbered before the response begins.
        self._early: list[tuple[int, bytes]] = []
        self._numbering = numbering
        numbering.record = lambda *event: self._early.append(event)
        numbering.on_give_way = self._drop
        self._send = send
        self._seats = seats
        self._location = location
        self._detach_seconds = detach_seconds
        self._pace = pace
        self._clock = clock
        self._opened = self._left = 0.0
        #: Somebody else knows how to find it: the client has its id, or a name leads to it.
        self._is_known = is_named
        self._reconnects = reconnects
        self._has_begun = False
        self._first_id = b""
        self._stream: Stream | None = None
        self._stop: Callable[[SSEProxyError], None] | None = None
        self._detaches: Callable[[], bool] | None = None
        self._is_stopped = self._has_detached = False

    def record_in(self, recording: Recording) -> None:
        """Record in *recording*, which was opened just now."""
        self.recording, self._opened = recording, recording.heard

    def bind(
        self, stream: Stream, stop: Callable[[SSEProxyError], None], *, detaches: Callable[[], bool], place: Place
    ) -> None:
        """Record *stream*, which *stop* ends; *detaches*: go on without its client. It has *place* among the others."""
        self._stream, self._stop, self._detaches = stream, stop, detaches
        self._seats.runs(self._numbering.stream, place, self)
        if self._is_stopped:
            stop(Stopped())

    @property
    def has_client(self) -> bool:
        """`Producer`: the client is there, as far as anybody knows."""
        return not self._has_detached

    def displace(self) -> bool:
        """`Producer`: go on without it."""
        return self._detaches is not None and self._detaches()

    def on_stop(self) -> None:
        """Somebody has stopped the stream."""
        self._is_stopped = True
        if self._stop is not None:
            self._stop(Stopped())

    @property
    def wire(self) -> object:
        """The server's, for body bytes that need not pass through here: the numbering sees them before."""
        return getattr(self._send, "wire", None)

    async def __call__(self, message: Message) -> None:
        """The response's ``send``."""
        if message["type"] == "http.response.start":
            message = self._started(message)
        await self._send(message)
        if message["type"] == "http.response.start" and self._first_id:
            await self._send({"type": "http.response.body", "body": self._first_id, "more_body": True})

    @property
    def heard(self) -> float:
        """`Record`: when a reader was last known to listen."""
        return self.recording.heard

    def detach(self) -> bool:
        """`Record`: take over the client's part."""
        self._left = self._clock()
        is_numbered = self._stream is None or self._stream.numbering is not None
        if not (self._is_known and is_numbered) or self.patience() <= 0:
            return False
        self._send = _discard
        self._has_detached = True
        return True

    def patience(self) -> float:
        """`Record`: how long it may go on, if nobody comes; what cannot be replayed any more may not."""
        recording = self.recording
        if not recording.resumable:
            return 0.0
        until = self._left + self._detach_seconds
        if recording.heard > self._opened:  # else nobody was there yet
            until = max(until, recording.heard + max(self._detach_seconds, _NEWS_SECONDS))
        return until - self._clock()

    def finish(self, outcome: Outcome | None) -> None:
        """The response is over; what has no id on the wire cannot be asked for."""
        is_kept = self._has_begun and self._stream is not None and self._stream.numbering is not None
        end = _ENDS.get(outcome or Outcome.STOPPED, End.ERROR)
        is_over = self._stream is not None and self._stream.pipeline is not None and self._stream.pipeline.over
        if is_kept and end is End.CANCELLED and not is_over:
            if (untold := self._untold(outcome)) is not None:
                self._tell(untold)
            end = End.ERROR if isinstance(untold, OwnerLost) else End.STOPPED
        self.recording.end(end, keep=is_kept)
        self._seats.ended(self._numbering.stream)
        # The journal keeps its half for a while, and may call this one: it must not keep the connection with it.
        self.recording, self._send = NullRecording(), _discard
        self._stream = self._stop = self._detaches = None
        self._numbering.record = self._numbering.on_give_way = None

    def _untold(self, outcome: Outcome | None) -> SSEProxyError | None:
        """Why the response was cancelled, where nobody was there to be told; None: it is in the log."""
        if self._is_stopped and outcome is Outcome.STOPPED:
            return None
        if outcome in {Outcome.CLIENT_DISCONNECTED, Outcome.CLIENT_STALLED}:
            return None if self._has_detached else Abandoned()
        return OwnerLost()

    def _tell(self, error: SSEProxyError) -> None:
        if self._stream is not None:
            self._numbering.apply(self._stream.voice.error_frame(error, self._stream.told))

    def _started(self, start: Message) -> Message:
        status, headers, stream = start["status"], start["headers"], self._stream
        is_numbered = stream is not None and stream.numbering is not None and _is_event_stream(status, headers)
        if stream is None or not is_numbered or not self.recording.resumable:
            self._drop()
            return {**start, "headers": [*headers, (RESUME_HEADER, b"unavailable")]} if is_numbered else start
        self._begin(head_of(status, headers, stream.voice, stream.told, self._pace))
        told = [(b"x-stream-id", self._numbering.stream.encode("ascii")), (b"location", self._location.encode())]
        # Those of the upstream's lead elsewhere, and browsers refuse a response with two of them.
        return {**start, "headers": [*without(headers, frozenset(name for name, _ in told)), *told]}

    def _drop(self) -> None:
        """It is not kept, though it may have been promised: those who have come back already are told so."""
        self._early, self._numbering.record, self._is_known = [], None, False
        self.recording.end(End.ERROR, keep=False)

    def _begin(self, head: Head) -> None:
        self._has_begun = self._is_known = True
        if self._reconnects and not self._early:
            self._first_id = b"id: %b.0\n\n" % self._numbering.stream.encode("ascii")
        self.recording.begin(head)
        for n, event in self._early:
            self.recording.append(n, event)
        self._early, self._numbering.record = [], self.recording.append


async def _discard(_message: Message) -> None: ...


def _is_event_stream(status: int, headers: RawHeaders) -> bool:
    return 200 <= status < 300 and media_type(first(headers, b"content-type")) == "text/event-stream"
