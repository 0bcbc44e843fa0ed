"""`core.dialects.anthropic`: the Messages API."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import StreamState
from sse_proxy.core.dialects.anthropic import ANTHROPIC
from sse_proxy.errors import Drained, IdleTimeout, NotFound, SSEProxyError, Truncated, UpstreamClosed

from .dialect_streams import drained


def event(kind: str, **payload: object) -> bytes:
    """One event of the type *kind*."""
    return b"event: " + kind.encode() + b"\ndata: " + json.dumps({"type": kind, **payload}).encode() + b"\n\n"


START = event("message_start", message={"usage": {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 1}})
DELTA = event("content_block_delta", delta={"text": "a"})
FINISH = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9})
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@pytest.mark.parametrize(
    ("body", "added"),
    [
        (START + DELTA + FINISH + STOP, b""),
        (START + DELTA + STOP, b""),
        (START + DELTA + FINISH, STOP),
        (START + DELTA + b"event: message_stop\ndata: {}\n\n", b""),
    ],
)
def test_whole_answers(body: bytes, added: bytes) -> None:
    """``message_stop`` ends an answer, and is added after a stop reason."""
    output, of_body = drained("anthropic", body)
    assert output == body
    assert of_body.conclude() == added
    assert of_body.state.complete


@pytest.mark.parametrize(
    "body",
    [
        START + DELTA,
        START + event("message_delta", delta={"stop_reason": None}),
        START + event("message_delta", delta=None),
        START + event("message_delta"),
        b"data: [DONE]\n\n",
    ],
)
def test_cut_answers(body: bytes) -> None:
    """Neither a stop reason nor ``message_stop``."""
    _, of_body = drained("anthropic", body)
    with pytest.raises(Truncated):
        of_body.conclude()


def test_a_later_delta_does_not_take_the_stop_reason_back() -> None:
    """Once the answer has its reason it is complete."""
    assert drained("anthropic", START + FINISH + event("message_delta", delta={}))[1].state.finished


def test_usage_of_start_and_delta_are_put_together() -> None:
    """The output count is cumulative; what the delta does not repeat still holds."""
    assert drained("anthropic", START + DELTA + FINISH)[1].state.usage == {"input": 5, "output": 9, "cached_input": 2}


@pytest.mark.parametrize(("message", "identity"), [({"model": "claude"}, {"model": "claude"}), ({}, {}), (None, {})])
def test_the_start_names_the_model(message: object, identity: object) -> None:
    """Which answers may come from another one than was asked for."""
    assert drained("anthropic", event("message_start", message=message))[1].state.identity == identity


def test_start_without_usage() -> None:
    """Some servers leave it out."""
    assert drained("anthropic", event("message_start", message=None))[1].state.usage == {}


@pytest.mark.parametrize(
    "error",
    [
        event("error", error={"type": "overloaded_error", "message": "no"}),
        b'event: error\ndata: {"message":"no"}\n\n',
        b"event: error\ndata: no\n\n",
    ],
)
def test_error_of_the_upstream(error: bytes) -> None:
    """It goes on as it came, nothing is added, and the answer is not complete even after a stop reason."""
    output, of_body = drained("anthropic", START + FINISH + error)
    assert output == START + FINISH + error
    assert of_body.conclude() == b""
    assert of_body.over
    assert not of_body.state.complete


def test_the_type_of_an_event_is_told_from_its_payload() -> None:
    """Clients go by the ``event`` field alone: what servers have left out of it is put there, errors' types too."""
    named = START + DELTA + FINISH + event("error", error={"type": "overloaded_error", "message": "no"})
    unnamed = b"".join(line + b"\n" for line in named.split(b"\n") if not line.startswith(b"event: "))[:-1]
    output, of_body = drained("anthropic", unnamed)
    assert named == output
    assert of_body.repairs == {"missing_event_type": 4}
    assert of_body.state.error is not None
    output, of_body = drained("anthropic", unnamed, rewrite=False)
    assert (unnamed, {}) == (output, of_body.repairs)
    odd = b'data: {"type":"a\\nb"}\n\ndata: {"type":7}\n\n'
    assert odd == drained("anthropic", odd)[0]


