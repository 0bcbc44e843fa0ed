"""`core.dialects.ollama`: Ollama's chat and generate."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import Delta, Sign, StreamState, ToolCall
from sse_proxy.core.dialects.ollama import OLLAMA
from sse_proxy.errors import IdleTimeout

from .dialect_deltas import event, learnt, told


@pytest.mark.parametrize(
    ("payload", "delta"),
    [
        ({"message": {"content": "a"}, "done": False}, Delta(text="a")),
        ({"message": {"content": "", "thinking": "hm"}}, Delta(reasoning="hm")),
        ({"response": "a", "done": False}, Delta(text="a")),
        ({"response": "a", "thinking": "hm"}, Delta(text="a", reasoning="hm")),
        (
            {"message": {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {}}]}},
            Delta(
                tool_calls=(
                    ToolCall(index=0, id="call_0", name="f", arguments='{"a":1}'),
                    ToolCall(index=1, id="call_1", name="", arguments="{}"),
                )
            ),
        ),
        ({"message": {"tool_calls": ["odd", {"function": None}]}}, Delta()),
        ({"done": True, "done_reason": "stop"}, Delta(finish="stop")),
        ({"done": True, "done_reason": "length"}, Delta(finish="length")),
        ({"done": True, "done_reason": "load"}, Delta(finish="stop")),
        ({"done": True}, Delta(finish="stop")),
        ({"done": "true"}, Delta()),
    ],
)
def test_a_line(payload: dict[str, object], delta: Delta) -> None:
    """Of chat the message, of generate the response."""
    assert told(OLLAMA, event(payload)) == [delta]


def test_calls_are_numbered_over_all_lines() -> None:
    """They have no ids of their own."""
    call = {"message": {"tool_calls": [{"function": {"name": "f"}}]}}
    found = [delta.tool_calls[0].id for delta in told(OLLAMA, *[event(call)] * 3)]
    assert found == ["call_0", "call_1", "call_2"]


def test_the_end_has_the_usage() -> None:
    """In the line that says that it is the last."""
    first, last = {"model": "m", "done": False}, {"done": True, "prompt_eval_count": 7, "eval_count": 2}
    state = learnt(OLLAMA, event(first), event(last))
    assert (state.finished, state.terminated, state.usage) == (True, True, {"input": 7, "output": 2})
    assert state.identity == {"model": "m"}
    assert not learnt(OLLAMA, event(first)).finished


def test_errors() -> None:
    """A line, with status 200; so is ours."""
    state = learnt(OLLAMA, event({"error": "no"}))
    assert str(state.error) == "no"
    assert OLLAMA.native is not None
    assert OLLAMA.native.error_frame(IdleTimeout(), StreamState()) == b'{"error":"the upstream fell silent"}\n'
    assert OLLAMA.native.comment == b" "


@pytest.mark.parametrize(("asked", "wants"), [({}, True), ({"stream": True}, True), ({"stream": False}, False)])
def test_it_streams_unless_it_is_told_not_to(asked: dict[str, object], wants: bool) -> None:
    """Other APIs have to be told to."""
    assert OLLAMA.asks(asked) is wants


def test_an_error_keeps_its_line() -> None:
    """What the upstream has said may be told on as it came."""
    record = event({"error": "no"})
    error = learnt(OLLAMA, record).error
    assert error is not None
    assert error.body == record.data


@pytest.mark.parametrize(
    ("document", "claims"), [(None, True), ({"model": "m"}, True), ({"model": "m", "id": "c"}, False), ({}, False)]
)
def test_a_request_names_a_model_and_has_no_id(document: dict[str, object] | None, claims: bool) -> None:
    """Chat front ends of others have one at the same path."""
    assert OLLAMA.claims(Sign(path="/api/chat", document=document)) is claims
