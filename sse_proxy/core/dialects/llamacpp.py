"""llama.cpp's own ``/completion`` and LM Studio's own chat (reference: formats.md § A2)."""

from __future__ import annotations

from ..sse import Event
from .base import Dialect, reported_error, usage_counts
from .deltas import Delta
from .native import BLOCK, error_body, named_error
from .state import JSONObject, StreamState

__all__ = ["LLAMACPP", "LM_STUDIO"]

_USAGE = {"tokens_evaluated": "input", "tokens_predicted": "output"}
_STATS = {"input_tokens": "input", "total_output_tokens": "output", "reasoning_output_tokens": "reasoning_output"}


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    if payload.get("error"):
        state.error = reported_error(payload, event.data)
    elif payload.get("stop") is True:
        state.finished = True
        state.usage = usage_counts(payload, _USAGE)


def _deltas(_event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    text, finish = payload.get("content"), None
    if payload.get("stop") is True:
        finish = "length" if payload.get("stop_type") == "limit" or payload.get("stopped_limit") else "stop"
    return [Delta(text=text if isinstance(text, str) else "", finish=finish)]


def _inspect_studio(event: Event, payload: JSONObject, state: StreamState) -> None:
    kind = payload.get("type") or event.event.decode()
    if kind == "error":
        state.error = reported_error(payload, event.data)
    elif kind == "chat.end":
        state.finished = state.terminated = True
        result = payload.get("result")
        stats = result.get("stats") if isinstance(result, dict) else payload.get("stats")
        state.usage = usage_counts(stats, _STATS)


def _studio_deltas(event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    content = payload.get("content")
    text = content if isinstance(content, str) else ""
    match payload.get("type") or event.event.decode():
        case "message.delta":
            return [Delta(text=text)]
        case "reasoning.delta":
            return [Delta(reasoning=text)]
        case "chat.end":
            return [Delta(finish="stop")]
    return []


LLAMACPP = Dialect(
    name="llamacpp",
    paths=("/completion", "/completions", "/infill"),
    markers=(b'"stop":true', b'"stop": true', b'"error"'),
    inspect=_inspect,
    deltas=_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=lambda error, _state: b"data: " + error_body(error) + b"\n\n",
    aborts_after_error=True,
)

LM_STUDIO = Dialect(
    name="lm_studio",
    paths=("/api/v1/chat",),
    speaks=lambda event, _payload: event.event == b"chat.start",
    markers=(b"chat.end", b"event: error", b'"error"'),
    inspect=_inspect_studio,
    deltas=_studio_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
)
