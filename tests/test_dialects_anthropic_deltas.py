"""`core.dialects.anthropic_deltas`: what Anthropic's events add, and the events of a whole message."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, ToolCall
from sse_proxy.core.dialects.anthropic import ANTHROPIC
from sse_proxy.core.dialects.anthropic_deltas import anthropic_from_document

from .dialect_deltas import event, told


def started(block: object) -> dict[str, object]:
    """The beginning of a content block."""
    return {"type": "content_block_start", "index": 0, "content_block": block}


def continued(delta: object) -> dict[str, object]:
    """A piece of a content block."""
    return {"type": "content_block_delta", "index": 0, "delta": delta}


@pytest.mark.parametrize(
    ("payload", "deltas"),
    [
        (started({"type": "text", "text": ""}), []),
        (started({"type": "text", "text": "a"}), [Delta(text="a")]),
        (started({"type": "thinking", "thinking": ""}), []),
        (
            started({"type": "tool_use", "id": "t", "name": "f", "input": {}}),
            [Delta(tool_calls=(ToolCall(id="t", name="f"),))],
        ),
        (started(None), []),
        (continued({"type": "text_delta", "text": "a"}), [Delta(text="a")]),
        (continued({"type": "thinking_delta", "thinking": "hm"}), [Delta(reasoning="hm")]),
        (
            continued({"type": "input_json_delta", "partial_json": "{"}),
            [Delta(tool_calls=(ToolCall(arguments="{"),))],
        ),
        (continued({"type": "signature_delta", "signature": "s"}), []),
        (continued(None), []),
        ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, [Delta(finish="stop")]),
        ({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}, [Delta(finish="length")]),
        ({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, [Delta(finish="tool_calls")]),
        ({"type": "message_delta", "delta": {"stop_reason": "refusal"}}, [Delta(finish="content_filter")]),
        ({"type": "message_delta", "delta": {"stop_reason": None}}, []),
        ({"type": "message_delta", "delta": None}, []),
        ({"type": "message_stop"}, []),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_an_event(payload: dict[str, object], deltas: list[Delta], named: bool) -> None:
    """Its type is told by the payload, or else by the event."""
    fields = {key: value for key, value in payload.items() if key != "type"}
    record = event(fields, str(payload["type"])) if named else event(payload)
    assert told(ANTHROPIC, record) == deltas


def test_tool_uses_are_numbered_as_they_begin() -> None:
    """The index of the block counts texts too."""
    use = {"type": "tool_use", "id": "t", "name": "f"}
    found = told(
        ANTHROPIC,
        event(started(use)),
        event(started({**use, "id": "u"})),
        event(continued({"partial_json": "{}"})),
    )
    assert [(call.index, call.id) for delta in found for call in delta.tool_calls] == [(0, "t"), (1, "u"), (1, None)]


def test_a_whole_message() -> None:
    """Each block whole, of any type; a signature goes with its thought."""
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "thinking", "thinking": "h"},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "tool_use", "id": "t", "name": "f"},
    ]
    events = anthropic_from_document({"type": "message", "content": blocks})
    assert events is not None
    payloads = [json.loads(record.data) for record in events]
    assert [record.event.decode() for record in events] == [payload["type"] for payload in payloads]
    assert [payload["delta"] for payload in payloads if payload["type"] == "content_block_delta"] == [
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "s"},
        {"type": "thinking_delta", "thinking": "h"},
        {"type": "input_json_delta", "partial_json": "{}"},
    ]
    starts = [payload["content_block"] for payload in payloads if payload["type"] == "content_block_start"]
    assert starts[2:] == [blocks[2], {**blocks[3], "input": {}}]
    assert payloads[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 0},
    }


def test_a_document_is_told_as_its_stream_would_have_been() -> None:
    """Every field of every event: clients put the message together again by these."""
    document: dict[str, object] = {
        "type": "message",
        "id": "m",
        "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}],
        "stop_reason": "tool_use",
        "stop_sequence": "END",
        "usage": {"output_tokens": 5},
    }
    begun = {**document, "content": [], "stop_reason": None, "stop_sequence": None}
    tool = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    events = anthropic_from_document(document)
    assert events is not None
    assert [json.loads(event.data) for event in events] == [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": tool},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"x":1}'}},
        {"type": "content_block_stop", "index": 1},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": "END"},
            "usage": {"output_tokens": 5},
        },
        {"type": "message_stop"},
    ]


@pytest.mark.parametrize("document", [{}, {"type": "message"}, {"type": "error", "content": []}, {"content": []}])
def test_what_is_no_message_is_none(document: dict[str, object]) -> None:
    """Both the type and the list of blocks have to be there."""
    assert anthropic_from_document(document) is None
