"""Gemini and Vertex AI, ``:streamGenerateContent``: an event stream with ``alt=sse``, else one JSON array.

Its clients take every line that is not ``data: `` for JSON, and raise on comments, ids, event types and ``[DONE]``
(reference: formats.md § 0, rule 3). So the heartbeat is data, an empty list of candidates, and nothing else is written.
The array's elements are flushed as they are made; white space between them would be safe for parsers, but not for
readers that cut at its commas and line ends: it has no heartbeat. Its error is one more element, and then its end.
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs

from ...errors import SSEProxyError
from ..framers.base import Framing
from ..sse import Event
from .base import Dialect, Sign, compact, reported_error, usage_counts
from .deltas import Delta, ToolCall
from .state import JSONObject, StreamState
from .voice import Voice

__all__ = ["GEMINI", "GEMINI_ARRAY"]

_NOOP = b'data: {"candidates":[]}\n\n'
_USAGE = {
    "promptTokenCount": "input",
    "candidatesTokenCount": "output",
    "cachedContentTokenCount": "cached_input",
    "thoughtsTokenCount": "reasoning_output",
}
_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "MALFORMED_FUNCTION_CALL": "stop"}
#: google.rpc.Code names of the statuses that we answer with.
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _candidates(payload: JSONObject) -> list[JSONObject]:
    found = payload.get("candidates")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    if payload.get("error"):
        state.error = reported_error(payload, event.data)
        return
    if not state.started and "modelVersion" in payload:
        state.identity = {"model": payload["modelVersion"]}
    if counts := usage_counts(payload.get("usageMetadata"), _USAGE):
        state.usage = counts
    feedback = payload.get("promptFeedback")
    blocked = isinstance(feedback, dict) and bool(feedback.get("blockReason"))
    state.finished = state.finished or blocked or any(item.get("finishReason") for item in _candidates(payload))


def _deltas(_event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    found = [_delta(candidate, state) for candidate in _candidates(payload)]
    feedback = payload.get("promptFeedback")
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        found.append(Delta(finish="content_filter"))
    return found


def _delta(candidate: JSONObject, state: StreamState) -> Delta:
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    text = reasoning = ""
    calls: list[ToolCall] = []
    for part in parts if isinstance(parts, list) else ():
        piece = part.get("text") if isinstance(part, dict) else None
        if isinstance(piece, str):
            text, reasoning = (text, reasoning + piece) if part.get("thought") else (text + piece, reasoning)
        elif isinstance(part, dict) and isinstance(function := part.get("functionCall"), dict):
            calls.append(_tool_call(function, state))
    reason = candidate.get("finishReason")
    index = candidate.get("index", 0)
    return Delta(
        index=index if isinstance(index, int) else 0,
        text=text,
        reasoning=reasoning,
        tool_calls=tuple(calls),
        finish=_FINISH.get(str(reason), "content_filter") if reason else None,
    )


def _tool_call(function: JSONObject, state: StreamState) -> ToolCall:
    index = state.tool_calls
    state.tool_calls += 1
    return ToolCall(
        index=index,
        id=str(function.get("id") or f"call_{index}"),
        name=str(function.get("name") or ""),
        arguments=compact(function.get("args") or {}).decode(),
    )


def _error_body(error: SSEProxyError) -> bytes:
    status = _STATUS.get(error.http_status, "INTERNAL")
    # Google's own keys first; type and code of ours beside them, where its clients do not look.
    fields = {"code": error.http_status, "message": str(error), "status": status, "type": error.error_type}
    return compact({"error": {**fields, "details": [{"reason": error.code}]}})


def _element(error: SSEProxyError, state: StreamState) -> bytes:
    return (b"," if state.started else b"[") + _error_body(error) + b"]"


def _is_sse(sign: Sign) -> bool:
    return b"sse" in (value.lower() for value in parse_qs(sign.query).get(b"alt", []))


GEMINI = Dialect(
    name="gemini",
    paths=(":streamGenerateContent",),
    claims=_is_sse,
    always_streams=True,
    markers=(b'"finishReason"', b'"usageMetadata"', b'"error"', b'"blockReason"'),
    inspect=_inspect,
    deltas=_deltas,
    only_data=True,
    speaks=lambda event, payload: not event.event and isinstance(payload.get("candidates"), list),
    noop=lambda _state: _NOOP,
    prefers_noop=True,
    is_ping=lambda event: event.data == b"[DONE]",
    error_body=_error_body,
    error_frame=lambda error, _state: b"data: " + _error_body(error) + b"\n\n",
)

GEMINI_ARRAY = replace(
    GEMINI,
    name="gemini_array",
    claims=lambda sign: not _is_sse(sign),
    framing=Framing.JSON_ARRAY,
    native=Voice(
        media_type=b"application/json; charset=utf-8",
        comment=b"",
        error_body=_error_body,
        error_frame=_element,
        closes=None,
    ),
)
