"""Which bytes keep a quiet stream alive, for this voice and this client (INTERFACE "Heartbeats").

No form suits everyone: one line ``: ping`` is safe for every SDK but glues itself to the next event for readers that
split on blank lines; with a blank line it kills SDKs once an ``id`` was seen (DESIGN fact 1); and clients that count
events need data from time to time. Other framings than SSE have white space between their records, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .dialects import StreamState, Voice

__all__ = ["COMMENT", "COMMENT_BLOCK", "Heartbeat", "HeartbeatMode", "heartbeat"]

HeartbeatMode = Literal["auto", "comment", "comment-block", "data", "off"]

COMMENT = b": ping\n"
COMMENT_BLOCK = b": ping\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Bytes to send between two events, and the form they take: the label value of ``heartbeats_total``."""

    mode: Literal["comment", "comment-block", "data", "space"]
    data: bytes


def heartbeat(
    voice: Voice, state: StreamState, mode: HeartbeatMode, *, prefers_data: bool, data_due: bool
) -> Heartbeat | None:
    """The heartbeat to send now; None where the voice has none that clients survive.

    Args:
        voice: How the client is spoken to.
        state: What the voice is to be told of the stream.
        mode: The setting ``heartbeat_mode``; who asks in spite of ``off`` gets a comment.
        prefers_data: Comments would spoil something for this client.
        data_due: No data was sent for so long that clients which count events would give up.
    """
    if not voice.is_sse:
        return Heartbeat(mode="space", data=voice.comment) if voice.comment else None
    wants_data = mode == "data" or (mode == "auto" and (voice.prefers_noop or prefers_data or data_due))
    if wants_data and (noop := voice.noop(state)) is not None:
        return Heartbeat(mode="data", data=noop)
    block = mode == "comment-block" or (mode in {"auto", "data"} and voice.comment == COMMENT_BLOCK)
    if block and not state.has_ids:
        return Heartbeat(mode="comment-block", data=COMMENT_BLOCK)
    return Heartbeat(mode="comment", data=COMMENT)
