"""`core.dialects.tgi`: Text Generation Inference, and Triton."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, Dialect, StreamState, dialect_for
from sse_proxy.core.dialects.tgi import TGI, TRITON
from sse_proxy.errors import IdleTimeout

from .dialect_deltas import event, learnt, told
from .dialect_streams import drained


@pytest.mark.parametrize(
    ("payload", "delta"),
    [
        ({"token": {"text": "a", "special": False}, "generated_text": None}, Delta(text="a")),
        ({"token": {"text": "</s>", "special": True}, "generated_text": "a"}, Delta(finish="stop")),
        ({"token": {"text": "b"}, "generated_text": "ab"}, Delta(text="b", finish="stop")),
        (
            {"token": {"text": "b"}, "generated_text": "ab", "details": {"finish_reason": "length"}},
            Delta(text="b", finish="length"),
        ),
        ({"token": {"text": None}}, Delta()),
        ({"token": None}, Delta()),
        ({"generated_text": "ab"}, Delta(text="ab", finish="stop")),
    ],
)
def test_a_token(payload: dict[str, object], delta: Delta) -> None:
    """Special ones are no text; the last event has the whole text too, which is told only where there are no tokens."""
    assert told(TGI, event(payload)) == [delta]


def test_the_end_has_the_usage() -> None:
    """It is where the whole text is."""
    last = {"generated_text": "a", "details": {"generated_tokens": 2, "input_length": 7}}
    state = learnt(TGI, event({"token": {"text": "a"}, "details": None}), event(last))
    assert (state.finished, state.usage) == (True, {"input": 7, "output": 2})


@pytest.mark.parametrize("kind", ["generation", "overloaded", "validation", "incomplete_generation"])
def test_errors(kind: str) -> None:
    """A text, and its type; ours is the same."""
    assert str(learnt(TGI, event({"error": "no", "error_type": kind})).error) == "no"
    frame = json.loads(TGI.error_frame(IdleTimeout(), StreamState()).removeprefix(b"data: "))
    assert (frame["error"], frame["error_type"]) == ("the upstream fell silent", "generation")


def test_what_is_no_token_does_not_reach_its_client() -> None:
    """Its Python client fails on any object that is none: not on a ping of somebody's, not on a document."""
    token, end = b'data: {"token":{"text":"a"}}\n\n', b'data: {"token":{"text":"b"},"generated_text":"ab"}\n\n'
    output, _ = drained("tgi", token + b"event: ping\ndata: {}\n\n" + end)
    assert output == token + end
    output, _ = drained("tgi", b'data: {"generated_text":"ab"}\n\n')
    assert json.loads(output.removeprefix(b"data: "))["token"]["text"] == "ab"


def test_it_has_no_heartbeat_of_data() -> None:
    """Its Python client fails on any object that is no token."""
    assert TGI.noop(StreamState(started=True)) is None


@pytest.mark.parametrize(
    ("payload", "deltas"), [({"text_output": "a"}, [Delta(text="a")]), ({"text_output": None}, []), ({}, [])]
)
def test_triton(payload: dict[str, object], deltas: list[Delta]) -> None:
    """One text an event."""
    assert told(TRITON, event(payload)) == deltas


def test_triton_s_errors_and_its_end() -> None:
    """An event with status 200; the end is that of the body."""
    assert str(learnt(TRITON, event({"error": "no"})).error) == "no"
    assert learnt(TRITON, event({"text_output": "a"})).error is None
    assert TRITON.completes_at_end


def test_a_document_is_told_as_one_token() -> None:
    """With all that a token has; what has one already, or no text, is an event as it is."""
    events = TGI.from_document({"generated_text": "a", "details": {"x": 1}})
    assert events is not None
    assert [json.loads(record.data) for record in events] == [
        {
            "index": 1,
            "token": {"id": 0, "text": "a", "logprob": 0.0, "special": False},
            "generated_text": "a",
            "details": {"x": 1},
        }
    ]
    assert TGI.from_document({"generated_text": None}) is None
    assert TGI.from_document({"generated_text": "a", "token": {}}) is None


@pytest.mark.parametrize("row", [TGI, TRITON], ids=lambda row: row.name)
def test_an_error_keeps_its_event(row: Dialect) -> None:
    """What the upstream has said may be told on as it came."""
    record = event({"error": "no", "error_type": "overloaded"})
    error = learnt(row, record).error
    assert error is not None
    assert error.body == record.data


def test_our_errors_are_as_tgi_writes_its_own() -> None:
    """Before the response with the object of everybody else, and within it with a text; both have a type."""
    told = {"message": "the upstream fell silent", "type": "timeout_error", "code": "idle_timeout"}
    assert json.loads(TGI.error_body(IdleTimeout())) == {"error": told, "error_type": "generation"}
    assert TGI.error_frame(IdleTimeout(), StreamState()) == (
        b'data: {"error":"the upstream fell silent","error_type":"generation","code":"idle_timeout"}\n\n'
    )


@pytest.mark.parametrize(
    ("path", "document", "name"),
    [
        ("/v2/models/m/generate_stream", None, "triton"),
        ("/v2/models/m/generate_stream", {"inputs": "p"}, "triton"),
        ("/generate_stream", {"text_input": "p"}, "triton"),
        ("/generate_stream", {"inputs": "p"}, "tgi"),
        ("/generate_stream", None, "tgi"),
        ("/generate_stream", {"prompt": "p"}, "generic"),
    ],
)
def test_which_of_the_two_a_request_is_for(path: str, document: dict[str, object] | None, name: str) -> None:
    """They have one path: Triton's has a model in it, or its body names the input in another way."""
    assert dialect_for("POST", path, document=document).name == name
