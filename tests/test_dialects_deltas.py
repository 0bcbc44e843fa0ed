"""`core.dialects.deltas`: the vocabulary of output shapes."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects.deltas import Delta, ToolCall, suffix_of


@pytest.mark.parametrize(
    ("text", "before", "suffix"),
    [("abc", "ab", "c"), ("ab", "ab", ""), ("a", "", "a"), ("c", "ab", "c"), ("", "ab", "")],
)
def test_what_is_new_of_a_text_that_grows(text: str, before: str, suffix: str) -> None:
    """All of it where it does not repeat what was before."""
    assert suffix_of(text, before) == suffix


def test_nothing_is_added_by_default() -> None:
    """A delta of the first answer, a piece of its first call."""
    assert Delta() == Delta(index=0, text="", reasoning="", tool_calls=(), finish=None)
    assert ToolCall() == ToolCall(index=0, id=None, name=None, arguments="")
