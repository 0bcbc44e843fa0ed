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
