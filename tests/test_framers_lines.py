"""`core.framers.lines`: one record a line, however lines end and wherever they are cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_proxy.core.framers.lines import LineFramer
from sse_proxy.core.sse import Event

from .event_streams import chunked, cuts
from .record_framers import LIMIT, Life, agrees_in_any_split, held_bytes, is_linear, life


def maker(*, json: bool = True, limit: int = LIMIT) -> Callable[[], LineFramer]:
    """Makes fresh framers."""
    return lambda: LineFramer(max_event_bytes=limit, json=json, repairs={})


def found(*lines: bytes, ending: str = "whole", **repairs: int) -> Life:
    """What is expected of a body."""
    return Life([Event(data=line) for line in lines], repairs, ending)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", found(), id="nothing"),
        pytest.param(b'{"a":1}\n{"b":2}\n', found(b'{"a":1}', b'{"b":2}'), id="LF"),
        pytest.param(b"{}\r\n[1]\r\n", found(b"{}", b"[1]"), id="CRLF"),
        pytest.param(b'{}\r{"b":2}\r', found(b"{}", b'{"b":2}'), id="CR alone, which no record may hold"),
        pytest.param(b'"a"\n1\nnull\ntrue\n', found(b'"a"', b"1", b"null", b"true"), id="any JSON value"),
        pytest.param(b"\n\n{}\n \t\n\r\n{}\n\n", found(b"{}", b"{}"), id="blank lines are keep-alives"),
        pytest.param(b" \t{} \n", found(b"{}"), id="white space around"),
        pytest.param(b"\x1e{}\n\x1e[]\n", found(b"{}", b"[]"), id="RFC 7464"),
        pytest.param(b"\xef\xbb\xbf{}\n", found(b"{}"), id="one leading U+FEFF"),
        pytest.param(b'{"a":"\\n"}\n', found(b'{"a":"\\n"}'), id="an escaped line end is none"),
        pytest.param('{"a":"\u2028"}\n'.encode(), found('{"a":"\u2028"}'.encode()), id="U+2028 is none either"),
        pytest.param(b'{}\n{"a":1}', found(b"{}", b'{"a":1}'), id="the last line without its end"),
        pytest.param(b'{}\n{"a":', found(b"{}", ending="cut"), id="half a document at the end"),
        pytest.param(b'{}\n{"a":1}{"b":2}', found(b"{}", b'{"a":1}{"b":2}'), id="two documents at the end"),
        pytest.param(b'{}\n{"a":1}{"b":', found(b"{}", ending="cut"), id="one and a half at the end"),
        pytest.param(b'{}\n{"\xff":1}{', found(b"{}", ending="cut"), id="one and a half, and no UTF-8"),
        pytest.param(b"{}\ndata: {}", found(b"{}", ending="cut"), id="something else at the end"),
        pytest.param(b"{}\n  ", found(b"{}"), id="white space at the end"),
        pytest.param(b"\xef\xbb", found(ending="cut"), id="half of a U+FEFF"),
        pytest.param(
            b'"\xff"\n"\xe2\x82"\n', found('"\ufffd"'.encode(), '"\ufffd"'.encode(), invalid_utf8=2), id="no UTF-8"
        ),
        pytest.param('"é€"\n'.encode(), found('"é€"'.encode()), id="characters of several bytes"),
        pytest.param(b"not JSON\n", found(b"not JSON"), id="what a line says is not its affair"),
    ],
)
def test_a_line_is_a_record(body: bytes, expected: Life) -> None:
    """Every case in any split."""
    agrees_in_any_split(maker(), body, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'0:"Hi"\nd:{}\n', found(b'0:"Hi"', b"d:{}"), id="whole"),
        pytest.param(b'0:"Hi"\r\n', found(b'0:"Hi"'), id="CRLF"),
        pytest.param(b'0:"Hi"\n0:"H', found(b'0:"Hi"', b'0:"H'), id="half a line is told, and judged by its reader"),
    ],
)
def test_lines_of_the_data_stream_are_no_json(body: bytes, expected: Life) -> None:
    """A code stands in front of it."""
    agrees_in_any_split(maker(json=False), body, expected)


@pytest.mark.parametrize(
    ("body", "places"),
    [
        (b"", [True]),
        (b"  ", [True]),
        (b"{", [False]),
        (b'{"a":', [False]),
        (b"{}\n", [False, True]),
        (b"{}\r\n", [False, True]),
        (b"{}\n \n", [False, True]),
    ],
)
def test_between_events_is_where_a_space_may_be_written(body: bytes, places: list[bool]) -> None:
    """Within a line it could stand in a string."""
    framer = maker()()
    seen: list[bool] = []
    for at in range(max(len(body), 1)):
        framer.feed(body[at : at + 1])
        assert framer.at_boundary is framer.between_events
        seen += [framer.between_events] if seen[-1:] != [framer.between_events] else []
    assert places == seen


def test_after_a_cut_nothing_may_be_written() -> None:
    """Half a line was sent on, and its end is lost."""
    framer = maker()()
    framer.feed(b'{"a":')
    framer.finish()
    assert not framer.between_events
    assert framer.finish() == []
    assert framer.cut


def test_a_line_is_bounded_and_those_before_it_are_not_lost() -> None:
    """Its end does not count, nor the white space in front."""
    line = b'{"a":"xxx"}'
    body = b"  " + line + b"\r\n\n" + line + b"\n"
    agrees_in_any_split(maker(limit=len(line)), body, found(line, line))
    agrees_in_any_split(maker(limit=len(line)), body + line + b"x\n", found(line, line, ending="EventTooLarge"))
    agrees_in_any_split(maker(limit=len(line)), line + b"x", found(ending="EventTooLarge"))


def test_white_space_is_never_held() -> None:
    """An upstream that waits for hours may send nothing else."""
    framer = maker(limit=10)()
    for _ in range(1000):
        assert framer.feed(b" " * 100) == []
    assert held_bytes(framer) == 0
    assert framer.feed(b"{}\n") == [Event(data=b"{}")]


PIECES = st.lists(
    st.sampled_from(
        [b"\n", b"\r", b"\r\n", b" ", b"{}", b"{", b"}", b'"', b"\xef\xbb\xbf", b"\xff", "é".encode(), b"\x1e", b"a"]
    ),
    max_size=20,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(body=PIECES, places=cuts(), limit=st.integers(1, 12), json=st.booleans())
def test_splits_change_nothing(body: bytes, places: list[int], limit: int, json: bool) -> None:
    """Whatever the lines hold, and wherever the limit falls; no record holds a line end."""
    make = maker(json=json, limit=limit)
    whole = life(make(), [body])
    assert whole == life(make(), chunked(body, places))
    for record in whole.records:
        record.data.decode()
        assert not set(b"\r\n") & set(record.data)


@pytest.mark.parametrize("unit", [b"{}\n", b"x", b" ", b"\r\n", b"\xff", b"\n"])
def test_work_is_linear_in_the_bytes(unit: bytes) -> None:
    """Whatever is repeated."""
    assert is_linear(maker(), lambda size: unit * (size // len(unit)))
