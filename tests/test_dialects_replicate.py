"""`core.dialects.replicate`: predictions as events of plain text."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import Delta, dialect_for
from sse_proxy.core.dialects.replicate import REPLICATE
from sse_proxy.core.sse import Event

from .dialect_deltas import learnt, told
from .dialect_streams import drained


@pytest.mark.parametrize(
    ("kind", "data", "deltas"),
    [
        (b"output", b"H\xc3\xa9\n{}", [Delta(text="Hé\n{}")]),
        (b"output", b"", [Delta()]),
        (b"logs", b"loading", []),
        (b"done", b"{}", []),
    ],
)
def test_only_output_is_text(kind: bytes, data: bytes, deltas: list[Delta]) -> None:
    """Whatever it looks like."""
    assert told(REPLICATE, Event(event=kind, data=data, id=b"1:0")) == deltas


@pytest.mark.parametrize(
    ("kind", "data", "finished", "terminated", "error"),
    [
        (b"done", b"{}", True, True, None),
        (b"done", b'{"reason":"canceled"}', True, True, None),
        (b"done", b'{"reason":"error"}', False, True, "the prediction failed"),
        (b"done", b"", True, True, None),
        (b"output", b'{"reason":"error"}', False, False, None),
        (b"error", b'{"detail":"no"}', False, False, "no"),
        (b"error", b"no", False, False, "the upstream failed"),
    ],
)
def test_the_end(kind: bytes, data: bytes, finished: bool, terminated: bool, error: str | None) -> None:
    """``done``; an error comes before one that names it as the reason."""
    state = learnt(REPLICATE, Event(event=kind, data=data))
    assert (state.finished, state.terminated) == (finished, terminated)
    assert (state.error and str(state.error)) == error


def test_the_first_word_of_an_error_holds() -> None:
    """The end that names it as its reason says less."""
    error, end = Event(event=b"error", data=b'{"detail":"no"}'), Event(event=b"done", data=b'{"reason":"error"}')
    assert str(learnt(REPLICATE, error, end).error) == "no"


def test_ids_and_types_stay() -> None:
    """Its clients drop events without them; data that is empty or looks like a defect is text."""
    body = b"id: 1:0\nevent: output\ndata: data: {}{}\n\nid: 2:0\nevent: output\ndata: \n\n"
    output, of_body = drained("replicate", body)
    assert output == body
    assert of_body.repairs == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/streams/abc", "replicate"),
        ("/v1/predictions/stream/abc", "replicate"),
        ("/v1/predictions/abc", "generic"),
        ("/v1/streams", "generic"),
    ],
)
def test_the_stream_s_url(path: str, name: str) -> None:
    """As a prediction tells it."""
    assert dialect_for("GET", path).name == name


@pytest.mark.parametrize(
    "record", [Event(event=b"error", data=b'{"detail":"no"}'), Event(event=b"done", data=b'{"reason":"error"}')]
)
def test_an_error_keeps_its_event(record: Event) -> None:
    """What the upstream has said may be told on as it came."""
    error = learnt(REPLICATE, record).error
    assert error is not None
    assert error.body == record.data


def test_text_that_is_no_utf_8_is_told_all_the_same() -> None:
    """With U+FFFD in it."""
    assert told(REPLICATE, Event(event=b"output", data=b"a\xff")) == [Delta(text="a\ufffd")]
