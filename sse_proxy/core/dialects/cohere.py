"""Cohere's chat, version 2: named events from ``message-start`` to ``message-end`` (reference: formats.md § A1).

Its SDKs drop every kind of error frame, so an error ends with an aborted connection (§ B3). The one for JavaScript ends
its stream at any line that holds ``[DONE]``.
"""

from __future__ import annotations

from ..sse import Event
from .base import Dialect, compact, reported_error, usage_counts
from .deltas import Delta, ToolCall
from .native import error_body, named_error
from .state import JSONObject, StreamState

__all__ = ["COHERE"]

_USAGE = {"tokens.input_tokens": "input", "tokens.output_tokens": "output"}
_FINISH = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}


def _at(value: object, *path: str) -> object:
    """The value at *path* in nested objects; None where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    kind = payload.get("type") or event.event.decode()
    if payload.get("error") or kind == "error":
        state.error = reported_error(payload, event.data)
    elif kind == "message-start" and isinstance(identity := payload.get("id"), str):
        state.identity = {"id": identity}
    elif kind == "message-end":
        delta = payload.get("delta")
        fields = delta if isinstance(delta, dict) else {}
        state.usage = usage_counts(fields.get("usage"), _USAGE)
        state.terminated = True
        if fields.get("error") or fields.get("finish_reason") == "ERROR":
            state.error = reported_error({"error": fields.get("error") or "the model failed"}, event.data)
        else:
            state.finished = True


def _deltas(event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    kind = payload.get("type") or event.event.decode()
    match kind:
        case "content-delta":
            content = _at(payload, "delta", "message", "content")
            text, thinking = _at(content, "text"), _at(content, "thinking")
            return [Delta(text=str(text or ""), reasoning=str(thinking or ""))]
        case "tool-call-start" | "tool-call-delta":
            return [Delta(tool_calls=(_tool_call(payload),))]
        case "message-end":
            return [Delta(finish=_FINISH.get(str(_at(payload, "delta", "finish_reason")), "stop"))]
    return []


def _tool_call(payload: JSONObject) -> ToolCall:
    call = _at(payload, "delta", "message", "tool_calls")
    index, identity, name = payload.get("index"), _at(call, "id"), _at(call, "function", "name")
    return ToolCall(
        index=index if isinstance(index, int) else 0,
        id=identity if isinstance(identity, str) else None,
        name=name if isinstance(name, str) else None,
        arguments=str(_at(call, "function", "arguments") or ""),
    )


def _from_document(document: JSONObject) -> list[Event] | None:
    message = document.get("message")
    if not isinstance(message, dict) or "finish_reason" not in document:
        return None
    start = {"type": "message-start", "id": document.get("id"), "delta": {"message": {"role": "assistant"}}}
    events: list[JSONObject] = [start]
    content = message.get("content")
    for index, part in enumerate(content if isinstance(content, list) else ()):
        begun = {"type": _at(part, "type") or "text", "text": ""}
        events += [
            {"type": "content-start", "index": index, "delta": {"message": {"content": begun}}},
            {"type": "content-delta", "index": index, "delta": {"message": {"content": part}}},
            {"type": "content-end", "index": index},
        ]
    calls = message.get("tool_calls")
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        events += [
            {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": call}}},
            {"type": "tool-call-end", "index": index},
        ]
    end = {"finish_reason": document["finish_reason"], "usage": document.get("usage")}
    events.append({"type": "message-end", "delta": end})
    return [Event(event=str(event["type"]).encode(), data=compact(event)) for event in events]


COHERE = Dialect(
    name="cohere",
    paths=("/v2/chat",),
    speaks=lambda event, payload: payload.get("type", event.event.decode()) == "message-start",
    markers=(b"message-start", b"message-end", b'"error"', b"event: error", b"event: ping", b"[DONE]"),
    names_events=True,
    hides_done=True,
    inspect=_inspect,
    is_ping=lambda event: event.event == b"ping",
    deltas=_deltas,
    from_document=_from_document,
    error_body=error_body,
    error_frame=named_error,
    aborts_after_error=True,
)
