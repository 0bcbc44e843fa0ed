"""`core.dialects.openai_responses`: named events without ``[DONE]``."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import StreamState
from sse_proxy.core.dialects.openai_responses import RESPONSES
from sse_proxy.core.sse import Event
from sse_proxy.errors import IdleTimeout, Truncated

from .dialect_streams import drained, pipeline


def event(kind: str, **payload: object) -> bytes:
    """One event of the type *kind*."""
    document = json.dumps({"type": kind, **payload}, separators=(",", ":")).encode()
    return b"event: " + kind.encode() + b"\ndata: " + document + b"\n\n"


CREATED = event("response.created", sequence_number=0, response={"id": "r", "created_at": 5, "model": "m", "x": 1})
DELTA = event("response.output_text.delta", sequence_number=4, delta="a")
DETAILS = b'"error":{"message":"the upstream fell silent","type":"timeout_error","param":null,"code":"idle_timeout"}'


@pytest.mark.parametrize(
    ("last", "finished", "error"),
    [
        (event("response.completed", response={}), True, False),
        (event("response.incomplete", response={}), True, False),
        (event("response.failed", response={"error": {"message": "no"}}), False, True),
        (event("error", error={"message": "no"}), False, True),
        (b'data: {"error":{"message":"no"}}\n\n', False, True),
        (b'event: error\ndata: {"message":"no"}\n\n', False, True),
        (b'event: response.completed\ndata: {"response":"?"}\n\n', True, False),
        (event("response.in_progress", response={}), False, False),
        (b'data: {"error":null}\n\n', False, False),
        (b'data: {"type":{"a":1}}\n\n', False, False),
    ],
)
def test_terminal_events(last: bytes, finished: bool, error: bool) -> None:
    """``completed`` and ``incomplete`` are whole answers, ``failed`` and ``error`` errors."""
    output, of_body = drained("openai_responses", CREATED, DELTA, last)
    state = of_body.state
    assert output == CREATED + DELTA + last
    assert (state.complete, state.error is not None) == (finished, error)
    if finished or error:
        assert of_body.conclude() == b""
    else:
        with pytest.raises(Truncated):
            of_body.conclude()


def test_done_is_dropped() -> None:
    """Clients stop at ``[DONE]``, so that they would take a cut answer for whole and never see our error behind it."""
    output, of_body = drained("openai_responses", CREATED, DELTA, b"data: [DONE]\n\n")
    assert output == CREATED + DELTA
    assert not of_body.state.complete


def test_a_flat_error_becomes_one_that_the_sdks_raise_on() -> None:
    """The flat keys stay, the object that the SDKs look for is added."""
    flat: dict[str, object] = {"code": "rate_limited", "message": "no", "param": None}
    output, of_body = drained("openai_responses", CREATED, DELTA, event("error", **flat, sequence_number=5))
    error = {"type": "server_error", **flat}
    assert output == CREATED + DELTA + event("error", **flat, sequence_number=5, error=error)
    assert of_body.state.error is not None
    assert (str(of_body.state.error), of_body.conclude()) == ("no", b"")


def test_error_then_failed_keeps_the_first_words() -> None:
    """Both tell of one failure; the later one does not overwrite the message."""
    failed = event("response.failed", response={"error": {"message": "second"}})
    body = event("error", message="first", code=500) + failed
    state = drained("openai_responses", CREATED, body)[1].state
    assert state.terminated
    assert state.error is not None
    assert (str(state.error), state.error.http_status) == ("first", 500)


def test_usage_is_in_the_terminal_event() -> None:
    """Names differ from those of chat."""
    usage = {
        "input_tokens": 5,
        "output_tokens": 6,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    state = drained("openai_responses", CREATED, event("response.completed", response={"usage": usage}))[1].state
    assert state.usage == {"input": 5, "output": 6, "cached_input": 1, "reasoning_output": 2}


def test_keepalives_of_the_upstream_are_swallowed() -> None:
    """They are its heartbeat, not an event of the answer."""
    keepalive = event("keepalive", sequence_number=1)
    output, of_body = drained("openai_responses", keepalive, CREATED, keepalive, DELTA + keepalive)
    assert output == CREATED + DELTA
    assert of_body.events == 2


def test_noop_only_after_created_with_the_last_sequence_number() -> None:
    """Before ``response.created`` the SDKs raise on it; after it the number is repeated, never advanced."""
    of_body = pipeline("openai_responses")
    assert RESPONSES.noop(of_body.state) is None
    of_body.feed(event("response.queued", sequence_number=3))
    assert RESPONSES.noop(of_body.state) is None
    for chunk, number in [
        (CREATED, 0),
        (DELTA, 4),
        (event("response.x", sequence_number=5) + event("response.y", sequence_number=6), 6),
        (event("response.z"), 6),
        (event("response.text", delta='"sequence_number": 99'), 6),
    ]:
        of_body.feed(chunk)
        assert RESPONSES.noop(of_body.state) == (
            b'event: keepalive\ndata: {"type":"keepalive","sequence_number":%d}\n\n' % number
        )


def test_noop_without_sequence_numbers() -> None:
    """llama-server sends none."""
    state = drained("openai_responses", event("response.created", response={"id": "r"}))[1].state
    assert RESPONSES.noop(state) == b'event: keepalive\ndata: {"type":"keepalive","sequence_number":0}\n\n'


def test_error_frame_is_the_superset_frame_and_failed() -> None:
    """Flat and nested at once (formats.md § B3), numbers go on; then ``response.failed`` with the stream's identity."""
    state = drained("openai_responses", CREATED, DELTA)[1].state
    assert RESPONSES.error_frame(IdleTimeout(), state) == (
        b'event: error\ndata: {"type":"error","code":"idle_timeout","message":"the upstream fell silent","param":null,'
        b'"sequence_number":5,' + DETAILS + b"}\n\n"
        b'event: response.failed\ndata: {"type":"response.failed","sequence_number":6,"response":{"id":"r",'
        b'"created_at":5,"model":"m","object":"response","status":"failed",'
        b'"error":{"code":"server_error","message":"the upstream fell silent"},"output":[]}}\n\n'
    )


