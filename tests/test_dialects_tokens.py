"""`core.dialects.tokens`: the wire of the guide."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import Delta
from sse_proxy.core.dialects.tokens import TOKENS
from sse_proxy.core.documents import json_object
from sse_proxy.core.sse import Event

from .dialect_deltas import event, learnt, told
from .dialect_streams import drained

TOKEN = b'data: {"token":"a"}\n\n'


@pytest.mark.parametrize(
    ("payload", "deltas"),
    [
        ({"token": "a"}, [Delta(text="a")]),
        ({"token": "a", "done": False}, [Delta(text="a")]),
        ({"token": ""}, []),
        ({"token": 1}, []),
        ({"done": True}, []),
    ],
)
def test_a_token(payload: dict[str, object], deltas: list[Delta]) -> None:
    """One text an event."""
    assert told(TOKENS, event(payload)) == deltas


@pytest.mark.parametrize(
    ("record", "complete"),
    [
        (event("{}", "done"), True),
        (event("[DONE]", "done"), True),
        (event("[DONE]"), True),
        (event({"done": True}), True),
        (event({"token": "", "done": True}), True),
        (event({"token": "done", "done": False}), False),
        (event({"done": "true"}), False),
    ],
)
def test_each_way_to_end(record: Event, complete: bool) -> None:
    """The guide has three."""
    assert learnt(TOKENS, record).complete is complete


@pytest.mark.parametrize(
    ("record", "speaks"),
    [
        (event({"token": "a"}), True),
        (event({"error": "no"}, "error"), True),
        (event({"message": "no"}, "error"), False),
        (event({"done": True}), False),
        (event({"text": "a", "token": "b"}), False),
        (event({"token": "a"}, "message"), True),
        (event({"token": "a"}, "delta"), False),
        (event({"token": 1}), False),
        (event({}), False),
    ],
)
def test_what_tells_it_from_others(record: Event, speaks: bool) -> None:
    """A token before anything else; of a stream that begins with its error there will be no more to tell."""
    assert TOKENS.speaks is not None
    assert TOKENS.speaks(record, json_object(record.data) or {}) is speaks


def test_errors() -> None:
    """Named, or told in the payload."""
    assert str(learnt(TOKENS, event({"error": "no"}, "error")).error) == "no"
    assert str(learnt(TOKENS, event({"error": {"message": "no"}})).error) == "no"
    named = event({"message": "no"}, "error")
    error = learnt(TOKENS, named).error
    assert error is not None
    assert (str(error), error.body) == ("no", named.data)


@pytest.mark.parametrize("end", [b"event: done\ndata: {}\n\n", b'data: {"done":true}\n\n', b"data: [DONE]\n\n"])
def test_an_end_is_left_as_it_is(end: bytes) -> None:
    """Its client was written for it."""
    output, of_body = drained("tokens", TOKEN + b"event: ping\ndata: {}\n\n" + end)
    assert output + of_body.conclude() == TOKEN + end
