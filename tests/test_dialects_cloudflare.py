"""`core.dialects.cloudflare`: Workers AI, in its own form and in OpenAI's."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, StreamState
from sse_proxy.core.dialects.cloudflare import CLOUDFLARE
from sse_proxy.errors import IdleTimeout

from .dialect_deltas import event, learnt, told


@pytest.mark.parametrize(
    ("payload", "deltas"),
    [
        ({"response": "a", "p": "ab"}, [Delta(text="a")]),
        ({"response": ""}, []),
        ({"response": None, "tool_calls": []}, []),
        ({"choices": [{"delta": {"content": "a"}}]}, [Delta(text="a")]),
    ],
)
def test_a_chunk(payload: dict[str, object], deltas: list[Delta]) -> None:
    """Models that speak as OpenAI's do come through unchanged."""
    assert told(CLOUDFLARE, event(payload)) == deltas


@pytest.mark.parametrize(
    ("data", "finished", "terminated"),
    [
        ("[DONE]", False, True),
        ('{"response":""}', False, False),
        ('{"choices":[{"delta":{},"finish_reason":"stop"}]}', True, False),
    ],
)
def test_the_end(data: str, finished: bool, terminated: bool) -> None:
    """``[DONE]``, or a finish reason of OpenAI's form."""
    state = learnt(CLOUDFLARE, event(data))
    assert (state.finished, state.terminated) == (finished, terminated)


@pytest.mark.parametrize(
    ("payload", "message", "status"),
    [
        ({"errors": [{"message": "no", "code": 5006}], "success": False}, "no", 502),
        ({"errors": [{"message": "no", "code": 429}]}, "no", 429),
        ({"errors": "no"}, "the upstream failed", 502),
        ({"error": {"message": "no"}}, "no", 502),
    ],
)
def test_errors(payload: dict[str, object], message: str, status: int) -> None:
    """A list of them, of which the first is told."""
    error = learnt(CLOUDFLARE, event(payload)).error
    assert error is not None
    assert (str(error), error.http_status) == (message, status)


def test_no_errors_are_none() -> None:
    """The envelope of a whole answer has the key too."""
    assert learnt(CLOUDFLARE, event({"response": "a", "errors": []})).error is None


def test_its_error_frame_is_read_by_all() -> None:
    """The list that its own clients know, and the object of everybody else; then the terminator."""
    frame = CLOUDFLARE.error_frame(IdleTimeout(), StreamState())
    first, end = frame.split(b"\n\n", 1)
    document = json.loads(first.removeprefix(b"data: "))
    assert document["errors"] == [document["error"]]
    assert document["success"] is False
    assert end == b"data: [DONE]\n\n"


def test_the_envelope_around_a_whole_answer_becomes_its_stream() -> None:
    """And its end."""
    events = CLOUDFLARE.from_document({"result": {"response": "a", "usage": {"total_tokens": 3}}, "success": True})
    assert events is not None
    assert [event.data for event in events] == [b'{"response":"a","usage":{"total_tokens":3}}', b"[DONE]"]


@pytest.mark.parametrize(
    "document", [{}, {"result": "a"}, {"result": {"response": 1}}, {"result": {}}, {"RESULT": {"response": "a"}}]
)
def test_what_is_no_envelope_is_an_event(document: dict[str, object]) -> None:
    """It is passed on as it is."""
    assert CLOUDFLARE.from_document(document) is None


def test_usage() -> None:
    """As OpenAI's."""
    state = learnt(CLOUDFLARE, event({"response": "", "usage": {"prompt_tokens": 2, "completion_tokens": 3}}))
    assert (state.usage["input"], state.usage["output"]) == (2, 3)


def test_an_error_keeps_its_document() -> None:
    """It may be told on as it came; and ours has what every client of the API looks for."""
    error = learnt(CLOUDFLARE, event({"errors": [{"message": "no"}]})).error
    assert error is not None
    assert json.loads(error.body or b"") == {"errors": [{"message": "no"}]}
    ours = json.loads(CLOUDFLARE.error_body(IdleTimeout()))
    assert ours == {"error": ours["errors"][0], "errors": [ours["error"]], "success": False, "result": None}
    assert ours["error"]["code"] == "idle_timeout"