def test_error_frame_before_the_first_event() -> None:
    """Numbers start at 0, the identity is a placeholder."""
    first, second, rest = RESPONSES.error_frame(IdleTimeout(), StreamState()).split(b"\n\n")
    assert b'"sequence_number":0,' in first
    assert b'"sequence_number":1,"response":{"id":"resp_unknown","object":"response"' in second
    assert rest == b""


def test_error_before_the_response_is_openai_s() -> None:
    """The same document as of chat."""
    assert RESPONSES.error_body(IdleTimeout()) == b"{" + DETAILS + b"}"


@pytest.mark.parametrize("kind", ["error", "response.failed"])
def test_an_error_keeps_its_event(kind: str) -> None:
    """What the upstream has said may be told on as it came."""
    errors = {"error": {"message": "of the event"}, "response.failed": {"message": "of the response"}}
    record = event(kind, error=errors["error"], response={"error": errors["response.failed"]})
    state = drained("openai_responses", CREATED, record)[1].state
    error = state.error
    assert error is not None
    assert state.terminated is (kind == "response.failed")
    assert (str(error), error.body) == (errors[kind]["message"], record.partition(b"data: ")[2].removesuffix(b"\n\n"))


def test_the_payload_may_be_all_that_names_an_event() -> None:
    """As without repairs."""
    state = drained("openai_responses", CREATED, b'data: {"type":"response.completed"}\n\n', rewrite=False)[1].state
    assert state.complete


@pytest.mark.parametrize(
    ("record", "speaks"),
    [
        (Event(data=b'{"type":"response.created"}'), True),
        (Event(data=b"{}", event=b"response.created"), True),
        (Event(data=b'{"type":"response.output_text.delta","sequence_number":4}'), True),
        (Event(data=b'{"type":"response.output_text.delta"}'), False),
        (Event(data=b'{"type":"message","sequence_number":4}'), False),
        (Event(data=b"{}"), False),
    ],
)
def test_the_first_event_tells_it(record: Event, speaks: bool) -> None:
    """A stream that was taken up again begins anywhere, with a number."""
    assert RESPONSES.speaks is not None
    assert RESPONSES.speaks(record, json.loads(record.data)) is speaks


def test_named_pings_are_swallowed() -> None:
    """Not of this API."""
    assert RESPONSES.is_ping(Event(data=b"{}", event=b"ping"))
    assert not RESPONSES.is_ping(Event(data=b"{}", event=b"response.created"))
