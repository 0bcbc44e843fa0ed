"""What is kept of a response besides its events, so that any replica can speak to a client in its place.

A `Head` of the journal, which JSON can hold: the status, the headers as the first client gets them, the name of the
voice, and what that has to know of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.cursor import Cursor
from ..core.dialects import GENERIC, Dialect, StreamState, Voice, dialect_by_name
from ..core.headers import HeaderList, RawHeaders, sse_response_headers, without
from ..replay.base import Head

__all__ = ["Spoken", "head_of"]

#: Of the first client's response, what is no other client's, nor any store's to keep.
_FIRST_ONE = frozenset({b"location", b"set-cookie", b"x-request-id", b"x-sse-resume", b"x-stream-id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """How the clients of one stream are spoken to.

    Attributes:
        status, headers: Of the first client's response, without what is that client's own.
        voice: For heartbeats and errors.
        state: What *voice* is told of the stream; a fresh one for each reader.
    """

    status: int
    headers: HeaderList
    voice: Voice
    state: StreamState

    @classmethod
    def of(cls, head: Head) -> Spoken:
        """What *head* tells; a voice that this version does not know, of another one's making, is `GENERIC`."""
        return cls(
            status=head["status"],
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in head["headers"]],
            voice=_named(head["voice"]),
            state=StreamState(identity=dict(head["identity"]), started=True, has_ids=True),
        )

    @property
    def dialect(self) -> str:
        """The name of the API whose voice it is."""
        return self.voice.name if isinstance(self.voice, Dialect) else GENERIC.name

    def headers_from(self, cursor: Cursor) -> HeaderList:
        """The headers of a response that goes on from *cursor*."""
        return [
            *sse_response_headers([*self.headers, (b"cache-control", b"no-store")]),
            (b"x-stream-id", cursor.stream.encode("ascii")),
            (b"x-replayed-from", b"%d" % cursor.after),
        ]


def head_of(status: int, headers: RawHeaders, voice: Voice, state: StreamState) -> Head:
    """The head of a response that begins so."""
    return {
        "status": status,
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in without(headers, _FIRST_ONE)],
        "voice": voice.name if isinstance(voice, Dialect) else GENERIC.name,
        "identity": state.identity,
    }


def _named(name: str) -> Voice:
    try:
        return dialect_by_name(name)
    except KeyError:
        return GENERIC
