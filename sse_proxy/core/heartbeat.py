"""Which bytes keep a quiet stream alive, for this dialect and this client (INTERFACE "Heartbeats").

No form suits everyone: one line ``: ping`` is safe for every SDK but glues itself to the next event for readers that
split on blank lines; with a blank line it kills SDKs once an ``id`` was seen (DESIGN fact 1); and clients that count
events need data from time to time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .dialects import Dialect, StreamState

__all__ = ["COMMENT", "COMMENT_BLOCK", "Heartbeat", "HeartbeatMode", "heartbeat"]

HeartbeatMode = Literal["auto", "comment", "comment-block", "data", "off"]

COMMENT = b": ping\n"
COMMENT_BLOCK = b": ping\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Bytes to send between two events, and the form they take: the label value of ``heartbeats_total``."""

    mode: Literal["comment", "comment-block", "data"]
    data: bytes


def heartbeat(dialect: Dialect, state: StreamState, mode: HeartbeatMode, *, browser: bool, data_due: bool) -> Heartbeat:
    """The heartbeat to send now.

    Args:
        dialect: The stream's row of the table.
        state: What is known of the stream.
        mode: The setting ``heartbeat_mode``; who asks in spite of ``off`` gets a comment.
        browser: The request comes from a page's script.
        data_due: No data was sent for so long that clients which count events would give up.
    """
    wants_data = mode == "data" or (mode == "auto" and (dialect.prefers_noop or browser or data_due))
    if wants_data and (noop := dialect.noop(state)) is not None:
        return Heartbeat(mode="data", data=noop)
    block = mode == "comment-block" or (mode in {"auto", "data"} and dialect.comment == COMMENT_BLOCK)
    if block and not state.has_ids:
        return Heartbeat(mode="comment-block", data=COMMENT_BLOCK)
    return Heartbeat(mode="comment", data=COMMENT)
