"""`demo.knobs`: where knobs are read from, and what each refuses."""

from __future__ import annotations

import re

import pytest

import sse_proxy.demo
from sse_proxy.demo.knobs import Cut, KnobError, Knobs, read_knobs


def test_defaults_are_an_undisturbed_answer() -> None:
    """Without knobs nothing is cut, broken or coded."""
    knobs = read_knobs(b"", [(b"host", b"x"), (b"x-mock-id", b"a")])
    assert Knobs() == knobs
    assert knobs.cut is None
    assert knobs.extra_headers == []


def test_query_wins_over_headers_and_other_parameters_are_the_apis() -> None:
    """A query parameter is read first; ``beta`` is no knob of ours."""
    headers = [(b"X-Mock-Tokens", b"3"), (b"x-mock-stall-after", b"2"), (b"x-mock-header", b"Set-Cookie: a=1")]
    knobs = read_knobs(b"tokens=5&beta=true&defect=crlf,bom", headers)
    assert (5, 2, frozenset({"crlf", "bom"})) == (knobs.tokens, knobs.stall_after, knobs.defect)
    assert knobs.extra_headers == [(b"set-cookie", b"a=1")]


def test_header_knob_may_be_repeated_in_the_query() -> None:
    """Each adds one response header."""
    knobs = read_knobs(b"header=A%3A%201&header=B%3A2&bytes=7", [])
    assert knobs.extra_headers == [(b"a", b"1"), (b"b", b"2")]
    assert knobs.size_bytes == 7


@pytest.mark.parametrize(
    "query,expected",
    [
        (b"stall_after=3&die_after=2", (2, "die")),
        (b"error_first=1", (0, "error")),
        (b"error_first=0&error_after=4", (4, "error")),
        (b"die_mid_event=1", (1, "die_mid_event")),
        (b"truncate_after=9", (9, "truncate")),
        (b"stall_after=0", (0, "stall")),
    ],
)
def test_the_earliest_cut_happens(query: bytes, expected: tuple[int, Cut]) -> None:
    """Of several cuts the one with the fewest events is first."""
    assert expected == read_knobs(query, []).cut


@pytest.mark.parametrize(
    "query,message",
    [
        (b"tokens=-1", "knob tokens: .*greater than or equal to 0, got '-1'"),
        (b"tokens=1000001", "knob tokens: .*less than or equal to 1000000"),
        (b"rate=fast", "knob rate: "),
        (b"defect=nope", "knob defect: .*no such defect: nope"),
        (b"encoding=lzma", "knob encoding: "),
        (b"status=99", "knob status: "),
        (b"bytes=x", "knob bytes: "),
    ],
)
def test_a_bad_value_is_told_with_its_knob(query: bytes, message: str) -> None:
    """The message names the knob and what was given."""
    with pytest.raises(KnobError, match=message):
        read_knobs(query, [])


def test_an_unknown_knob_header_is_an_error() -> None:
    """A test that misspells a knob must not pass by accident."""
    with pytest.raises(KnobError, match="knob stal_after: Extra inputs"):
        read_knobs(b"", [(b"x-mock-stal-after", b"1")])


def test_the_package_header_tells_every_knob() -> None:
    """The table is complete, and invents none."""
    table = re.findall(r"^(\w+) {2,}\S", sse_proxy.demo.__doc__ or "", re.MULTILINE)
    names = {field.alias or name for name, field in Knobs.model_fields.items()}
    assert names | {"knob"} == set(table)
