"""The AI SDK's streams to its own front ends: UI messages (version 1), and the older data stream (formats.md § A3).

Both are told by a header of the response. The first is SSE whose clients reject unknown types, so the heartbeat is a
comment; the second is lines of ``code:JSON`` under ``text/plain``, with nothing that could stand between them.
"""

from __future__ import annotations

import json

from ...errors import SSEProxyError
from ..framers.base import Framing
from ..sse import Event
from .base import Dialect, compact, free_keys, reported_error, usage_counts
from .deltas import Delta, ToolCall
from .native import BLOCK, error_body, named_error
from .openai_chat import DONE
from .state import JSONObject, StreamState
from .voice import Voice

__all__ = ["AI_SDK_DATA", "AI_SDK_UI"]

_USAGE = {"promptTokens": "input", "completionTokens": "output"}
_FINISH = {"length": "length", "tool-calls": "tool_calls", "content-filter": "content_filter"}


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    kind = str(payload.get("type"))
    if event.data == b"[DONE]":
        state.terminated = True
    elif kind == "error":
        state.error = reported_error({"error": {"message": payload.get("errorText")}}, event.data)
    elif kind in {"finish", "abort"}:
        state.finished = True


def _deltas(_event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    piece = payload.get("delta")
    text = piece if isinstance(piece, str) else ""
    match payload.get("type"):
        case "text-delta":
            return [Delta(text=text)]
        case "reasoning-delta":
            return [Delta(reasoning=text)]
        case "tool-input-start":
            index = state.tool_calls
            state.tool_calls += 1
            name, identity = str(payload.get("toolName")), str(payload.get("toolCallId"))
            return [Delta(tool_calls=(ToolCall(index=index, id=identity, name=name),))]
        case "tool-input-delta":
            arguments = str(payload.get("inputTextDelta", text))
            return [Delta(tool_calls=(ToolCall(index=max(state.tool_calls - 1, 0), arguments=arguments),))]
        case "finish":
            return [Delta(finish=_FINISH.get(str(payload.get("finishReason")), "stop"))]
    return []


def _error_frame(error: SSEProxyError, _state: StreamState) -> bytes:
    return b"data: " + compact({"type": "error", "errorText": str(error)}) + b"\n\n" + DONE


def _line(event: Event) -> tuple[str, object]:
    """Code and value of a line; an empty code where it is none."""
    code, _, value = event.data.partition(b":")
    try:
        return code.decode(), json.loads(value)
    except (ValueError, RecursionError):
        return "", None


def _inspect_line(event: Event, _payload: JSONObject, state: StreamState) -> None:
    code, value = _line(event)
    if code == "3":
        state.error = reported_error({"error": {"message": value}}, event.data)
    elif code == "d":
        state.finished = state.terminated = True
        usage = value.get("usage") if isinstance(value, dict) else None
        state.usage = usage_counts(usage, _USAGE)


def _line_deltas(event: Event, _payload: JSONObject, state: StreamState) -> list[Delta]:
    code, value = _line(event)
    fields = value if isinstance(value, dict) else {}
    match code:
        case "0" | "g" if isinstance(value, str):
            return [Delta(text=value) if code == "0" else Delta(reasoning=value)]
        case "9" | "b":
            index = state.tool_calls
            state.tool_calls += 1
            arguments = compact(fields.get("args") or {}).decode() if code == "9" else ""
            name, identity = str(fields.get("toolName")), str(fields.get("toolCallId"))
            return [Delta(tool_calls=(ToolCall(index=index, id=identity, name=name, arguments=arguments),))]
        case "c":
            arguments = str(fields.get("argsTextDelta", ""))
            return [Delta(tool_calls=(ToolCall(index=max(state.tool_calls - 1, 0), arguments=arguments),))]
        case "d":
            return [Delta(finish=_FINISH.get(str(fields.get("finishReason")), "stop"))]
    return []


def _error_lines(error: SSEProxyError, _state: StreamState) -> bytes:
    end = {"finishReason": "error", "usage": {"promptTokens": 0, "completionTokens": 0}}
    return b"3:" + compact(str(error)) + b"\nd:" + compact(end) + b"\n"


AI_SDK_UI = Dialect(
    name="ai_sdk_ui",
    response_header=(b"x-vercel-ai-ui-message-stream", b""),
    markers=(b"[DONE]", b'"finish"', b'"abort"', b'"error"'),
    free=free_keys("delta"),
    inspect=_inspect,
    deltas=_deltas,
    error_body=error_body,
    error_frame=_error_frame,
    terminator=DONE,
    ends_errors=True,
)

AI_SDK_DATA = Dialect(
    name="ai_sdk_data",
    response_header=(b"x-vercel-ai-data-stream", b""),
    framing=Framing.DATA_STREAM,
    native=Voice(
        media_type=b"text/plain; charset=utf-8",
        comment=b"",
        error_body=error_body,
        error_frame=_error_lines,
        closes=b"\n",
    ),
    json=False,
    inspect=_inspect_line,
    deltas=_line_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
    aborts_after_error=True,
)
