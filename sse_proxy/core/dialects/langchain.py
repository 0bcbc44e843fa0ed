"""LangServe's ``stream`` and LangGraph's runs (reference: formats.md § A3).

Both name their events and end with ``event: end``. LangServe's has no data; it is owed once the stream has begun as
only LangServe's do, since many servers of people's own look like it from outside. LangGraph's streams often end with
the body. Its ids are its own: it resumes by them.
"""

from __future__ import annotations

import json

from ...errors import SSEProxyError
from ..documents import json_object
from ..sse import Event
from .base import ANY_PATH, Dialect, Sign, compact, reported_error
from .deltas import Delta, suffix_of
from .native import error_body, error_object
from .state import JSONObject, StreamState

__all__ = ["LANGGRAPH", "LANGSERVE"]


def _inspect(event: Event, _payload: JSONObject, state: StreamState) -> None:
    if event.event == b"error":
        payload = json_object(event.data) or {}
        state.error = reported_error({"error": {**payload, "code": payload.get("status_code")}}, event.data)
    elif event.event == b"end":
        state.finished = state.terminated = True


def _inspect_langserve(event: Event, payload: JSONObject, state: StreamState) -> None:
    if event.event == b"metadata" and "run_id" in (json_object(event.data) or {}):
        state.owes_end = True
    _inspect(event, payload, state)


def _value(event: Event) -> object:
    try:
        return json.loads(event.data)
    except (ValueError, RecursionError):
        return None


def _text(message: object) -> str:
    """The text of a message chunk: a string, or an object with ``content`` of that or of parts."""
    content = message.get("content") if isinstance(message, dict) else message
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""


def _langserve_deltas(event: Event, _payload: JSONObject, _state: StreamState) -> list[Delta]:
    text = _text(_value(event)) if event.event == b"data" else ""
    return [Delta(text=text)] if text else []


def _langgraph_deltas(event: Event, _payload: JSONObject, state: StreamState) -> list[Delta]:
    kind = event.event.partition(b"|")[0]  # a subgraph's events have its name behind
    value = _value(event)
    first = value[0] if isinstance(value, list) and value else None
    if kind == b"messages":  # a pair of message chunk and metadata
        text = _text(first)
    elif kind in {b"messages/partial", b"messages/complete"}:  # all of the message so far
        whole = _text(value[-1]) if isinstance(value, list) and value else ""
        text = suffix_of(whole, state.texts.get(0, "")) if whole else ""
        state.texts[0] = whole or state.texts.get(0, "")
    else:
        text = ""
    return [Delta(text=text)] if text else []


def _error_frame(error: SSEProxyError, _state: StreamState) -> bytes:
    # LangServe's client takes status and message, and fails without them; LangGraph's takes the message.
    about = {"status_code": error.http_status, "message": str(error), "error": error_object(error)}
    return b"event: error\ndata: " + compact(about) + b"\n\n"


def _is_langgraph(sign: Sign) -> bool:
    return "/runs/" in sign.path and sign.path.endswith("/stream")


LANGGRAPH = Dialect(
    name="langgraph",
    paths=ANY_PATH,
    methods=("GET", "POST"),
    claims=_is_langgraph,
    always_streams=True,
    json=False,
    markers=(b"event: error", b"event: end"),
    numbers_events=True,
    inspect=_inspect,
    deltas=_langgraph_deltas,
    error_body=error_body,
    error_frame=_error_frame,
    completes_at_end=True,
)

LANGSERVE = Dialect(
    name="langserve",
    paths=("/stream",),
    claims=lambda sign: sign.document is not None and "input" in sign.document,
    reads_body=True,
    always_streams=True,
    json=False,
    markers=(b"event: error", b"event: end", b"event: metadata"),
    inspect=_inspect_langserve,
    deltas=_langserve_deltas,
    error_body=error_body,
    error_frame=_error_frame,
    completes_at_end=True,
    dataless=frozenset({b"end"}),
)
