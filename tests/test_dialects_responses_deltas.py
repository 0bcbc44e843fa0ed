"""`core.dialects.responses_deltas`: what events of OpenAI Responses add, and the events of a whole response."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, ToolCall
from sse_proxy.core.dialects.openai_responses import RESPONSES
from sse_proxy.core.dialects.responses_deltas import responses_from_document

from .dialect_deltas import event, told


@pytest.mark.parametrize(
    ("kind", "fields", "delta"),
    [
        ("response.output_text.delta", {"delta": "a"}, Delta(text="a")),
        ("response.refusal.delta", {"delta": "no"}, Delta(text="no")),
        ("response.output_text.delta", {"delta": None}, Delta()),
        ("response.reasoning_summary_text.delta", {"delta": "hm"}, Delta(reasoning="hm")),
        ("response.reasoning_text.delta", {"delta": "hm"}, Delta(reasoning="hm")),
        (
            "response.output_item.added",
            {"item": {"type": "function_call", "id": "i", "call_id": "t", "name": "f"}},
            Delta(tool_calls=(ToolCall(id="t", name="f"),)),
        ),
        (
            "response.output_item.added",
            {"item": {"type": "function_call", "id": "i"}},
            Delta(tool_calls=(ToolCall(id="i", name=""),)),
        ),
        ("response.function_call_arguments.delta", {"delta": "{"}, Delta(tool_calls=(ToolCall(arguments="{"),))),
        ("response.completed", {"response": {}}, Delta(finish="stop")),
        ("response.completed", {}, Delta(finish="stop")),
        (
            "response.incomplete",
            {"response": {"incomplete_details": {"reason": "max_output_tokens"}}},
            Delta(finish="length"),
        ),
        (
            "response.incomplete",
            {"response": {"incomplete_details": {"reason": "content_filter"}}},
            Delta(finish="content_filter"),
        ),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_an_event(kind: str, fields: dict[str, object], delta: Delta, named: bool) -> None:
    """Its type is told by the payload, or else by the event."""
    record = event(fields, kind) if named else event({"type": kind, **fields})
    assert told(RESPONSES, record) == [delta]


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "response.output_item.added", "item": {"type": "message"}},
        {"type": "response.output_item.added"},
        {"type": "response.output_text.done", "text": "a"},
        {"type": "response.created", "response": {}},
    ],
)
def test_other_events_add_nothing(payload: dict[str, object]) -> None:
    """What they tell was told."""
    assert told(RESPONSES, event(payload)) == []


def test_calls_are_numbered_as_they_begin() -> None:
    """And the answer ends for their sake."""
    item = {"type": "function_call", "call_id": "t", "name": "f"}
    found = told(
        RESPONSES,
        event({"type": "response.output_item.added", "item": item}),
        event({"type": "response.output_item.added", "item": {**item, "call_id": "u"}}),
        event({"type": "response.function_call_arguments.delta", "delta": "{}"}),
        event({"type": "response.completed", "response": {}}),
    )
    assert [call for delta in found for call in delta.tool_calls] == [
        ToolCall(index=0, id="t", name="f"),
        ToolCall(index=1, id="u", name="f"),
        ToolCall(index=1, arguments="{}"),
    ]
    assert found[-1].finish == "tool_calls"


@pytest.mark.parametrize(
    ("status", "end"),
    [
        ("completed", "response.completed"),
        ("incomplete", "response.incomplete"),
        ("failed", "response.failed"),
        (None, "response.completed"),
    ],
)
def test_a_whole_response_ends_by_its_status(status: str | None, end: str) -> None:
    """The event of the end has all of it."""
    document: dict[str, object] = {"object": "response", "status": status, "output": [], "usage": {"input_tokens": 1}}
    events = responses_from_document(document)
    assert events is not None
    first, second, last = (json.loads(record.data) for record in events)
    assert [first["type"], second["type"], last["type"]] == ["response.created", "response.in_progress", end]
    assert [payload["sequence_number"] for payload in (first, second, last)] == [0, 1, 2]
    assert first["response"] == {**document, "status": "in_progress", "usage": None}
    assert last["response"] == document


def test_items_without_text_are_told_too() -> None:
    """A reasoning has neither content nor arguments, a picture is no text."""
    output = [{"id": "1", "type": "reasoning"}, {"id": "2", "type": "message", "content": [{"type": "refusal"}]}]
    events = responses_from_document({"object": "response", "output": output})
    assert events is not None
    kinds = [record.event.decode().removeprefix("response.") for record in events]
    assert kinds[2:-1] == ["output_item.added", "output_item.done"] * 2


def test_a_document_is_told_as_its_stream_would_have_been() -> None:
    """Every field of every event, numbered: clients put the response together again by these."""
    part = {"type": "output_text", "text": "a", "annotations": [1]}
    said = {
        "type": "message",
        "id": "i0",
        "content": [part, {"type": "refusal", "refusal": "no"}],
        "status": "completed",
    }
    call = {"type": "function_call", "id": "i1", "name": "f", "arguments": "{}"}
    document: dict[str, object] = {
        "object": "response",
        "id": "r",
        "status": "completed",
        "output": [said, call],
        "usage": {"input_tokens": 1},
    }
    begun = {**document, "status": "in_progress", "output": [], "usage": None}
    events = responses_from_document(document)
    assert events is not None
    payloads = [json.loads(record.data) for record in events]
    assert [record.event.decode() for record in events] == [payload["type"] for payload in payloads]
    assert [payload.pop("sequence_number") for payload in payloads] == list(range(len(events)))
    place, where = {"output_index": 1, "item_id": "i1"}, {"output_index": 0, "item_id": "i0", "content_index": 0}
    added = "response.output_item.added"
    assert payloads == [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": added, "output_index": 0, "item": {**said, "content": [], "status": "in_progress"}},
        {"type": "response.content_part.added", **where, "part": {**part, "text": "", "annotations": []}},
        {"type": "response.output_text.delta", **where, "delta": "a", "logprobs": []},
        {"type": "response.output_text.done", **where, "text": "a", "logprobs": []},
        {"type": "response.content_part.done", **where, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": said},
        {"type": added, "output_index": 1, "item": {**call, "arguments": "", "status": "in_progress"}},
        {"type": "response.function_call_arguments.delta", **place, "delta": "{}"},
        {"type": "response.function_call_arguments.done", **place, "arguments": "{}"},
        {"type": "response.output_item.done", "output_index": 1, "item": call},
        {"type": "response.completed", "response": document},
    ]


@pytest.mark.parametrize("document", [{}, {"object": "response"}, {"output": []}, {"object": "list", "output": []}])
def test_what_is_no_response_is_none(document: dict[str, object]) -> None:
    """The object's name and the list have to be there."""
    assert responses_from_document(document) is None
