"""What an event of OpenAI Responses adds to the answer, and a whole response told as its stream."""

from __future__ import annotations

from collections.abc import Iterator

from ..sse import Event
from .base import compact
from .deltas import Delta, ToolCall
from .openai_deltas import objects
from .state import JSONObject, StreamState

__all__ = ["responses_deltas", "responses_from_document"]


def responses_deltas(event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    """Function calls are numbered in the order in which their items were added."""
    piece = payload.get("delta")
    text = piece if isinstance(piece, str) else ""
    match payload.get("type") or event.event.decode():
        case "response.output_text.delta" | "response.refusal.delta":
            return [Delta(text=text)]
        case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
            return [Delta(reasoning=text)]
        case "response.output_item.added":
            return _call(payload.get("item"), state)
        case "response.function_call_arguments.delta":
            return [Delta(tool_calls=(ToolCall(index=max(state.tool_calls - 1, 0), arguments=text),))]
        case "response.completed" | "response.incomplete":
            return [Delta(finish=_finish(payload.get("response"), state))]
    return []


def _call(item: object, state: StreamState) -> list[Delta]:
    if not isinstance(item, dict) or item.get("type") != "function_call":
        return []
    index = state.tool_calls
    state.tool_calls += 1
    identity, name = str(item.get("call_id") or item.get("id")), str(item.get("name") or "")
    return [Delta(tool_calls=(ToolCall(index=index, id=identity, name=name),))]


def _finish(response: object, state: StreamState) -> str:
    fields = response if isinstance(response, dict) else {}
    details = fields.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if reason:
        return "content_filter" if reason == "content_filter" else "length"
    return "tool_calls" if state.tool_calls else "stop"


def responses_from_document(document: JSONObject) -> list[Event] | None:
    """A whole ``response`` as the events that its stream would have had."""
    if document.get("object") != "response" or not isinstance(document.get("output"), list):
        return None
    events: list[Event] = []
    for kind, fields in _told(document):
        payload = {"type": kind, **fields, "sequence_number": len(events)}
        events.append(Event(event=kind.encode(), data=compact(payload)))
    return events


def _told(document: JSONObject) -> Iterator[tuple[str, JSONObject]]:
    begun = {**document, "status": "in_progress", "output": [], "usage": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(objects(document.get("output"))):
        yield from _item(index, item)
    status = str(document.get("status"))
    end = status if status in {"incomplete", "failed"} else "completed"
    yield f"response.{end}", {"response": document}


def _item(index: int, item: JSONObject) -> Iterator[tuple[str, JSONObject]]:
    place: JSONObject = {"output_index": index, "item_id": item.get("id")}
    empty: JSONObject = {"content": []} if "content" in item else {"arguments": ""} if "arguments" in item else {}
    yield "response.output_item.added", {"output_index": index, "item": {**item, **empty, "status": "in_progress"}}
    if isinstance(item.get("arguments"), str):
        yield "response.function_call_arguments.delta", {**place, "delta": item["arguments"]}
        yield "response.function_call_arguments.done", {**place, "arguments": item["arguments"]}
    for number, part in enumerate(objects(item.get("content"))):
        where = {**place, "content_index": number}
        if part.get("type") == "output_text":
            yield "response.content_part.added", {**where, "part": {**part, "text": "", "annotations": []}}
            yield "response.output_text.delta", {**where, "delta": part.get("text"), "logprobs": []}
            yield "response.output_text.done", {**where, "text": part.get("text"), "logprobs": []}
            yield "response.content_part.done", {**where, "part": part}
    yield "response.output_item.done", {"output_index": index, "item": item}
