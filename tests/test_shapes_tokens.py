"""`core.shapes.tokens`: the events of the guide's own readers."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import Delta, StreamState, ToolCall
from sse_proxy.core.shapes.tokens import TokensShape
from sse_proxy.core.sse import Event


@pytest.mark.parametrize(
    ("deltas", "events"),
    [
        ([], []),
        ([Delta(text="a")], [Event(data=b'{"token":"a"}')]),
        ([Delta(text="a"), Delta(text="b")], [Event(data=b'{"token":"a"}'), Event(data=b'{"token":"b"}')]),
        ([Delta(text="H\u00e9\n\u2028")], [Event(data=b'{"token":"H\\u00e9\\n\\u2028"}')]),
        ([Delta(reasoning="hm"), Delta(tool_calls=(ToolCall(),)), Delta(finish="stop")], []),
        ([Delta(index=1, text="a")], []),
    ],
)
def test_only_the_text_of_the_first_answer_is_told(deltas: list[Delta], events: list[Event]) -> None:
    """On one line, whatever is in it."""
    assert TokensShape().write(deltas) == events


def test_it_ends_with_done() -> None:
    """A type for an EventSource's listener, and data for who looks for that."""
    assert TokensShape().end(StreamState(usage={"input": 1})) == [Event(event=b"done", data=b'{"done":true}')]
