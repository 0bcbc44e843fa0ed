"""What is kept of a response besides its events, so that any replica can speak to a client in its place.

A `Head` of the journal, which JSON can hold: the status, the headers as the first client gets them, the name of the
voice, what that has to know of the stream, and the pace of its route, which readers come to by other ways too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from starlette.types import Scope

from ..core.cursor import Cursor
from ..core.dialects import GENERIC, Dialect, StreamState, Voice, dialect_by_name
from ..core.headers import HeaderList, RawHeaders, sse_response_headers, without
from ..core.heartbeat import HeartbeatMode
from ..core.pacing import Limits
from ..core.target import RESERVED_PREFIX
from ..replay.base import Head
from ..settings import Settings

__all__ = ["Pace", "Spoken", "head_of", "location_of"]

#: Of the first client's response, what is no other client's, nor any store's to keep.
_FIRST_ONE = frozenset({b"location", b"set-cookie", b"x-request-id", b"x-sse-resume", b"x-stream-id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The settings of these names that the clients of one stream are under."""

    heartbeat_mode: HeartbeatMode
    heartbeat_seconds: float
    client_stall_timeout_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> Pace:
        """What *settings*, a route's own, say of it."""
        return cls(
            heartbeat_mode=settings.heartbeat_mode,
            heartbeat_seconds=settings.heartbeat_seconds,
            client_stall_timeout_seconds=settings.client_stall_timeout_seconds,
        )

    def limits(self, commit_after: float) -> Limits:
        """What a reader's client is under; the upstream's deadlines are its producer's business."""
        return Limits(
            heartbeat=0.0 if self.heartbeat_mode == "off" else self.heartbeat_seconds,
            commit_after=commit_after,
            client_stall=self.client_stall_timeout_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """How the clients of one stream are spoken to.

    Attributes:
        status, headers: Of the first client's response, without what is that client's own.
        voice: For heartbeats and errors.
        state: What *voice* is told of the stream; a fresh one for each reader.
        pace: None where the head does not tell.
    """

    status: int
    headers: HeaderList
    voice: Voice
    state: StreamState
    pace: Pace | None = None

    @classmethod
    def of(cls, head: Head | None) -> Spoken:
        """What *head* tells; None: nothing yet, so that clients are spoken to as no API in particular.

        So they are by a voice that this version does not know, of another one's making.
        """
        if head is None:
            return cls(status=200, headers=[], voice=GENERIC, state=StreamState(has_ids=True))
        return cls(
            status=head["status"],
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]],
            voice=_named(head["voice"]),
            state=StreamState(identity=dict(head["identity"]), started=True, has_ids=True),
            pace=_pace_of(head),
        )

    @property
    def dialect(self) -> str:
        """The name of the API whose voice it is."""
        return self.voice.name if isinstance(self.voice, Dialect) else GENERIC.name

    def headers_from(self, cursor: Cursor, location: str) -> HeaderList:
        """The headers of a response that goes on from *cursor*; *location* is where the stream can be had again."""
        return [
            *sse_response_headers([*self.headers, (b"cache-control", b"no-store")]),
            (b"x-stream-id", cursor.stream.encode("ascii")),
            (b"location", location.encode()),
            (b"x-replayed-from", b"%d" % cursor.after),
        ]


def head_of(status: int, headers: RawHeaders, voice: Voice, state: StreamState, pace: Pace) -> Head:
    """The head of a response that begins so."""
    return {
        "status": status,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in without(headers, _FIRST_ONE)],
        "voice": voice.name if isinstance(voice, Dialect) else GENERIC.name,
        "identity": state.identity,
        "pace": asdict(pace),
    }


def location_of(scope: Scope, stream: str) -> str:
    """Where *stream* can be had again, for the client of *scope*."""
    root: str = scope.get("root_path", "")
    return root.rstrip("/") + RESERVED_PREFIX + "streams/" + stream


def _named(name: str) -> Voice:
    try:
        return dialect_by_name(name)
    except KeyError:
        return GENERIC


def _pace_of(head: Head) -> Pace | None:
    try:
        return Pace(**head["pace"])
    except (KeyError, TypeError):  # another version's
        return None
