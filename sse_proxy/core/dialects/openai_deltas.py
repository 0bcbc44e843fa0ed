"""What an OpenAI event adds to the answer, and whole answers told as the streams that were asked for."""

from __future__ import annotations

from ..sse import Event
from .base import compact
from .deltas import Delta, ToolCall
from .state import JSONObject, StreamState

__all__ = [
    "chat_deltas", "chat_from_document", "completions_deltas", "completions_from_document", "objects",
]  # fmt: skip

_FINISH = frozenset({"stop", "length", "tool_calls", "content_filter"})


def objects(value: object) -> list[JSONObject]:
    """The objects in a list; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _index(item: JSONObject) -> int:
    index = item.get("index", 0)
    return index if isinstance(index, int) else 0


def _finish(choice: JSONObject) -> str | None:
    reason = choice.get("finish_reason")
    if not reason:
        return None
    if reason == "function_call":
        return "tool_calls"
    return reason if isinstance(reason, str) and reason in _FINISH else "stop"


def chat_deltas(_event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    """Of a chat chunk, one for each of its choices."""
    found: list[Delta] = []
    for choice in objects(payload.get("choices")):
        delta = choice.get("delta")
        fields = delta if isinstance(delta, dict) else {}
        found.append(
            Delta(
                index=_index(choice),
                text=_text(fields.get("content")) + _text(fields.get("refusal")),
                reasoning=_text(fields.get("reasoning_content")) or _text(fields.get("reasoning")),
                tool_calls=_tool_calls(fields),
                finish=_finish(choice),
            )
        )
    return found


def _tool_calls(delta: JSONObject) -> tuple[ToolCall, ...]:
    calls = objects(delta.get("tool_calls"))
    old = delta.get("function_call")
    if isinstance(old, dict):  # before tools there was one function
        calls = [{"function": old, "id": "call_0" if "name" in old else None}]
    return tuple(_tool_call(call) for call in calls)


def _tool_call(call: JSONObject) -> ToolCall:
    function = call.get("function")
    fields = function if isinstance(function, dict) else {}
    identity, name = call.get("id"), fields.get("name")
    return ToolCall(
        index=_index(call),
        id=identity if isinstance(identity, str) else None,
        name=name if isinstance(name, str) else None,
        arguments=_text(fields.get("arguments")),
    )


def completions_deltas(_event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    """Of a chunk of the legacy completions."""
    return [
        Delta(index=_index(choice), text=_text(choice.get("text")), finish=_finish(choice))
        for choice in objects(payload.get("choices"))
    ]


def chat_from_document(document: JSONObject) -> list[Event] | None:
    """A ``chat.completion`` as one chunk with all of each message, one with the finish reasons, and the usage."""
    choices = objects(document.get("choices"))
    if not any(_is_whole(choice) for choice in choices):
        return None
    told: list[JSONObject] = [
        {"index": _index(choice), "delta": _numbered(choice), "finish_reason": None} for choice in choices
    ]
    return _chunks(document, "chat.completion.chunk", told, choices, delta={})


def _is_whole(choice: JSONObject) -> bool:
    """Whether *choice* is that of a document; Perplexity's chunks have all of the message so far beside their delta."""
    return isinstance(choice.get("message"), dict) and ("delta" not in choice or bool(choice.get("finish_reason")))


def _numbered(choice: JSONObject) -> JSONObject:
    """The message of *choice* as a delta: its tool calls need an index."""
    message = choice.get("message")
    delta = dict(message) if isinstance(message, dict) else {}
    if calls := objects(delta.get("tool_calls")):
        delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(calls)]
    return delta


def completions_from_document(document: JSONObject) -> list[Event] | None:
    """A whole ``text_completion``: its only sign is a usage beside finished choices, which no chunk has."""
    choices = objects(document.get("choices"))
    if not choices or not document.get("usage") or not all(choice.get("finish_reason") for choice in choices):
        return None
    told = [{**choice, "finish_reason": None} for choice in choices]
    return _chunks(document, "text_completion", told, choices, text="")


def _chunks(
    document: JSONObject, kind: str, told: list[JSONObject], choices: list[JSONObject], **empty: object
) -> list[Event]:
    common = {key: value for key, value in document.items() if key not in {"choices", "object", "usage"}}
    ends = [
        {"index": _index(choice), **empty, "finish_reason": choice.get("finish_reason") or "stop"} for choice in choices
    ]
    parts: list[JSONObject] = [{"choices": told}, {"choices": ends}]
    if document.get("usage"):
        parts.append({"choices": [], "usage": document["usage"]})
    return [Event(data=compact({**common, "object": kind, **part})) for part in parts]
