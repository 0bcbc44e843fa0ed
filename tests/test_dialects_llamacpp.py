"""`core.dialects.llamacpp`: llama.cpp's own completions, and LM Studio's own chat."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, Dialect
from sse_proxy.core.dialects.llamacpp import LLAMACPP, LM_STUDIO

from .dialect_deltas import event, learnt, told


@pytest.mark.parametrize(
    ("payload", "delta"),
    [
        ({"content": "a", "stop": False}, Delta(text="a")),
        ({"content": "", "stop": True, "stop_type": "eos"}, Delta(finish="stop")),
        ({"content": "", "stop": True, "stop_type": "limit"}, Delta(finish="length")),
        ({"content": "", "stop": True, "stopped_limit": True}, Delta(finish="length")),
        ({"content": None, "prompt_progress": {}}, Delta()),
    ],
)
def test_an_event_of_llamacpp(payload: dict[str, object], delta: Delta) -> None:
    """Older ones have a flag for each reason."""
    assert told(LLAMACPP, event(payload)) == [delta]


def test_llamacpp_s_end_and_errors() -> None:
    """The event that says stop has the counts."""
    state = learnt(LLAMACPP, event({"content": "", "stop": True, "tokens_evaluated": 7, "tokens_predicted": 2}))
    assert (state.finished, state.usage) == (True, {"input": 7, "output": 2})
    assert not learnt(LLAMACPP, event({"content": "a", "stop": False})).finished
    error = learnt(LLAMACPP, event({"error": {"code": 400, "message": "no"}})).error
    assert error is not None
    assert (str(error), error.http_status) == ("no", 400)


@pytest.mark.parametrize(
    ("payload", "deltas"),
    [
        ({"type": "message.delta", "content": "a"}, [Delta(text="a")]),
        ({"type": "reasoning.delta", "content": "hm"}, [Delta(reasoning="hm")]),
        ({"type": "message.delta", "content": None}, [Delta()]),
        ({"type": "chat.end", "result": {}}, [Delta(finish="stop")]),
        ({"type": "tool_call.start", "tool": "f"}, []),
        ({"type": "prompt_processing.progress", "progress": 0.5}, []),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_an_event_of_lm_studio(payload: dict[str, object], deltas: list[Delta], named: bool) -> None:
    """Its tools are called by itself, so they are none of the client's."""
    fields = {key: value for key, value in payload.items() if key != "type"}
    record = event(fields, str(payload["type"])) if named else event(payload)
    assert told(LM_STUDIO, record) == deltas


@pytest.mark.parametrize(
    ("payload", "usage"),
    [
        (
            {"result": {"stats": {"input_tokens": 7, "total_output_tokens": 2, "reasoning_output_tokens": 1}}},
            {"input": 7, "output": 2, "reasoning_output": 1},
        ),
        ({"stats": {"input_tokens": 7}}, {"input": 7}),
        ({}, {}),
    ],
)
def test_lm_studio_s_end(payload: dict[str, object], usage: dict[str, int]) -> None:
    """The whole answer again, with its counts."""
    state = learnt(LM_STUDIO, event(payload, "chat.end"))
    assert (state.finished, state.terminated, state.usage) == (True, True, usage)


def test_lm_studio_s_errors() -> None:
    """An end may follow."""
    state = learnt(
        LM_STUDIO,
        event({"type": "error", "error": {"type": "invalid_request", "message": "no"}}, "error"),
        event({"type": "chat.end"}, "chat.end"),
    )
    assert str(state.error) == "no"
    assert not state.complete


def test_lm_studio_s_document_is_told_as_its_stream_would_have_been() -> None:
    """Texts and thoughts, and the whole of it as the result; what is no whole answer is none."""
    output = [{"type": "reasoning", "content": "hm"}, {"type": "message", "content": "a"}, {"type": "tool_call"}]
    document: dict[str, object] = {"model_instance_id": "m", "output": output}
    events = LM_STUDIO.from_document(document)
    assert events is not None
    payloads = [json.loads(record.data) for record in events]
    assert [record.event.decode() for record in events] == [payload["type"] for payload in payloads]
    assert payloads == [
        {"type": "chat.start", "model_instance_id": "m"},
        {"type": "reasoning.delta", "content": "hm"},
        {"type": "message.delta", "content": "a"},
        {"type": "chat.end", "result": document},
    ]
    assert LM_STUDIO.from_document({"output": []}) is None
    assert LM_STUDIO.from_document({"model_instance_id": "m"}) is None


@pytest.mark.parametrize("row", [LLAMACPP, LM_STUDIO], ids=lambda row: row.name)
def test_an_error_keeps_its_event(row: Dialect) -> None:
    """What the upstream has said may be told on as it came."""
    record = event({"type": "error", "error": {"message": "no"}})
    error = learnt(row, record).error
    assert error is not None
    assert error.body == record.data
