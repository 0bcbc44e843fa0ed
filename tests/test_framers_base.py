"""`core.framers.base`: what all framers share."""

from __future__ import annotations

import pytest

from sse_proxy.core.framers.base import valid_utf8


@pytest.mark.parametrize("value", [b"", b"ascii", "é€😀\ufffd".encode()])
def test_valid_text_comes_back_as_the_same_object(value: bytes) -> None:
    """Nothing is copied that needs no repair."""
    repairs: dict[str, int] = {}
    assert valid_utf8(value, repairs) is value
    assert repairs == {}


@pytest.mark.parametrize(
    ("value", "text"), [(b"\xff", "\ufffd"), (b"a\xe2\x82", "a\ufffd"), (b"\xed\xa0\x80\xff", "\ufffd" * 4)]
)
def test_the_rest_is_replaced_and_counted_once(value: bytes, text: str) -> None:
    """However much of it there is."""
    repairs = {"invalid_utf8": 1}
    assert valid_utf8(value, repairs) == text.encode()
    assert repairs == {"invalid_utf8": 2}


def test_the_count_begins_with_one() -> None:
    """The first repair of a stream is one repair."""
    repairs: dict[str, int] = {}
    valid_utf8(b"\xff", repairs)
    assert repairs == {"invalid_utf8": 1}
