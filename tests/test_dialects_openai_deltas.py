"""`core.dialects.openai_deltas`: what OpenAI's chunks add, and the chunks of whole answers."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, Dialect, ToolCall
from sse_proxy.core.dialects.openai_chat import CHAT, COMPLETIONS
from sse_proxy.core.dialects.openai_deltas import chat_from_document, completions_from_document, objects

from .dialect_deltas import event, told


@pytest.mark.parametrize(
    ("choice", "delta"),
    [
        ({"index": 1, "delta": {"role": "assistant", "content": "a"}}, Delta(index=1, text="a")),
        ({"delta": {"content": None, "refusal": "no"}}, Delta(text="no")),
        ({"delta": {"reasoning_content": "hm"}}, Delta(reasoning="hm")),
        ({"delta": {"reasoning": "hm"}}, Delta(reasoning="hm")),
        ({"delta": {"reasoning": "hm", "reasoning_content": "hm"}}, Delta(reasoning="hm")),
        ({"delta": {}, "finish_reason": "stop"}, Delta(finish="stop")),
        ({"delta": {}, "finish_reason": "length"}, Delta(finish="length")),
        ({"delta": {}, "finish_reason": "tool_calls"}, Delta(finish="tool_calls")),
        ({"delta": {}, "finish_reason": "function_call"}, Delta(finish="tool_calls")),
        ({"delta": {}, "finish_reason": "content_filter"}, Delta(finish="content_filter")),
        ({"delta": {}, "finish_reason": "eos"}, Delta(finish="stop")),
        ({"delta": {}, "finish_reason": ["stop"]}, Delta(finish="stop")),
        ({"delta": {}, "finish_reason": ""}, Delta()),
        ({"delta": None}, Delta()),
        ({"index": "0"}, Delta()),
        (
            {"delta": {"tool_calls": [{"index": 1, "id": "t", "function": {"name": "f", "arguments": ""}}]}},
            Delta(tool_calls=(ToolCall(index=1, id="t", name="f"),)),
        ),
        (
            {"delta": {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}, "odd"]}},
            Delta(tool_calls=(ToolCall(index=1, arguments="{}"),)),
        ),
        ({"delta": {"tool_calls": [{"function": None}]}}, Delta(tool_calls=(ToolCall(),))),
        ({"delta": {"tool_calls": [{"id": 7, "function": {"name": 7}}]}}, Delta(tool_calls=(ToolCall(),))),
        (
            {"delta": {"function_call": {"name": "f", "arguments": "{"}}},
            Delta(tool_calls=(ToolCall(id="call_0", name="f", arguments="{"),)),
        ),
        ({"delta": {"function_call": {"arguments": "}"}}}, Delta(tool_calls=(ToolCall(arguments="}"),))),
    ],
)
def test_a_chat_choice(choice: dict[str, object], delta: Delta) -> None:
    """Text, thoughts, calls and the reason of the end."""
    assert told(CHAT, event({"choices": [choice]})) == [delta]


@pytest.mark.parametrize("row", [CHAT, COMPLETIONS], ids=lambda row: row.name)
@pytest.mark.parametrize("payload", [{}, {"choices": None}, {"choices": [None]}, {"choices": []}])
def test_without_a_choice_nothing_is_added(row: Dialect, payload: dict[str, object]) -> None:
    """The usage chunk is one of those."""
    assert told(row, event(payload)) == []


def test_a_legacy_choice() -> None:
    """Its text stands where the delta would."""
    chunk = {"choices": [{"text": "a", "index": 0}, {"text": None, "index": 1, "finish_reason": "length"}]}
    assert told(COMPLETIONS, event(chunk)) == [Delta(text="a"), Delta(index=1, finish="length")]


def chunks(document: dict[str, object], *, legacy: bool = False) -> list[dict[str, object]]:
    """The payloads that a whole answer is told in."""
    found = (completions_from_document if legacy else chat_from_document)(document)
    assert found is not None
    return [json.loads(record.data) for record in found]


def test_a_whole_chat_answer() -> None:
    """All of each message, then the reasons, then the usage; what else the answer says is in every chunk."""
    calls: list[dict[str, object]] = [{"id": "a", "function": {}}, {"index": 7, "id": "b", "function": {}}]
    document: dict[str, object] = {
        "id": "c",
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "tool_calls": calls}, "finish_reason": "tool_calls"},
            {"index": 1, "message": {"content": "x"}},
            {"index": 2},
        ],
        "usage": {"prompt_tokens": 1},
        "service_tier": "default",
    }
    common = {"id": "c", "service_tier": "default", "object": "chat.completion.chunk"}
    numbered = [{"index": 0, **calls[0]}, {"index": 7, "id": "b", "function": {}}]
    assert chunks(document) == [
        {
            **common,
            "choices": [
                {"index": 0, "delta": {"role": "assistant", "tool_calls": numbered}, "finish_reason": None},
                {"index": 1, "delta": {"content": "x"}, "finish_reason": None},
                {"index": 2, "delta": {}, "finish_reason": None},
            ],
        },
        {
            **common,
            "choices": [
                {"index": 0, "delta": {}, "finish_reason": "tool_calls"},
                {"index": 1, "delta": {}, "finish_reason": "stop"},
                {"index": 2, "delta": {}, "finish_reason": "stop"},
            ],
        },
        {**common, "choices": [], "usage": {"prompt_tokens": 1}},
    ]


def test_without_a_usage_there_is_no_usage_chunk() -> None:
    """Null is none."""
    assert len(chunks({"choices": [{"message": {}}], "usage": None})) == 2


def test_a_whole_legacy_answer() -> None:
    """Its choices keep all that they have."""
    choice = {"index": 0, "text": "x", "logprobs": {"tokens": ["x"]}, "finish_reason": "stop"}
    first, last, usage = chunks({"choices": [choice], "usage": {"prompt_tokens": 1}}, legacy=True)
    assert first == {"object": "text_completion", "choices": [{**choice, "finish_reason": None}]}
    assert last["choices"] == [{"index": 0, "text": "", "finish_reason": "stop"}]
    assert (usage["choices"], usage["usage"]) == ([], {"prompt_tokens": 1})


@pytest.mark.parametrize(
    ("choices", "chunks_told"),
    [
        ([{"message": {}, "delta": {}}], 0),
        ([{"message": {}, "delta": {}, "finish_reason": "stop"}], 2),
        ([{"message": {}, "delta": {}}, {"message": {}}], 2),
        ([{"message": None}], 0),
        ([{"delta": {}, "finish_reason": "stop"}], 0),
        ([{"finish_reason": "stop"}], 0),
        ([], 0),
    ],
)
def test_what_is_a_whole_chat_answer(choices: list[dict[str, object]], chunks_told: int) -> None:
    """A message in any choice; beside a delta, as Perplexity has it in each chunk, only in the last one."""
    assert len(chat_from_document({"choices": choices}) or []) == chunks_told


@pytest.mark.parametrize(
    ("choices", "usage", "chunks_told"),
    [
        ([{"finish_reason": "stop"}, {"finish_reason": "length"}], {"prompt_tokens": 1}, 3),
        ([{"finish_reason": "stop"}, {"finish_reason": None}], {"prompt_tokens": 1}, 0),
        ([{"finish_reason": "stop"}], None, 0),
        ([], {"prompt_tokens": 1}, 0),
    ],
)
def test_what_is_a_whole_legacy_answer(
    choices: list[dict[str, object]], usage: dict[str, int] | None, chunks_told: int
) -> None:
    """The last chunk of a stream has finished choices as well, and the one behind it the usage alone."""
    assert len(completions_from_document({"choices": choices, "usage": usage}) or []) == chunks_told


@pytest.mark.parametrize(
    ("value", "found"), [([{}, 1, None, {"a": 1}], [{}, {"a": 1}]), ({}, []), (None, []), ("", [])]
)
def test_objects(value: object, found: list[object]) -> None:
    """Those of a list."""
    assert objects(value) == found
