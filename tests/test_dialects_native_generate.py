"""`core.dialects.native_generate`: vLLM's demo, SGLang, FastChat's worker, LMDeploy's own."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import (
    GENERIC,
    Delta,
    Dialect,
    Sign,
    StreamState,
    dialect_for,
    dialect_of_first_event,
)
from sse_proxy.core.dialects.native_generate import FASTCHAT, LMDEPLOY, SGLANG_GENERATE, VLLM_GENERATE
from sse_proxy.core.documents import json_object
from sse_proxy.core.framers import Framing
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.sse import Event
from sse_proxy.errors import IdleTimeout

from .dialect_deltas import event, learnt, texts, told


@pytest.mark.parametrize(
    ("row", "first", "second", "whole"),
    [
        (VLLM_GENERATE, {"text": ["ab"]}, {"text": ["abc"]}, "abc"),
        (SGLANG_GENERATE, {"text": "ab", "meta_info": {}}, {"text": "abc", "meta_info": {}}, "abc"),
        (SGLANG_GENERATE, {"text": "ab"}, {"text": "c"}, "abc"),
        (FASTCHAT, {"text": "ab", "error_code": 0}, {"text": "abc", "error_code": 0}, "abc"),
        (LMDEPLOY, {"text": "ab", "tokens": 1}, {"text": "c", "tokens": 2}, "abc"),
    ],
)
def test_text_is_told_once(row: Dialect, first: object, second: object, whole: str) -> None:
    """Though most repeat it all in every event; SGLang can be told not to."""
    assert texts(row, event(first), event(second)) == whole


@pytest.mark.parametrize(
    ("row", "payload", "finish"),
    [
        (SGLANG_GENERATE, {"meta_info": {"finish_reason": None}}, None),
        (SGLANG_GENERATE, {"meta_info": {"finish_reason": {"type": "stop"}}}, "stop"),
        (SGLANG_GENERATE, {"meta_info": {"finish_reason": {"type": "length"}}}, "length"),
        (SGLANG_GENERATE, {"meta_info": {"finish_reason": "length"}}, "length"),
        (SGLANG_GENERATE, {"meta_info": None}, None),
        (FASTCHAT, {"finish_reason": None}, None),
        (FASTCHAT, {"finish_reason": "length"}, "length"),
        (FASTCHAT, {"finish_reason": "stop"}, "stop"),
        (LMDEPLOY, {"finish_reason": None}, None),
        (LMDEPLOY, {"finish_reason": "length"}, "length"),
        (LMDEPLOY, {"finish_reason": "stop", "text": 1}, "stop"),
    ],
)
def test_finish(row: Dialect, payload: dict[str, object], finish: str | None) -> None:
    """The reason ends the answer."""
    assert told(row, event(payload)) == [Delta(finish=finish)]
    assert learnt(row, event(payload)).finished is (finish is not None)


@pytest.mark.parametrize(
    ("row", "payload", "usage"),
    [
        (
            SGLANG_GENERATE,
            {"meta_info": {"finish_reason": "stop", "prompt_tokens": 7, "completion_tokens": 2, "cached_tokens": 3}},
            {"input": 7, "output": 2, "cached_input": 3},
        ),
        (FASTCHAT, {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}, {"input": 7, "output": 2}),
        (LMDEPLOY, {"finish_reason": "stop", "input_tokens": 7, "tokens": 2}, {"input": 7, "output": 2}),
    ],
)
def test_usage(row: Dialect, payload: dict[str, object], usage: dict[str, int]) -> None:
    """Where each has it; an event without does not undo it."""
    assert learnt(row, event(payload), event({"text": "a"})).usage == usage


@pytest.mark.parametrize(
    ("row", "payload", "message", "status"),
    [
        (VLLM_GENERATE, {"error": {"message": "no", "code": 500}}, "no", 500),
        (SGLANG_GENERATE, {"error": {"message": "no"}}, "no", 502),
        (FASTCHAT, {"text": "no", "error_code": 50001}, "no", 502),
        (LMDEPLOY, {"error": "no"}, "no", 502),
    ],
)
def test_errors(row: Dialect, payload: dict[str, object], message: str, status: int) -> None:
    """In each one's form."""
    error = learnt(row, event(payload)).error
    assert error is not None
    assert (str(error), error.http_status) == (message, status)


def test_several_answers_of_vllm() -> None:
    """Each grows by itself; what is no text is passed over."""
    found = told(VLLM_GENERATE, event({"text": ["a", "b", None]}), event({"text": ["ac", "b"]}))
    assert [(delta.index, delta.text) for delta in found] == [(0, "a"), (1, "b"), (0, "c"), (1, "")]


@pytest.mark.parametrize(
    ("record", "speaks"),
    [
        (event({"text": ["a"]}), True),
        (event({"text": []}), True),
        (event({"text": ["a", 1]}), False),
        (event({"text": "a"}), False),
        (event({"token": "a"}), False),
        (event({"text": ["a"]}, "message"), False),
    ],
)
def test_only_the_answer_tells_vllm_s_demo(record: Event, speaks: bool) -> None:
    """``/generate`` with a ``prompt`` is what many call an endpoint of their own."""
    found = dialect_of_first_event(record, json_object(record.data) or {})
    assert (found is VLLM_GENERATE) is speaks
    assert dialect_for("POST", "/generate", document={"prompt": "p", "stream": True}) is GENERIC


def test_sglang_s_first_releases() -> None:
    """Documents with NUL between them, and the terminator as one of them."""
    of = Pipeline(SGLANG_GENERATE, state=StreamState(), max_event_bytes=1000, framing=Framing.JSON)
    body = b'{"text":"a","meta_info":{}}\0{"text":"ab","meta_info":{"finish_reason":"stop"}}\0[DONE]\0'
    assert of.feed(body) + of.flush() + of.conclude() == (
        b'data: {"text":"a","meta_info":{}}\n\n'
        b'data: {"text":"ab","meta_info":{"finish_reason":"stop"}}\n\n'
        b"data: [DONE]\n\n"
    )


def test_errors_for_fastchat_s_controller() -> None:
    """It looks for a code, and splits at NUL."""
    assert FASTCHAT.native is not None
    frame = FASTCHAT.native.error_frame(IdleTimeout(), StreamState())
    assert frame == b'{"text":"the upstream fell silent","error_code":50001}\0'
    assert FASTCHAT.native.closes == b"\0"


def test_lmdeploy_s_terminator_is_dropped() -> None:
    """Its own client does not know it; the finish reason tells the end."""
    assert LMDEPLOY.is_ping(Event(data=b"[DONE]"))


@pytest.mark.parametrize("row", [VLLM_GENERATE, SGLANG_GENERATE, FASTCHAT, LMDEPLOY], ids=lambda row: row.name)
def test_an_error_keeps_its_event(row: Dialect) -> None:
    """What the upstream has said may be told on as it came."""
    record = event({"error": {"message": "no"}, "error_code": 50001, "text": "no"})
    error = learnt(row, record).error
    assert error is not None
    assert (str(error), error.body) == ("no", record.data)


@pytest.mark.parametrize(
    ("document", "claims"),
    [(None, True), ({"text": "p"}, True), ({"input_ids": [1]}, True), ({"prompt": "p"}, False), ({}, False)],
)
def test_sglang_s_input_has_names_of_its_own(document: dict[str, object] | None, claims: bool) -> None:
    """At a path that many have."""
    assert SGLANG_GENERATE.claims(Sign(path="/generate", document=document)) is claims
