"""`core.framers.scanner`: the end of a JSON value by its brackets, outside of strings."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_proxy.core.framers.scanner import BracketScanner

from .event_streams import splits
from .work import calls_made


def end_in(pieces: list[bytes]) -> int:
    """The position behind the value, counted over all *pieces*; -1 where it does not end."""
    scanner, before = BracketScanner(), 0
    for piece in pieces:
        end = scanner.scan(piece, 0)
        if end >= 0:
            return before + end
        before += len(piece)
    return -1


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        (b"{}", b""),
        (b"[]", b"[]"),
        (b'{"a":{"b":[1,{}]}}', b'{"c":1}'),
        (b'{"a":"}]\\"}"}', b"}"),
        (b'{"\\\\":1}', b'"'),
        (b'{"\\\\\\"}":1}', b"x"),
        (b'"a}"', b'"b"'),
        (b'"\\""', b'"'),
        (b"{\n}", b"\n"),
        ('{"é":"\u2028}"}'.encode(), b"{"),
    ],
)
def test_the_end_is_found_however_the_bytes_are_cut(value: bytes, rest: bytes) -> None:
    """Brackets in strings and escaped quotes do not count; what follows is not looked at."""
    for pieces in splits(value + rest, seed=1):
        assert end_in(pieces) == len(value)


@pytest.mark.parametrize("value", [b"{", b"[[]", b'{"a":"}', b'"a\\"', b'{"a":"\\', b""])
def test_without_an_end_there_is_none(value: bytes) -> None:
    """However much is open."""
    assert end_in([value]) == -1
    assert end_in([value[at : at + 1] for at in range(len(value))]) == -1


def test_it_starts_where_it_is_told_to() -> None:
    """What stands before is another value's."""
    assert BracketScanner().scan(b'}"{}{', 2) == 4


def test_an_escape_reaches_over_the_cut() -> None:
    """To the next byte, wherever that is: behind a piece without any, or behind where the looking starts."""
    scanner = BracketScanner()
    assert [scanner.scan(piece, 0) for piece in (b'{"a":"\\', b"", b'""}')] == [-1, -1, 3]
    scanner = BracketScanner()
    assert [scanner.scan(b'"\\', 0), scanner.scan(b'xx"y"', 2)] == [-1, 5]


def test_the_kind_of_bracket_is_not_its_affair() -> None:
    """A parser tells what is wrong with it."""
    assert end_in([b"{]}"]) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(
    value=st.lists(JSON, max_size=3) | st.dictionaries(st.text(max_size=4), JSON, max_size=3) | st.text(max_size=9),
    indent=st.none() | st.integers(0, 2),
    ascii_only=st.booleans(),
)
def test_any_value_ends_at_its_last_byte(value: object, indent: int | None, ascii_only: bool) -> None:
    """Whatever a JSON encoder writes."""
    document = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(errors="replace")
    for pieces in splits(document + b'{"', seed=2, rounds=1):
        assert end_in(pieces) == len(document)


@pytest.mark.parametrize("unit", [b"{", b"x", b'"', b"\\", b"[]"])
def test_work_is_linear_in_the_bytes(unit: bytes) -> None:
    """Each byte is looked at once."""

    def work(count: int, read: int) -> int:
        body = b"{" + unit * count
        pieces = [body[at : at + read] for at in range(0, len(body), read)]
        return calls_made(lambda: end_in(pieces))

    for read in (1, 4096):
        assert work(8000, read) <= 2.2 * work(4000, read) + 10
