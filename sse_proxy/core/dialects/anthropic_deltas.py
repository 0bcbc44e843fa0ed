"""What an Anthropic event adds to the answer, and a whole message told as its stream."""

from __future__ import annotations

from ..sse import Event
from .base import compact
from .deltas import Delta, ToolCall
from .openai_deltas import objects
from .state import JSONObject, StreamState

__all__ = ["anthropic_deltas", "anthropic_from_document"]

_FINISH = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
#: Block type → the key of its content, and the type of delta that carries it.
_DELTAS = {"text": ("text", "text_delta"), "thinking": ("thinking", "thinking_delta")}


def anthropic_deltas(event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    """Tool uses are numbered in the order in which their blocks start."""
    match payload.get("type") or event.event.decode():
        case "content_block_start":
            return _started(payload.get("content_block"), state)
        case "content_block_delta":
            return _continued(payload.get("delta"), state)
        case "message_delta":
            delta = payload.get("delta")
            reason = delta.get("stop_reason") if isinstance(delta, dict) else None
            return [Delta(finish=_FINISH.get(str(reason), "stop"))] if reason else []
    return []


def _started(block: object, state: StreamState) -> list[Delta]:
    fields = block if isinstance(block, dict) else {}
    if fields.get("type") == "tool_use":
        index = state.tool_calls
        state.tool_calls += 1
        return [Delta(tool_calls=(ToolCall(index=index, id=str(fields.get("id")), name=str(fields.get("name"))),))]
    text = fields.get("text")
    return [Delta(text=text)] if isinstance(text, str) and text else []


def _continued(delta: object, state: StreamState) -> list[Delta]:
    fields = delta if isinstance(delta, dict) else {}
    for key in ("text", "thinking", "partial_json"):
        piece = fields.get(key)
        if isinstance(piece, str):
            if key == "partial_json":
                return [Delta(tool_calls=(ToolCall(index=max(state.tool_calls - 1, 0), arguments=piece),))]
            return [Delta(text=piece) if key == "text" else Delta(reasoning=piece)]
    return []


def anthropic_from_document(document: JSONObject) -> list[Event] | None:
    """A whole ``message`` as the events that its stream would have had."""
    if document.get("type") != "message" or not isinstance(document.get("content"), list):
        return None
    begun = {**document, "content": [], "stop_reason": None, "stop_sequence": None}
    told: list[JSONObject] = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(objects(document["content"])):
        told += _block(index, block)
    end = {"stop_reason": document.get("stop_reason") or "end_turn", "stop_sequence": document.get("stop_sequence")}
    told += [
        {"type": "message_delta", "delta": end, "usage": document.get("usage") or {"output_tokens": 0}},
        {"type": "message_stop"},
    ]
    return [Event(event=str(payload["type"]).encode(), data=compact(payload)) for payload in told]


def _block(index: int, block: JSONObject) -> list[JSONObject]:
    kind = str(block.get("type"))
    deltas: list[JSONObject] = []
    begun = block
    if kind in _DELTAS:
        key, name = _DELTAS[kind]
        begun = {**block, key: ""}
        deltas.append({"type": name, key: block.get(key)})
        if kind == "thinking" and block.get("signature"):
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif kind == "tool_use":
        begun = {**block, "input": {}}
        deltas.append({"type": "input_json_delta", "partial_json": compact(block.get("input") or {}).decode()})
    return [
        {"type": "content_block_start", "index": index, "content_block": begun},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]
