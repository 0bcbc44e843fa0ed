"""`core.dialects.cohere`: Cohere's chat, version 2."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, ToolCall
from sse_proxy.core.dialects.cohere import COHERE
from sse_proxy.core.sse import Event

from .dialect_deltas import event, learnt, told
from .dialect_streams import drained


def message(**fields: object) -> dict[str, object]:
    """The delta of an event about the message."""
    return {"delta": {"message": fields}}


@pytest.mark.parametrize(
    ("kind", "fields", "deltas"),
    [
        ("content-delta", message(content={"text": "a"}), [Delta(text="a")]),
        ("content-delta", message(content={"thinking": "hm"}), [Delta(reasoning="hm")]),
        ("content-delta", {"delta": None}, [Delta()]),
        (
            "tool-call-start",
            {"index": 1, **message(tool_calls={"id": "t", "function": {"name": "f", "arguments": ""}})},
            [Delta(tool_calls=(ToolCall(index=1, id="t", name="f"),))],
        ),
        (
            "tool-call-delta",
            {"index": "1", **message(tool_calls={"function": {"arguments": "{"}})},
            [Delta(tool_calls=(ToolCall(arguments="{"),))],
        ),
        ("message-end", {"delta": {"finish_reason": "COMPLETE"}}, [Delta(finish="stop")]),
        ("message-end", {"delta": {"finish_reason": "MAX_TOKENS"}}, [Delta(finish="length")]),
        ("message-end", {"delta": {"finish_reason": "TOOL_CALL"}}, [Delta(finish="tool_calls")]),
        ("message-end", {}, [Delta(finish="stop")]),
        ("tool-plan-delta", message(tool_plan="I will"), []),
        ("content-start", message(content={"text": ""}), []),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_an_event(kind: str, fields: dict[str, object], deltas: list[Delta], named: bool) -> None:
    """Its type is told by the payload, or else by the event."""
    assert told(COHERE, event(fields, kind) if named else event({"type": kind, **fields})) == deltas


@pytest.mark.parametrize(
    ("fields", "finished", "error"),
    [
        ({"delta": {"finish_reason": "COMPLETE"}}, True, None),
        ({"delta": None}, True, None),
        ({"delta": {"finish_reason": "ERROR"}}, False, "the model failed"),
        ({"delta": {"finish_reason": "ERROR", "error": "no"}}, False, "no"),
        ({"delta": {"error": {"message": "no"}}}, False, "no"),
    ],
)
def test_message_end(fields: dict[str, object], finished: bool, error: str | None) -> None:
    """It is also how an error is told."""
    state = learnt(COHERE, event(fields, "message-end"))
    assert state.terminated
    assert state.finished is finished
    assert (state.error and str(state.error)) == error


@pytest.mark.parametrize("record", [event({"error": "no"}), event({"message": "no"}, "error")])
def test_other_errors(record: Event) -> None:
    """Of gateways in between, mostly."""
    state = learnt(COHERE, record)
    assert str(state.error) == "no"


def test_the_start_names_the_answer() -> None:
    """Where it has an id."""
    assert learnt(COHERE, event({"type": "message-start", "id": "x"})).identity == {"id": "x"}
    assert learnt(COHERE, event({"type": "message-start"})).identity == {}


def test_a_document_without_text_or_calls_is_told_too() -> None:
    """Nothing but its beginning and its end."""
    events = COHERE.from_document({"message": {"content": None}, "finish_reason": "COMPLETE"})
    assert events is not None
    assert [record.event for record in events] == [b"message-start", b"message-end"]


def test_the_terminator_s_word_is_escaped_within_a_text() -> None:
    """The JavaScript SDK ends its stream at any line that holds it."""
    output, _ = drained("cohere", b'data: {"type":"content-delta","text":"[DONE]"}\n\ndata: [DONE]\n\n')
    assert output == (b'event: content-delta\ndata: {"type":"content-delta","text":"\\u005bDONE]"}\n\ndata: [DONE]\n\n')


def test_its_pings_are_swallowed_and_its_errors_abort() -> None:
    """Its SDKs drop every form of error event (formats.md § B3)."""
    output, _ = drained("cohere", b'event: ping\ndata: {"type":"ping"}\n\ndata: [DONE]\n\n')
    assert output == b"data: [DONE]\n\n"
    assert COHERE.aborts_after_error


def test_a_document_is_told_as_its_stream_would_have_been() -> None:
    """Every field of every event: clients put the message together again by these."""
    parts: list[dict[str, object]] = [{"type": "thinking", "thinking": "hm"}, {"text": "a"}]
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    usage = {"tokens": {"input_tokens": 1, "output_tokens": 2}}
    document: dict[str, object] = {
        "id": "m",
        "message": {"role": "assistant", "content": parts, "tool_calls": [call]},
        "finish_reason": "COMPLETE",
        "usage": usage,
    }
    events = COHERE.from_document(document)
    assert events is not None
    payloads = [json.loads(record.data) for record in events]
    assert [record.event.decode() for record in events] == [payload["type"] for payload in payloads]
    assert payloads == [
        {"type": "message-start", "id": "m", "delta": {"message": {"role": "assistant"}}},
        {"type": "content-start", "index": 0, **message(content={"type": "thinking", "text": ""})},
        {"type": "content-delta", "index": 0, **message(content=parts[0])},
        {"type": "content-end", "index": 0},
        {"type": "content-start", "index": 1, **message(content={"type": "text", "text": ""})},
        {"type": "content-delta", "index": 1, **message(content=parts[1])},
        {"type": "content-end", "index": 1},
        {"type": "tool-call-start", "index": 0, **message(tool_calls=call)},
        {"type": "tool-call-end", "index": 0},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}},
    ]


@pytest.mark.parametrize("document", [{}, {"message": {}}, {"message": "a", "finish_reason": "COMPLETE"}])
def test_what_is_no_answer_is_none(document: dict[str, object]) -> None:
    """A message and a reason for its end have to be there."""
    assert COHERE.from_document(document) is None


def test_the_end_tells_the_usage_and_an_error_keeps_its_event() -> None:
    """The event of an error may be told on as it came."""
    usage = {"tokens": {"input_tokens": 1, "output_tokens": 2}}
    assert learnt(COHERE, event({"type": "message-end", "delta": {"usage": usage}})).usage == {"input": 1, "output": 2}
    for payload in ({"type": "error", "message": "no"}, {"type": "message-end", "delta": {"finish_reason": "ERROR"}}):
        error = learnt(COHERE, event(payload)).error
        assert error is not None
        assert error.body == event(payload).data


def test_a_call_without_id_and_name_has_none() -> None:
    """Whatever else stands there."""
    deltas = told(COHERE, event({"type": "tool-call-start", **message(tool_calls={"id": 7, "function": {"name": 8}})}))
    assert deltas == [Delta(tool_calls=(ToolCall(),))]
