"""Dify's apps, ``response_mode: "streaming"``: unnamed events that tell their type as ``event`` (formats.md § A3)."""

from __future__ import annotations

from ...errors import SSEProxyError
from ..sse import Event
from .base import Dialect, compact, free_keys, reported_error, usage_counts
from .deltas import Delta
from .native import BLOCK, error_body, error_object
from .state import JSONObject, StreamState

__all__ = ["DIFY"]

_USAGE = {"prompt_tokens": "input", "completion_tokens": "output"}
_ENDS = frozenset({"message_end", "workflow_finished"})
_TEXTS = frozenset({"message", "agent_message"})


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    kind = str(payload.get("event"))
    data = payload.get("data")
    details = data if isinstance(data, dict) else {}
    if kind == "error":
        state.error = reported_error({"error": payload}, event.data)
    elif kind == "workflow_finished" and details.get("status") == "failed":
        state.error = reported_error({"error": {"message": details.get("error")}}, event.data)
    elif kind in _ENDS:
        # A chat workflow finishes before its message ends.
        state.finished = True
        state.terminated = kind == "message_end"
        metadata = payload.get("metadata")
        counts = usage_counts(metadata.get("usage") if isinstance(metadata, dict) else None, _USAGE)
        state.usage = counts or state.usage


def _deltas(_event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    kind, answer = str(payload.get("event")), payload.get("answer")
    if kind in _TEXTS and isinstance(answer, str):
        return [Delta(text=answer)]
    if kind == "text_chunk":  # of workflows
        data = payload.get("data")
        text = data.get("text") if isinstance(data, dict) else None
        return [Delta(text=text)] if isinstance(text, str) else []
    return [Delta(finish="stop")] if kind == "message_end" else []


def _from_document(document: JSONObject) -> list[Event] | None:
    """A whole answer (``response_mode: "blocking"``): as an event of the stream, and the event that ends it."""
    if document.get("event") != "message" or not isinstance(document.get("mode"), str):
        return None
    told = {key: value for key, value in document.items() if key not in {"metadata", "mode"}}
    end = {key: value for key, value in document.items() if key not in {"answer", "mode"}} | {"event": "message_end"}
    return [Event(data=compact(told)), Event(data=compact(end))]


def _error_frame(error: SSEProxyError, _state: StreamState) -> bytes:
    about = {"event": "error", "status": error.http_status, "code": error.code, "message": str(error)}
    return b"data: " + compact({**about, "error": error_object(error)}) + b"\n\n"


DIFY = Dialect(
    name="dify",
    paths=("/chat-messages", "/completion-messages", "/workflows/run"),
    reads_body=True,
    asks=lambda document: document.get("response_mode") == "streaming",
    speaks=lambda event, payload: not event.event and isinstance(payload.get("event"), str) and "task_id" in payload,
    markers=(b'"message_end"', b'"workflow_finished"', b'"error"', b"event: ping"),
    free=free_keys("answer"),
    inspect=_inspect,
    is_ping=lambda event: event.event == b"ping",
    deltas=_deltas,
    from_document=_from_document,
    comment=BLOCK,
    error_body=error_body,
    error_frame=_error_frame,
)
