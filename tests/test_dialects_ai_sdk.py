"""`core.dialects.ai_sdk`: UI messages, and the data stream of version 4."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, StreamState, ToolCall
from sse_proxy.core.dialects.ai_sdk import AI_SDK_DATA, AI_SDK_UI
from sse_proxy.core.framers import Framing
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.sse import Event
from sse_proxy.errors import IdleTimeout, Truncated

from .dialect_deltas import event, learnt, told


@pytest.mark.parametrize(
    ("payload", "deltas"),
    [
        ({"type": "start"}, []),
        ({"type": "text-delta", "id": "1", "delta": "a"}, [Delta(text="a")]),
        ({"type": "reasoning-delta", "delta": "hm"}, [Delta(reasoning="hm")]),
        ({"type": "text-delta", "delta": None}, [Delta()]),
        (
            {"type": "tool-input-start", "toolCallId": "t", "toolName": "f"},
            [Delta(tool_calls=(ToolCall(id="t", name="f"),))],
        ),
        ({"type": "tool-input-delta", "inputTextDelta": "{"}, [Delta(tool_calls=(ToolCall(arguments="{"),))]),
        ({"type": "tool-input-delta", "delta": "{"}, [Delta(tool_calls=(ToolCall(arguments="{"),))]),
        ({"type": "finish"}, [Delta(finish="stop")]),
        ({"type": "finish", "finishReason": "length"}, [Delta(finish="length")]),
        ({"type": "finish", "finishReason": "tool-calls"}, [Delta(finish="tool_calls")]),
        ({"type": "finish", "finishReason": "content-filter"}, [Delta(finish="content_filter")]),
        ({"type": "text-end", "id": "1"}, []),
    ],
)
def test_a_part_of_a_ui_message(payload: dict[str, object], deltas: list[Delta]) -> None:
    """By its type."""
    assert told(AI_SDK_UI, event(payload)) == deltas


@pytest.mark.parametrize(
    ("record", "finished", "terminated"),
    [
        (event({"type": "finish-step"}), False, False),
        (event({"type": "finish"}), True, False),
        (event({"type": "abort"}), True, False),
        (event("[DONE]"), False, True),
    ],
)
def test_the_end_of_a_ui_message(record: Event, finished: bool, terminated: bool) -> None:
    """A step is not all."""
    state = learnt(AI_SDK_UI, record)
    assert (state.finished, state.terminated) == (finished, terminated)


def test_errors_of_a_ui_message() -> None:
    """A part of its union, which is strict; the terminator follows."""
    assert str(learnt(AI_SDK_UI, event({"type": "error", "errorText": "no"})).error) == "no"
    frame = AI_SDK_UI.error_frame(IdleTimeout(), StreamState())
    assert frame == b'data: {"type":"error","errorText":"the upstream fell silent"}\n\ndata: [DONE]\n\n'
    assert AI_SDK_UI.noop(StreamState(started=True)) is None


@pytest.mark.parametrize(
    ("line", "deltas"),
    [
        ('0:"H\\u00e9"', [Delta(text="Hé")]),
        ('g:"hm"', [Delta(reasoning="hm")]),
        ("0:1", []),
        (
            '9:{"toolCallId":"t","toolName":"f","args":{"a":1}}',
            [Delta(tool_calls=(ToolCall(id="t", name="f", arguments='{"a":1}'),))],
        ),
        ('b:{"toolCallId":"t","toolName":"f"}', [Delta(tool_calls=(ToolCall(id="t", name="f"),))]),
        ('c:{"toolCallId":"t","argsTextDelta":"{"}', [Delta(tool_calls=(ToolCall(arguments="{"),))]),
        ('d:{"finishReason":"length"}', [Delta(finish="length")]),
        ('d:"odd"', [Delta(finish="stop")]),
        ('e:{"finishReason":"stop"}', []),
        ("2:[1]", []),
        ('0:"half', []),
        ("nothing", []),
        ("\u00e9:1", []),
        ("0:" + "[" * 100_000, []),
    ],
)
def test_a_line_of_the_data_stream(line: str, deltas: list[Delta]) -> None:
    """A code, a colon, JSON; what is none adds nothing."""
    assert told(AI_SDK_DATA, event(line)) == deltas


@pytest.mark.parametrize(
    ("line", "finished", "error", "usage"),
    [
        (
            'd:{"finishReason":"stop","usage":{"promptTokens":7,"completionTokens":2}}',
            True,
            None,
            {"input": 7, "output": 2},
        ),
        ("d:null", True, None, {}),
        ('e:{"finishReason":"stop"}', False, None, {}),
        ('3:"no"', False, "no", {}),
        ("3:{}", False, "the upstream failed", {}),
    ],
)
def test_the_end_of_the_data_stream(line: str, finished: bool, error: str | None, usage: dict[str, int]) -> None:
    """A step is not all."""
    state = learnt(AI_SDK_DATA, event(line))
    assert (state.finished, state.terminated, state.usage) == (finished, finished, usage)
    assert (state.error and str(state.error)) == error


def test_the_data_stream_stays_what_it_is() -> None:
    """Its client can read nothing else: no heartbeat, errors as lines, behind the end of one that was cut."""
    of = Pipeline(
        AI_SDK_DATA,
        state=StreamState(),
        max_event_bytes=1000,
        rewrite=False,
        framing=Framing.DATA_STREAM,
        voice=AI_SDK_DATA.native,
    )
    assert of.feed(b'0:"a"\n0:"b') == b'0:"a"\n0:"b'
    assert of.flush() == b""
    with pytest.raises(Truncated):
        of.conclude()
    line, end = of.fail(IdleTimeout()).removeprefix(b"\n").splitlines()
    assert json.loads(line.removeprefix(b"3:")) == "the upstream fell silent"
    assert json.loads(end.removeprefix(b"d:"))["finishReason"] == "error"
    assert of.voice.comment == b""


def test_calls_are_numbered_in_their_order() -> None:
    """What continues a call belongs to the last one that began."""
    began = {"type": "tool-input-start", "toolCallId": "t", "toolName": "f"}
    goes_on = {"type": "tool-input-delta", "inputTextDelta": "{"}
    deltas = told(AI_SDK_UI, *(event(payload) for payload in (began, began, began, goes_on)))
    assert [call.index for delta in deltas for call in delta.tool_calls] == [0, 1, 2, 2]
    lines = ('b:{"toolCallId":"t","toolName":"f"}', '9:{"args":{}}', "b:{}", 'c:{"argsTextDelta":"{"}', "c:{}")
    deltas = told(AI_SDK_DATA, *map(event, lines))
    assert [call.index for delta in deltas for call in delta.tool_calls] == [0, 1, 2, 2, 2]
    assert [call.arguments for delta in deltas for call in delta.tool_calls] == ["", "{}", "", "{", ""]


def test_an_error_keeps_its_event() -> None:
    """It may be told on as it came; ours ends the data stream with a finish of no cost."""
    for row, data in ((AI_SDK_UI, '{"type":"error","errorText":"no"}'), (AI_SDK_DATA, '3:"no"')):
        error = learnt(row, event(data)).error
        assert error is not None
        assert (str(error), error.body) == ("no", data.encode())
    assert AI_SDK_DATA.native is not None
    assert AI_SDK_DATA.native.error_frame(IdleTimeout("late"), StreamState()) == (
        b'3:"late"\nd:{"finishReason":"error","usage":{"promptTokens":0,"completionTokens":0}}\n'
    )
