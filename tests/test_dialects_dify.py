"""`core.dialects.dify`: Dify's apps, whose events tell their type in the payload."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, StreamState
from sse_proxy.core.dialects.dify import DIFY
from sse_proxy.core.sse import Event
from sse_proxy.errors import IdleTimeout

from .dialect_deltas import event, learnt, told


@pytest.mark.parametrize(
    ("payload", "deltas"),
    [
        ({"event": "message", "answer": "a"}, [Delta(text="a")]),
        ({"event": "agent_message", "answer": "a"}, [Delta(text="a")]),
        ({"event": "message", "answer": None}, []),
        ({"event": "text_chunk", "data": {"text": "a"}}, [Delta(text="a")]),
        ({"event": "text_chunk", "data": {"text": None}}, []),
        ({"event": "text_chunk"}, []),
        ({"event": "message_end"}, [Delta(finish="stop")]),
        ({"event": "agent_thought", "thought": "hm"}, []),
        ({"event": "node_started"}, []),
    ],
)
def test_an_event(payload: dict[str, object], deltas: list[Delta]) -> None:
    """Of chats the answer, of workflows the text."""
    assert told(DIFY, event(payload)) == deltas


@pytest.mark.parametrize(
    ("events", "finished", "terminated", "usage"),
    [
        (["message"], False, False, {}),
        (["workflow_finished"], True, False, {}),
        (["workflow_finished", "message_end"], True, True, {"input": 7}),
        (["message_end"], True, True, {"input": 7}),
    ],
)
def test_the_end(events: list[str], finished: bool, terminated: bool, usage: dict[str, int]) -> None:
    """A chat's workflow finishes before its message ends."""
    metadata = {"metadata": {"usage": {"prompt_tokens": 7}}}
    records = [event({"event": kind, **(metadata if kind == "message_end" else {})}) for kind in events]
    state = learnt(DIFY, *records)
    assert (state.finished, state.terminated, state.usage) == (finished, terminated, usage)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"status": "failed", "error": "no"}, "no"),
        ({"status": "failed"}, "the upstream failed"),
        ({"status": "succeeded", "error": None}, None),
        ({"status": "stopped"}, None),
        (None, None),
    ],
)
def test_a_workflow_that_failed(data: object, error: str | None) -> None:
    """It finishes too, but nobody may take that for an answer."""
    state = learnt(DIFY, event({"event": "workflow_finished", "data": data}))
    assert (state.error and str(state.error)) == error
    assert state.complete is (error is None)


def test_errors() -> None:
    """Ours look as its own, and have the object of everybody else."""
    own = {"event": "error", "status": 400, "code": "invalid_param", "message": "no"}
    error = learnt(DIFY, event(own)).error
    assert error is not None
    assert (str(error), error.http_status) == ("no", 400)
    frame = json.loads(DIFY.error_frame(IdleTimeout(), StreamState()).removeprefix(b"data: "))
    assert (frame["event"], frame["status"], frame["code"]) == ("error", 504, "idle_timeout")
    assert frame["error"]["message"] == frame["message"]


def test_pings_are_its_own() -> None:
    """With data or without, which the parser drops."""
    assert DIFY.is_ping(Event(event=b"ping", data=b"{}"))
    assert DIFY.asks({"response_mode": "streaming"})
    assert not DIFY.asks({"stream": True})


def test_a_document_is_told_as_an_event_and_its_end() -> None:
    """Each with what belongs to it; what is no whole answer is none."""
    document: dict[str, object] = {
        "event": "message",
        "mode": "chat",
        "id": "m",
        "answer": "a",
        "metadata": {"usage": {}},
    }
    events = DIFY.from_document(document)
    assert events is not None
    assert [json.loads(record.data) for record in events] == [
        {"event": "message", "id": "m", "answer": "a"},
        {"event": "message_end", "id": "m", "metadata": {"usage": {}}},
    ]
    assert DIFY.from_document({"event": "message", "answer": "a"}) is None
    assert DIFY.from_document({"event": "workflow_started", "mode": "chat"}) is None


@pytest.mark.parametrize(
    "record",
    [
        event({"event": "error", "message": "no"}),
        event({"event": "workflow_finished", "data": {"status": "failed", "error": "no"}}),
    ],
)
def test_an_error_keeps_its_event(record: Event) -> None:
    """What the upstream has said may be told on as it came."""
    error = learnt(DIFY, record).error
    assert error is not None
    assert error.body == record.data


def test_our_error_has_all_that_its_own_have() -> None:
    """Type, status, code and message, besides the object of everybody else."""
    frame = DIFY.error_frame(IdleTimeout(), StreamState())
    assert frame.endswith(b"}\n\n")
    assert json.loads(frame.removeprefix(b"data: ")) == {
        "event": "error",
        "status": 504,
        "code": "idle_timeout",
        "message": "the upstream fell silent",
        "error": {"message": "the upstream fell silent", "type": "timeout_error", "code": "idle_timeout"},
    }
