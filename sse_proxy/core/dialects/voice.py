"""How a stream is spoken to its client: heartbeats, errors and the ending, in one API's own form and framing.

A `Dialect` is the voice of its own event stream. A server that writes no SSE has a second one, `Dialect.native`, for
clients that expect its own framing; and an output shape speaks with the voice of the API that it imitates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...errors import SSEProxyError
from ..sse import Event
from .state import StreamState

__all__ = ["SSE_MEDIA_TYPE", "Voice", "document_voice"]

SSE_MEDIA_TYPE = b"text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """The writing half of one row of the table."""

    #: Content-Type of a stream that we begin ourselves.
    media_type: bytes = SSE_MEDIA_TYPE
    #: The first-tier heartbeat while no ``id`` is on the wire (with ids it is ``: ping`` and one LF); of framings other
    #: than SSE the only one. Empty: there is none that clients survive.
    comment: bytes = b": ping\n"
    #: The dialect's own event that changes nothing; None while there is none that is safe.
    noop: Callable[[StreamState], bytes | None] = lambda _state: None
    #: The no-op event is the dialect's native ping and better than a comment.
    prefers_noop: bool = False
    #: The JSON error document of an answer that has not begun.
    error_body: Callable[[SSEProxyError], bytes]
    #: The in-stream error, its terminator included where the dialect has one; empty: there is none, only an abort.
    error_frame: Callable[[SSEProxyError, StreamState], bytes]
    #: After an error frame: True aborts the connection, since a clean end would look like success.
    aborts_after_error: bool = False
    #: Written when a complete answer ends without it, and after the upstream's own error where `ends_errors`.
    terminator: bytes = b""
    #: The terminator follows error events too.
    ends_errors: bool = False
    #: How one record is written anew in another framing than SSE; None: they pass as they came.
    record: Callable[[Event], bytes] | None = None
    #: What closes a record that was half written, so that an error frame may follow; None: nothing can, so abort.
    closes: bytes | None = b"\n\n"

    @property
    def is_sse(self) -> bool:
        """Whether it speaks in an event stream."""
        return self.media_type.startswith(b"text/event-stream")


def document_voice(voice: Voice) -> Voice:
    """How a client is spoken to that waits for one JSON document of *voice*'s API.

    White space may stand in front of it. An error is its document, and the connection is aborted behind it, since its
    status was promised to be 200.
    """
    return Voice(
        media_type=b"application/json",
        comment=b" ",
        error_body=voice.error_body,
        error_frame=lambda error, _state: voice.error_body(error),
        aborts_after_error=True,
        closes=None,
    )
