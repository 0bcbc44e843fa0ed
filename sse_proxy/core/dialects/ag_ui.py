"""AG-UI: unnamed events that tell their ``type``, ``RUN_STARTED`` to ``RUN_FINISHED`` (reference: formats.md § A3)."""

from __future__ import annotations

from ...errors import SSEProxyError
from ..sse import Event
from .base import Dialect, compact, free_keys, reported_error
from .deltas import Delta, ToolCall
from .native import error_body
from .state import JSONObject, StreamState

__all__ = ["AG_UI"]


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    kind = payload.get("type")
    if kind == "RUN_ERROR":
        state.error = reported_error({"error": payload}, event.data)
    elif kind == "RUN_FINISHED":
        state.finished = True


def _deltas(_event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    piece = payload.get("delta")
    text = piece if isinstance(piece, str) else ""
    match payload.get("type"):
        case "TEXT_MESSAGE_CONTENT" | "TEXT_MESSAGE_CHUNK":
            return [Delta(text=text)]
        case "THINKING_TEXT_MESSAGE_CONTENT" | "REASONING_MESSAGE_CONTENT":
            return [Delta(reasoning=text)]
        case "TOOL_CALL_START":
            index = state.tool_calls
            state.tool_calls += 1
            name, identity = str(payload.get("toolCallName")), str(payload.get("toolCallId"))
            return [Delta(tool_calls=(ToolCall(index=index, id=identity, name=name),))]
        case "TOOL_CALL_ARGS":
            return [Delta(tool_calls=(ToolCall(index=max(state.tool_calls - 1, 0), arguments=text),))]
        case "RUN_FINISHED":
            return [Delta(finish="stop")]
    return []


def _error_frame(error: SSEProxyError, _state: StreamState) -> bytes:
    return b"data: " + compact({"type": "RUN_ERROR", "message": str(error), "code": error.code}) + b"\n\n"


AG_UI = Dialect(
    name="ag_ui",
    speaks=lambda _event, payload: str(payload.get("type")) in {"RUN_STARTED", "RUN_ERROR"},
    markers=(b'"RUN_ERROR"', b'"RUN_FINISHED"', b'"error"'),
    free=free_keys("delta"),
    inspect=_inspect,
    deltas=_deltas,
    error_body=error_body,
    error_frame=_error_frame,
)
