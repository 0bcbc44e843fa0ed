"""`core.dialects.ag_ui`: AG-UI's events."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import Delta, StreamState, ToolCall
from sse_proxy.core.dialects.ag_ui import AG_UI
from sse_proxy.errors import IdleTimeout

from .dialect_deltas import event, learnt, told


@pytest.mark.parametrize(
    ("payload", "deltas"),
    [
        ({"type": "TEXT_MESSAGE_CONTENT", "delta": "a"}, [Delta(text="a")]),
        ({"type": "TEXT_MESSAGE_CHUNK", "delta": "a"}, [Delta(text="a")]),
        ({"type": "TEXT_MESSAGE_CONTENT", "delta": None}, [Delta()]),
        ({"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "hm"}, [Delta(reasoning="hm")]),
        ({"type": "REASONING_MESSAGE_CONTENT", "delta": "hm"}, [Delta(reasoning="hm")]),
        (
            {"type": "TOOL_CALL_START", "toolCallId": "t", "toolCallName": "f"},
            [Delta(tool_calls=(ToolCall(id="t", name="f"),))],
        ),
        ({"type": "TOOL_CALL_ARGS", "delta": "{"}, [Delta(tool_calls=(ToolCall(arguments="{"),))]),
        ({"type": "RUN_FINISHED"}, [Delta(finish="stop")]),
        ({"type": "STATE_SNAPSHOT", "snapshot": {}}, []),
        ({}, []),
    ],
)
def test_an_event(payload: dict[str, object], deltas: list[Delta]) -> None:
    """By its type."""
    assert told(AG_UI, event(payload)) == deltas


def test_the_end_and_errors() -> None:
    """Of the run; ours is its error too."""
    assert learnt(AG_UI, event({"type": "RUN_FINISHED"})).complete
    assert not learnt(AG_UI, event({"type": "TEXT_MESSAGE_END"})).finished
    assert str(learnt(AG_UI, event({"type": "RUN_ERROR", "message": "no"})).error) == "no"
    frame = AG_UI.error_frame(IdleTimeout(), StreamState())
    assert frame == b'data: {"type":"RUN_ERROR","message":"the upstream fell silent","code":"idle_timeout"}\n\n'


def test_calls_are_numbered_as_they_begin() -> None:
    """Arguments are of the call that began last: they name it by an id that clients of a shape do not have."""
    begun = [event({"type": "TOOL_CALL_START", "toolCallId": name, "toolCallName": "f"}) for name in "tuv"]
    more = event({"type": "TOOL_CALL_ARGS", "delta": "{"})
    records = [record for start in begun for record in (start, more)]
    found = [call for delta in told(AG_UI, *records) for call in delta.tool_calls]
    assert [(call.index, call.id, call.arguments) for call in found] == [
        (0, "t", ""), (0, None, "{"), (1, "u", ""), (1, None, "{"), (2, "v", ""), (2, None, "{"),
    ]  # fmt: skip


def test_an_error_keeps_its_event() -> None:
    """What the upstream has said may be told on as it came."""
    record = event({"type": "RUN_ERROR", "message": "no"})
    error = learnt(AG_UI, record).error
    assert error is not None
    assert (str(error), error.body) == ("no", record.data)
