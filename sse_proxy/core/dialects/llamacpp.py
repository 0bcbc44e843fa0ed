"""llama.cpp's own ``/completion`` and LM Studio's own chat (reference: formats.md § A2)."""

from __future__ import annotations

from ..sse import Event
from .base import Dialect, compact, quiet_key, reported_error, usage_counts
from .deltas import Delta
from .native import BLOCK, error_body, named_error
from .openai_deltas import objects
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


def _studio_from_document(document: JSONObject) -> list[Event] | None:
    """A whole answer, which is also what ``chat.end`` has as its result."""
    if "model_instance_id" not in document or "output" not in document:
        return None
    told: list[JSONObject] = [{"type": "chat.start", "model_instance_id": document["model_instance_id"]}]
    for item in objects(document["output"]):
        kind = str(item.get("type"))
        if kind in {"message", "reasoning"}:
            told.append({"type": f"{kind}.delta", "content": item.get("content")})
    told.append({"type": "chat.end", "result": document})
    return [Event(event=str(payload["type"]).encode(), data=compact(payload)) for payload in told]


LLAMACPP = Dialect(
    name="llamacpp",
    paths=("/completion", "/completions", "/infill"),
    markers=(b'"error"',),
    quiet=(quiet_key("stop", "false"),),
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
    claims=lambda sign: sign.document is None or sign.document.keys() >= {"input", "model"},
    reads_body=True,
    speaks=lambda event, _payload: event.event == b"chat.start",
    markers=(b"chat.end", b"event: error", b'"error"'),
    inspect=_inspect_studio,
    deltas=_studio_deltas,
    from_document=_studio_from_document,
    names_events=True,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
)
