"""`core.dialects.generic`: what is nobody's has no meaning, but where it is told in other words."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import GENERIC, StreamState
from sse_proxy.core.framers import Framing
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.shapes import shape_for

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
    assert message == str(told.state.error)
    assert told.over


@pytest.mark.parametrize("data", [b'{"error":null}', b'{"text":"a","error":"b"}', b'{"text":"error"}', b"error"])
def test_what_only_looks_like_an_error_is_none(data: bytes) -> None:
    """An object whose first key is ``error``, and that holds one, or an event of that type."""
    told = pipeline(retold=True)
    told.feed(b"data: " + data + b"\n\n")
    assert told.state.error is None


def test_an_error_among_records_of_another_framing() -> None:
    """NDJSON has no types of events."""
    told = pipeline(retold=True, framing=Framing.NDJSON)
    assert b"event: error" in told.feed(b'{"text":"a"}\n{"error":"no"}\n')
