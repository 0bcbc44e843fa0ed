"""The wire of the guide that this project grew out of: ``data: {"token": "…"}``, ended by ``event: done``.

Servers written after it end with an event of that type, with ``{"done": true}`` or with ``[DONE]``. It is also what
``output = "tokens"`` writes, for the guide's own `EventSource` hook and fetch reader.
"""

from __future__ import annotations

from ..sse import Event
from .base import Dialect, free_keys, reported_error
from .deltas import Delta
from .native import BLOCK, error_body, named_error
from .state import JSONObject, StreamState

__all__ = ["TOKENS"]

_DONE = b'event: done\ndata: {"done":true}\n\n'


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    if event.event == b"error" or payload.get("error"):
        state.error = reported_error(payload, event.data)
    elif event.event == b"done" or event.data == b"[DONE]" or payload.get("done") is True:
        state.finished = state.terminated = True


def _deltas(_event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    token = payload.get("token")
    return [Delta(text=token)] if isinstance(token, str) and token else []


def _speaks(event: Event, payload: JSONObject) -> bool:
    if event.event == b"error":  # a stream that begins with its error has no more to tell
        return "error" in payload
    return event.event in {b"", b"message"} and next(iter(payload), "") == "token" and isinstance(payload["token"], str)


TOKENS = Dialect(
    name="tokens",
    speaks=_speaks,
    markers=(b'"done"', b"event: done", b"[DONE]", b'"error"', b"event: error", b"event: ping"),
    free=free_keys("token"),
    inspect=_inspect,
    is_ping=lambda event: event.event == b"ping",
    deltas=_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
    terminator=_DONE,
)