def test_a_single_type_that_is_missing_is_found() -> None:
    """Also where the chunk is canonical and says nothing else of note."""
    unnamed = DELTA.partition(b"\n")[2]
    for chunks in ((START, DELTA, unnamed), (START, DELTA + unnamed)):
        output, of_body = drained("anthropic", *chunks)
        assert output == START + DELTA + DELTA
        assert of_body.repairs == {"missing_event_type": 1}


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (IdleTimeout(), "timeout_error", "idle_timeout"),
        (UpstreamClosed(), "api_error", "upstream_error"),
        (SSEProxyError(), "api_error", "upstream_error"),
        (Drained(), "overloaded_error", "drained"),
        (NotFound(), "not_found_error", "rejected"),
    ],
)
def test_error_body_and_frame(error: SSEProxyError, kind: str, code: str) -> None:
    """The API's own shape and names, as a body and as a named event."""
    body = f'{{"type":"error","error":{{"type":"{kind}","message":"{error}","code":"{code}"}}}}'.encode()
    assert ANTHROPIC.error_body(error) == body
    assert ANTHROPIC.error_frame(error, StreamState()) == b"event: error\ndata: " + body + b"\n\n"


def test_noop_is_the_native_ping() -> None:
    """Byte for byte what the API sends, at any time."""
    assert ANTHROPIC.noop(StreamState()) == b'event: ping\ndata: {"type": "ping"}\n\n'


@pytest.mark.parametrize("ping", [b'data: {"type":"ping"}\n\n', b'data: {"type": "ping"}\n\n'])
def test_unnamed_pings_are_swallowed_too(ping: bytes) -> None:
    """Some servers leave the event's name away."""
    output, of_body = drained("anthropic", START, ping, DELTA, FINISH, STOP)
    assert output == START + DELTA + FINISH + STOP
    assert of_body.events == 4


def test_an_unnamed_error_is_an_error_only_at_the_beginning() -> None:
    """There it becomes a status; later no SDK would raise on it, so the missing end is what has to be told of."""
    error = b'data: {"error":{"message":"no","code":429}}\n\n'
    _, of_body = drained("anthropic", error)
    assert of_body.began_with_error
    assert of_body.state.error is not None
    assert of_body.state.error.http_status == 429
    _, of_body = drained("anthropic", START, error)
    assert of_body.state.error is None
    with pytest.raises(Truncated):
        of_body.conclude()


@pytest.mark.parametrize(
    "error",
    [
        b'event: error\ndata: {"type":"error","error":{"message":"no"}}\n\n',
        b'event: error\ndata: {"error":{"message":"no"}}\n\n',
        b'event: error\ndata: {"type":"overloaded_error","message":"no"}\n\n',
        b'event: other\ndata: {"type":"error","error":{"message":"no"}}\n\n',
    ],
)
def test_an_error_is_told_by_the_event_or_by_its_payload(error: bytes) -> None:
    """Within the stream, either of them does, and what the upstream has said may be told on as it came."""
    state = drained("anthropic", START, DELTA, error)[1].state
    assert state.error is not None
    assert (str(state.error), state.error.body) == ("no", error.partition(b"data: ")[2].strip())


def test_the_payload_tells_the_type_where_the_event_does_not() -> None:
    """Of a server that names no events; where both do, the payload counts."""
    unnamed = b"".join(one.partition(b"\n")[2] for one in (START, DELTA, FINISH, STOP))
    for body in (unnamed, START + DELTA + FINISH.replace(b"event: message_delta", b"event: other") + STOP):
        state = drained("anthropic", body)[1].state
        assert (state.finished, state.terminated, state.usage["output"]) == (True, True, 9)


@pytest.mark.parametrize("kind", [b"", b"event: ping\n"])
def test_a_ping_is_swallowed_named_or_not(kind: bytes) -> None:
    """Under another name the same data is somebody's event."""
    ping = b'data: {"type": "ping"}\n\n'
    assert drained("anthropic", START + kind + ping + DELTA)[0] == START + DELTA
    assert drained("anthropic", START + b"event: other\n" + ping)[0] == START + b"event: other\n" + ping
