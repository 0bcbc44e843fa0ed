"""Anthropic Messages: named events from ``message_start`` to ``message_stop``, with native pings.

The heartbeat is the API's own ``ping`` event: it is data, so it feeds every client's timer. SDKs raise only on
``event: error``, never on an unnamed error object (reference: formats.md § B3).
"""

from __future__ import annotations

from ...errors import SSEProxyError
from ..sse import Event
from .anthropic_deltas import anthropic_deltas, anthropic_from_document
from .base import Dialect, compact, free_keys, reported_error, usage_counts
from .state import JSONObject, StreamState

__all__ = ["ANTHROPIC"]

_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_UNNAMED_PINGS = (b'{"type": "ping"}', b'{"type":"ping"}')
_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_USAGE = {"input_tokens": "input", "output_tokens": "output", "cache_read_input_tokens": "cached_input"}
#: The API's own names for what our errors mean; clients switch on them.
_TYPES = {"server_error": "api_error", "timeout_error": "timeout_error", "overloaded_error": "overloaded_error"}


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    kind = payload.get("type") or event.event.decode()
    # An unnamed error object is told on only as a status: within the stream no SDK raises on it, so there the missing
    # ``message_stop`` has to be told of.
    if kind == "error" or event.event == b"error" or (payload.get("error") and not state.started):
        state.error = reported_error(payload, event.data)
    elif kind == "message_start":
        message = payload.get("message")
        told = message if isinstance(message, dict) else {}
        state.usage = usage_counts(told.get("usage"), _USAGE)
        state.identity = {key: told[key] for key in ("model",) if key in told}
    elif kind == "message_delta":
        # Counts are cumulative, and those of the start that are not repeated still hold.
        state.usage = state.usage | usage_counts(payload.get("usage"), _USAGE)
        delta = payload.get("delta")
        state.finished = state.finished or (isinstance(delta, dict) and bool(delta.get("stop_reason")))
    elif kind == "message_stop":
        state.terminated = True


def _is_ping(event: Event) -> bool:
    return event.event == b"ping" or (not event.event and event.data in _UNNAMED_PINGS)


def _error_body(error: SSEProxyError) -> bytes:
    kind = _TYPES.get(error.error_type, error.error_type)
    return compact({"type": "error", "error": {"type": kind, "message": str(error), "code": error.code}})


def _error_frame(error: SSEProxyError, _state: StreamState) -> bytes:
    return b"event: error\ndata: " + _error_body(error) + b"\n\n"


ANTHROPIC = Dialect(
    name="anthropic",
    paths=("/v1/messages",),
    markers=(
        b"message_start",
        b"message_delta",
        b"message_stop",
        b"event: error",
        b'"error"',
        b"event: ping",
        b'"ping"',
    ),
    names_events=True,
    free=free_keys("text", "partial_json", "thinking"),
    inspect=_inspect,
    is_ping=_is_ping,
    deltas=anthropic_deltas,
    from_document=anthropic_from_document,
    speaks=lambda event, payload: payload.get("type", event.event.decode()) == "message_start",
    noop=lambda _state: _PING,
    prefers_noop=True,
    error_body=_error_body,
    error_frame=_error_frame,
    terminator=_STOP,
)
