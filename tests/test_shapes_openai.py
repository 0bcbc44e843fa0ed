"""`core.shapes.openai`: any answer as OpenAI's chat chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sse_proxy.core.dialects import Delta, StreamState, ToolCall
from sse_proxy.core.shapes.openai import OpenAIShape

IDENTITY = {"id": "x", "created": 1, "model": "m"}
COMMON = {**IDENTITY, "object": "chat.completion.chunk"}


def chunks(shape: OpenAIShape, *deltas: Delta) -> list[dict[str, Any]]:
    """What is written for each of *deltas*, the common part left out."""
    found = [json.loads(event.data) for event in shape.write(list(deltas))]
    assert all(COMMON.items() <= chunk.items() for chunk in found)
    return [{key: value for key, value in chunk.items() if key not in COMMON} for chunk in found]


def choice(delta: dict[str, object], finish: str | None = None, index: int = 0) -> dict[str, object]:
    """One chunk with one choice."""
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def ended(shape: OpenAIShape, **usage: int) -> list[Any]:
    """The payloads of the end."""
    *events, done = shape.end(StreamState(usage=usage))
    assert done.data == b"[DONE]"
    return [json.loads(event.data) for event in events]


def test_the_first_chunk_tells_the_role() -> None:
    """Of each answer; no chunk is written that tells nothing."""
    shape = OpenAIShape(IDENTITY)
    assert (chunks(shape, Delta()), shape.state.started) == ([], False)
    assert chunks(shape, Delta(text="a")) == [choice({"role": "assistant", "content": "a"})]
    assert shape.state.started
    assert chunks(shape, Delta(text="b"), Delta()) == [choice({"content": "b"})]
    assert chunks(shape, Delta(index=1, text="c")) == [choice({"role": "assistant", "content": "c"}, index=1)]


def test_thoughts_are_told_apart() -> None:
    """As servers of open models do."""
    shape = OpenAIShape(IDENTITY)
    assert chunks(shape, Delta(reasoning="hm"), Delta(reasoning="m"), Delta(text="a")) == [
        choice({"role": "assistant", "content": "", "reasoning_content": "hm"}),
        choice({"reasoning_content": "m"}),
        choice({"content": "a"}),
    ]


def test_calls_of_tools() -> None:
    """Id and name in the first piece of each, arguments in all."""
    shape = OpenAIShape(IDENTITY)
    first = ToolCall(index=0, id="t", name="f")
    told = chunks(shape, Delta(tool_calls=(first, ToolCall(index=1, arguments="{}"))))
    assert told == [
        choice(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": ""}},
                    {"index": 1, "function": {"arguments": "{}"}},
                ],
            }
        )
    ]


@pytest.mark.parametrize(
    ("reason", "called", "told"),
    [
        ("stop", False, "stop"),
        ("length", False, "length"),
        ("content_filter", True, "content_filter"),
        ("tool_calls", True, "tool_calls"),
        ("stop", True, "tool_calls"),
    ],
)
def test_the_reason_of_the_end_has_a_chunk_of_its_own(reason: str, called: bool, told: str) -> None:
    """Once; and many APIs stop where OpenAI's would name the calls."""
    shape = OpenAIShape(IDENTITY)
    calls = (ToolCall(id="t", name="f"),) if called else ()
    *_, last = chunks(shape, Delta(text="a", tool_calls=calls, finish=reason))
    assert last == choice({}, told)
    assert chunks(shape, Delta(finish=reason)) == []
    assert ended(shape) == []


def test_an_answer_without_text_has_its_role_all_the_same() -> None:
    """Clients build the message from that chunk."""
    assert chunks(OpenAIShape(IDENTITY), Delta(finish="stop")) == [
        choice({"role": "assistant", "content": ""}),
        choice({}, "stop"),
    ]


def test_an_end_without_a_reason_is_stop() -> None:
    """For each answer that is open, or for the one that never began."""
    shape = OpenAIShape(IDENTITY)
    chunks(shape, Delta(text="a"), Delta(index=2, text="b"), Delta(index=1, text="c", finish="length"))
    assert [chunk["choices"] for chunk in ended(shape)] == [
        [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        [{"index": 2, "delta": {}, "finish_reason": "stop"}],
    ]
    assert [chunk["choices"][0]["delta"] for chunk in ended(OpenAIShape(IDENTITY))] == [
        {"role": "assistant", "content": ""},
        {},
    ]


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        (
            {"input": 7, "output": 2},
            {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
        ),
        ({"output": 2}, {"prompt_tokens": 0, "completion_tokens": 2, "total_tokens": 2}),
        (
            {"input": 7, "cached_input": 3, "reasoning_output": 1},
            {
                "prompt_tokens": 7,
                "completion_tokens": 0,
                "total_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
        ),
    ],
)
def test_the_usage_has_a_chunk_without_choices(counts: dict[str, int], usage: dict[str, object]) -> None:
    """In front of the terminator."""
    shape = OpenAIShape(IDENTITY)
    chunks(shape, Delta(text="a", finish="stop"))
    assert ended(shape, **counts) == [{**COMMON, "choices": [], "usage": usage}]


def test_every_chunk_is_on_one_line() -> None:
    """Also for readers that cut at U+2028 (formats.md § 0, rule 11)."""
    event = OpenAIShape(IDENTITY).write([Delta(text="\u2028\n")])[0]
    assert event.data.isascii()
    assert b"\n" not in event.data
