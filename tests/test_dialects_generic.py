"""`core.dialects.generic`: what is nobody's has no meaning, but where it is told in other words."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import GENERIC, Delta, StreamState
from sse_proxy.core.dialects.generic import generic_with_terminal
from sse_proxy.core.framers import Framing
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.shapes import shape_for
from sse_proxy.core.sse import Event
from sse_proxy.errors import SSEProxyError, Truncated

from .dialect_deltas import event, learnt
from .dialect_deltas import told as added
from .dialect_streams import drained

TEXT = b"data: Hello\n\n"


def pipeline(*, retold: bool, framing: Framing = Framing.SSE) -> Pipeline:
    """One for a stream that nothing is known of."""
    shape = shape_for("tokens", identity={}) if retold else None
    return Pipeline(GENERIC, state=StreamState(), max_event_bytes=1 << 20, framing=framing, shape=shape)


@pytest.mark.parametrize(
    "error, message",
    [
        (b'event: error\ndata: {"error":"no"}\n\n', "no"),
        (b"event: error\ndata: no\n\n", "the upstream failed"),
        (b'data: {"error":{"message":"no","code":503}}\n\n', "no"),
    ],
)
def test_an_error_is_one_where_the_answer_is_told_in_other_words(error: bytes, message: str) -> None:
    """The server's own event goes on as it came where it is told in its own: it may be followed by others."""
    native = pipeline(retold=False)
    assert TEXT + error == native.feed(TEXT + error)
    assert (native.state.error, native.over) == (None, False)
    told = pipeline(retold=True)
    out = told.feed(TEXT + error)
    assert out.startswith(b'data: {"token":"Hello"}\n\nevent: error\ndata: {"error":')
    assert told.state.error is not None
    assert (message, error.partition(b"data: ")[2].strip()) == (str(told.state.error), told.state.error.body)
    assert told.over


@pytest.mark.parametrize("data", [b"{}", b'{"error":null}', b'{"text":"a","error":"b"}', b'{"text":"error"}', b"error"])
def test_what_only_looks_like_an_error_is_none(data: bytes) -> None:
    """An object whose first key is ``error``, and that holds one, or an event of that type."""
    told = pipeline(retold=True)
    told.feed(b"data: " + data + b"\n\n")
    assert told.state.error is None


def test_an_error_among_records_of_another_framing() -> None:
    """NDJSON has no types of events."""
    told = pipeline(retold=True, framing=Framing.NDJSON)
    assert b"event: error" in told.feed(b'{"text":"a"}\n{"error":"no"}\n')


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (event("Hello"), "Hello"),
        (event("[1]"), "[1]"),
        (event("{no JSON"), "{no JSON"),
        (Event(data=b"\xff"), "\ufffd"),
        (event({"text": "a"}), "a"),
        (event({"delta": "f", "answer": "e", "response": "d", "content": "c", "text": "b", "token": "a"}), "a"),
        (event({"token": 1, "content": "c"}), "c"),
        (event("Hello", "message"), "Hello"),
    ],
)
def test_data_is_text_or_an_object_that_holds_some(record: Event, text: str) -> None:
    """Under the first of the keys that servers use, in one order of preference."""
    assert added(GENERIC, record) == [Delta(text=text)]


@pytest.mark.parametrize(
    "record",
    [event("[DONE]"), event(""), event({"text": ""}), event({"other": "a"}), event({"text": 1})]
    + [event("a", kind) for kind in ("done", "end", "error", "ping", "heartbeat")],
)
def test_what_is_no_text_adds_nothing(record: Event) -> None:
    """Events about the stream, and objects without any."""
    assert added(GENERIC, record) == []


@pytest.mark.parametrize("end", [event("", "finis"), event("finis")])
def test_the_marker_of_an_application_ends_its_streams(end: Event) -> None:
    """As an event's type, or as all of its data, and nothing else does."""
    row = generic_with_terminal("finis")
    for record, ends in ((end, True), (event("finis!"), False), (event("a", "done"), False)):
        state = learnt(row, event("a"), record)
        assert (state.finished, state.terminated, state.complete) == (ends, ends, ends)


@pytest.mark.parametrize("end", [b"event: finis\ndata: \n\n", b"data: finis\n\n"])
def test_a_stream_without_its_marker_is_truncated(end: bytes) -> None:
    """However the network has cut it: an event that holds the marker is never passed unseen."""
    for chunks, whole in (((TEXT, TEXT, end), True), ((TEXT, TEXT + end), True), ((TEXT, TEXT), False)):
        of_body = Pipeline(generic_with_terminal("finis"), state=StreamState(), max_event_bytes=1 << 20)
        assert b"".join(map(of_body.feed, chunks)) == b"".join(chunks)
        assert of_body.flush() == b""
        if whole:
            assert of_body.conclude() == b""
            continue
        with pytest.raises(Truncated):
            of_body.conclude()


def test_generic_error_is_a_named_event_and_an_abort() -> None:
    """No client of a generic stream is sure to know an error event, so the connection is cut after it."""
    frame = b'event: error\ndata: {"error":{"message":"the upstream fell silent","type":"api_error","code":"x"}}\n\n'
    error = SSEProxyError("the upstream fell silent")
    found = GENERIC.error_frame(error, drained("generic")[1].state)
    assert found == frame.replace(b"api_error", b"server_error").replace(b'"x"', b'"upstream_error"')
    assert GENERIC.aborts_after_error


def test_generic_payloads_are_not_touched() -> None:
    """What looks like a defect of JSON dialects may be meant here."""
    body = b"data: data: {}\n\ndata: {}{}\n\ndata: : x\n\ndata: \n\ndata: {}\ndata: {}\n\nevent: ping\ndata: 1\n\n"
    output, of_body = drained("generic", body)
    assert output == body
    assert (of_body.repairs, of_body.events) == ({}, 6)


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b"data: a\n\n", False),
        (b"data: a\n\nevent: done\ndata: x\n\n", True),
        (b"data: a\n\ndata: done\n\n", True),
        (b"data: a\n\ndata: done.\n\n", False),
        (b"data: a\n\nevent: undone\ndata: x\n\n", False),
    ],
)
def test_an_application_s_own_terminal(body: bytes, whole: bool) -> None:
    """The marker is an event's type or its whole data; without it the stream was cut."""
    row = generic_with_terminal("done")
    assert not row.completes_at_end
    assert drained("terminal", body)[1].state.complete is whole
