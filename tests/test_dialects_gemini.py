"""`core.dialects.gemini`: Gemini's chunks, as events and as the elements of one array."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, Sign, StreamState, ToolCall
from sse_proxy.core.dialects.gemini import GEMINI, GEMINI_ARRAY
from sse_proxy.core.framers import Framing
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.errors import Drained, IdleTimeout, RequestTooLarge, SSEProxyError, UpstreamReported

from .dialect_deltas import event, learnt, told
from .dialect_streams import drained


def candidate(*parts: object, **fields: object) -> dict[str, object]:
    """A chunk with one candidate."""
    return {"candidates": [{"content": {"parts": list(parts)}, **fields}]}


@pytest.mark.parametrize(
    ("payload", "deltas"),
    [
        (candidate({"text": "a"}, {"text": "b"}), [Delta(text="ab")]),
        (candidate({"text": "hm", "thought": True}, {"text": "a"}), [Delta(text="a", reasoning="hm")]),
        (candidate({"text": "a"}, index=1), [Delta(index=1, text="a")]),
        (candidate(index="1"), [Delta()]),
        (
            candidate({"functionCall": {"name": "f", "args": {"a": 1}}}, {"functionCall": {"id": "t", "name": "g"}}),
            [
                Delta(
                    tool_calls=(
                        ToolCall(index=0, id="call_0", name="f", arguments='{"a":1}'),
                        ToolCall(index=1, id="t", name="g", arguments="{}"),
                    )
                )
            ],
        ),
        (
            candidate(*[{"functionCall": {}}] * 3),
            [Delta(tool_calls=tuple(ToolCall(index=n, id=f"call_{n}", name="", arguments="{}") for n in range(3)))],
        ),
        (candidate({"inlineData": {}}, {"functionCall": "f"}, "text", None), [Delta()]),
        (candidate(finishReason="STOP"), [Delta(finish="stop")]),
        (candidate(finishReason="MAX_TOKENS"), [Delta(finish="length")]),
        (candidate(finishReason="SAFETY"), [Delta(finish="content_filter")]),
        ({"candidates": [{}]}, [Delta()]),
        ({"candidates": [{"content": {"parts": None}}, "odd"]}, [Delta()]),
        ({"candidates": None}, []),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, [Delta(finish="content_filter")]),
        ({"promptFeedback": {}}, []),
    ],
)
def test_a_chunk(payload: dict[str, object], deltas: list[Delta]) -> None:
    """Text, thoughts and calls of each candidate."""
    assert told(GEMINI, event(payload)) == deltas


@pytest.mark.parametrize(
    ("payload", "finished"),
    [
        (candidate({"text": "a"}), False),
        (candidate(finishReason="STOP"), True),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, True),
        ({"promptFeedback": {"safetyRatings": []}}, False),
        ({"usageMetadata": {"promptTokenCount": 1}}, False),
    ],
)
def test_the_end(payload: dict[str, object], finished: bool) -> None:
    """A finish reason, or a prompt that was refused."""
    assert learnt(GEMINI, event(payload)).finished is finished


def test_the_usage_is_that_of_the_last_chunk() -> None:
    """Every chunk has one."""
    first = {"usageMetadata": {"promptTokenCount": 7, "thoughtsTokenCount": 1}, "modelVersion": "g"}
    last = {"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2, "cachedContentTokenCount": 3}}
    state = learnt(GEMINI, event(first), event(last), event(candidate({"text": "a"})))
    assert state.usage == {"input": 7, "output": 2, "cached_input": 3}
    assert state.identity == {"model": "g"}


def test_only_data_goes_out() -> None:
    """Its Python client takes every other line for JSON (formats.md § 0, rule 3); and so is the heartbeat."""
    body = b'id: 1\nevent: message\nretry: 5\ndata: {"candidates":[]}\n\ndata: [DONE]\n\n'
    assert drained("gemini", body)[0] == b'data: {"candidates":[]}\n\n'
    assert GEMINI.noop(StreamState()) == b'data: {"candidates":[]}\n\n'
    assert GEMINI.prefers_noop
    assert GEMINI.terminator == b""


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (Drained(), 503, "UNAVAILABLE"),
        (IdleTimeout(), 504, "DEADLINE_EXCEEDED"),
        (RequestTooLarge(), 413, "INVALID_ARGUMENT"),
        (UpstreamReported("no", status=429), 429, "RESOURCE_EXHAUSTED"),
        (UpstreamReported("no"), 502, "INTERNAL"),
    ],
)
def test_errors_have_google_s_names(error: SSEProxyError, code: int, status: str) -> None:
    """In the body of an answer, and in an event."""
    told_error = json.loads(GEMINI.error_body(error))["error"]
    assert (told_error["code"], told_error["status"], told_error["message"]) == (code, status, str(error))
    assert (told_error["type"], told_error["details"]) == (error.error_type, [{"reason": error.code}])
    assert GEMINI.error_frame(error, StreamState()) == b"data: " + GEMINI.error_body(error) + b"\n\n"


@pytest.mark.parametrize(
    ("sent", "closed"),
    [(b"", True), (b'[{"candidates":[]}', True), (b'[{"candidates":[]}\n,\r\n', False), (b'[{"candidates":[', False)],
)
def test_an_error_is_one_more_element_of_the_array(sent: bytes, closed: bool) -> None:
    """And its end; within an element, or where one has to follow, there is only the abort."""
    of = Pipeline(
        GEMINI_ARRAY,
        state=StreamState(),
        max_event_bytes=1000,
        rewrite=False,
        framing=Framing.JSON_ARRAY,
        voice=GEMINI_ARRAY.native,
    )
    assert of.feed(sent) == sent
    frame = of.fail(IdleTimeout())
    assert bool(frame) is closed
    if closed:
        *_, last = json.loads(sent + frame)
        assert last["error"]["status"] == "DEADLINE_EXCEEDED"


def test_the_array_has_no_heartbeat() -> None:
    """Readers cut it at its commas and line ends."""
    assert GEMINI_ARRAY.native is not None
    assert GEMINI_ARRAY.native.comment == b""


def test_an_error_keeps_its_event() -> None:
    """What the upstream has said may be told on as it came."""
    record = event({"error": {"message": "no"}})
    error = learnt(GEMINI, record).error
    assert error is not None
    assert error.body == record.data


@pytest.mark.parametrize(
    ("query", "is_sse"),
    [(b"alt=sse", True), (b"key=k&alt=SSE", True), (b"alt=json", False), (b"", False), (b"key=sse", False)],
)
def test_the_query_asks_for_events(query: bytes, is_sse: bool) -> None:
    """Without that it is an array."""
    sign = Sign(path="/v1/models/m:streamGenerateContent", query=query)
    assert (GEMINI.claims(sign), GEMINI_ARRAY.claims(sign)) == (is_sse, not is_sse)
