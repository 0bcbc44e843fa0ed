"""`core.framers.text`: text in pieces, whole characters only, LF for every line end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_proxy.core.framers.text import TextFramer
from sse_proxy.core.sse import Event

from .event_streams import chunked, cuts, splits
from .record_framers import held_bytes, is_linear, life


def maker() -> TextFramer:
    """A fresh framer."""
    return TextFramer(repairs={})


def text_of(pieces: list[bytes]) -> tuple[str, dict[str, int]]:
    """All text that *pieces* come to, and the repairs."""
    whole = life(maker(), pieces)
    assert whole.ending == "whole"
    assert all(record.data for record in whole.records)
    return "".join(record.data.decode() for record in whole.records), whole.repairs


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", ""),
        (b"Hello", "Hello"),
        ("é€😀".encode(), "é€😀"),
        (b"a\r\nb\rc\nd\r\r\ne", "a\nb\nc\nd\n\ne"),
        (b"\xef\xbb\xbfa\xef\xbb\xbf", "a\ufeff"),
        (b"\xef\xbb\xbf", ""),
        ("\ufffd".encode(), "\ufffd"),
        (b"\r", "\n"),
        (b" \n", " \n"),
    ],
)
def test_text_is_the_same_however_it_is_cut(body: bytes, text: str) -> None:
    """Only its line ends are made alike, and one leading U+FEFF is dropped; none of that counts as a repair."""
    for pieces in splits(body, seed=1):
        assert text_of(pieces) == (text, {})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"a\xffb", "a\ufffdb"),
        (b"\xe2\x82", "\ufffd"),
        (b"\xe2\x82a", "\ufffda"),
        (b"\xff\xef\xbf\xbd", "\ufffd\ufffd"),
    ],
)
def test_what_is_no_utf8_is_replaced_and_counted(body: bytes, text: str) -> None:
    """Once a piece."""
    for pieces in splits(body, seed=2):
        found, repairs = text_of(pieces)
        assert found == text
        assert repairs == {"invalid_utf8": 1}


def test_every_piece_is_told_at_once() -> None:
    """All but the beginning of a character; a space or a line end may be all that it is."""
    framer = maker()
    assert framer.feed(b"a \xe2") == [Event(data=b"a ")]
    assert framer.feed(b"\x82") == []
    assert framer.feed(b"\xac\r") == [Event(data="€\n".encode())]
    assert framer.feed(b"\n") == []
    assert framer.feed(b"\n") == [Event(data=b"\n")]
    assert framer.at_boundary
    assert framer.between_events
    assert held_bytes(framer) == 0


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=30) | st.text(max_size=20).map(lambda text: text.encode(errors="replace")), at=cuts())
def test_splits_change_no_text(body: bytes, at: list[int]) -> None:
    """It is that of the whole body, decoded at once."""
    lines = body.decode(errors="replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    assert text_of(chunked(body, at))[0] == lines


@pytest.mark.parametrize("unit", [b"a", b"\r", b"\xff", "€".encode()])
def test_work_is_linear_in_the_bytes(unit: bytes) -> None:
    """Whatever is repeated."""
    assert is_linear(maker, lambda size: unit * (size // len(unit)))


def test_every_read_with_invalid_bytes_is_counted() -> None:
    """From one on."""
    assert text_of([b"a\xff", b"b\xff"]) == ("a\ufffdb\ufffd", {"invalid_utf8": 2})


def test_a_line_end_may_come_first() -> None:
    """Nothing is taken for the second half of CR LF that follows no CR."""
    framer = maker()
    assert framer.completed == []
    assert framer.cut is False
    assert text_of([b"\na"])[0] == "\na"
