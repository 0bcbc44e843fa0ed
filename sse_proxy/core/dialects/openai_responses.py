"""OpenAI Responses: named events, ended by ``response.completed``, ``response.incomplete`` or ``response.failed``.

There is no ``[DONE]``; where an upstream sends one it is dropped. The no-op event is ``keepalive``, allowed only after
``response.created`` (the ``.stream()`` of the SDKs raises before it) and carrying the last ``sequence_number`` again.
The error is the superset frame of formats.md § B3, the only one that the Python, Node and AI SDKs all raise on,
followed by ``response.failed`` for clients that wait for a terminal event.
"""

from __future__ import annotations

import re

from ...errors import SSEProxyError
from ..sse import Event
from .base import Dialect, compact, free_keys, reported_error, usage_counts
from .openai_chat import openai_error, openai_error_body
from .responses_deltas import responses_deltas, responses_from_document
from .state import JSONObject, StreamState

__all__ = ["RESPONSES"]

_TERMINAL = {"response.completed", "response.incomplete"}
_USAGE = {
    "input_tokens": "input",
    "output_tokens": "output",
    "input_tokens_details.cached_tokens": "cached_input",
    "output_tokens_details.reasoning_tokens": "reasoning_output",
}
_SEQUENCE_NUMBER = re.compile(rb'"sequence_number":\s*(\d{1,18})')


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    kind = str(payload.get("type") or event.event.decode())
    response = payload.get("response")
    details = response if isinstance(response, dict) else {}
    if kind in {"error", "response.failed"} or (kind == "" and payload.get("error")):
        inner = details if kind == "response.failed" else payload
        state.error = state.error or reported_error(inner, event.data)
        state.terminated = state.terminated or kind == "response.failed"
        return
    if kind == "response.created":
        state.identity = {key: details[key] for key in ("id", "created_at", "model") if key in details}
    if kind in _TERMINAL:
        state.finished = state.terminated = True
        state.usage = usage_counts(details.get("usage"), _USAGE) or state.usage


def _is_ping(event: Event) -> bool:
    # ``[DONE]`` is not of this API. Clients stop reading at it, so one that comes too early would pass off a cut answer
    # as whole, and hide the error behind it.
    return event.event in {b"keepalive", b"ping"} or event.data == b"[DONE]"


def _speaks(event: Event, payload: JSONObject) -> bool:
    # A stream that was taken up again begins anywhere.
    kind = str(payload.get("type", event.event.decode()))
    return kind == "response.created" or (kind.startswith("response.") and "sequence_number" in payload)


def _sequence_number(state: StreamState) -> int:
    numbers = _SEQUENCE_NUMBER.findall(state.last)
    return int(numbers[-1]) if numbers else 0


def _named(kind: str, payload: JSONObject) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + compact({"type": kind, **payload}) + b"\n\n"


def _noop(state: StreamState) -> bytes | None:
    if not state.identity:
        return None
    return _named("keepalive", {"sequence_number": _sequence_number(state)})


def _error_frame(error: SSEProxyError, state: StreamState) -> bytes:
    number = _sequence_number(state) + 1 if state.started else 0
    details = openai_error(error)
    frame = _named(
        "error",
        {"code": error.code, "message": str(error), "param": None, "sequence_number": number, "error": details},
    )
    response = {
        "id": "resp_unknown",
        **state.identity,
        "object": "response",
        "status": "failed",
        "error": {"code": "server_error", "message": str(error)},
        "output": [],
    }
    return frame + _named("response.failed", {"sequence_number": number + 1, "response": response})


RESPONSES = Dialect(
    name="openai_responses",
    paths=("/responses",),
    markers=(
        b"response.created",
        b"response.completed",
        b"response.incomplete",
        b"response.failed",
        b"event: error",
        b'"error"',
        b"keepalive",
        b"event: ping",
    ),
    names_events=True,
    free=free_keys("delta", "obfuscation", "sequence_number"),
    inspect=_inspect,
    is_ping=_is_ping,
    deltas=responses_deltas,
    from_document=responses_from_document,
    speaks=_speaks,
    noop=_noop,
    error_body=openai_error_body,
    error_frame=_error_frame,
    keeps=_SEQUENCE_NUMBER,
)
