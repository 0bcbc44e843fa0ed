"""`core.framers.documents`: JSON documents in a row or in an array, one line each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_proxy.core.framers.documents import DocumentFramer
from sse_proxy.core.sse import Event
from sse_proxy.errors import UpstreamProtocolError

from .event_streams import chunked, cuts
from .record_framers import LIMIT, Life, agrees_in_any_split, held_bytes, is_linear, life


def maker(*, array: bool = False, limit: int = LIMIT) -> Callable[[], DocumentFramer]:
    """Makes fresh framers."""
    return lambda: DocumentFramer(max_event_bytes=limit, repairs={}, array=array)


def found(*documents: bytes, ending: str = "whole", **repairs: int) -> Life:
    """What is expected of a body."""
    return Life([Event(data=document) for document in documents], repairs, ending)


GARBAGE = "UpstreamProtocolError"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", found(), id="nothing"),
        pytest.param(b'{"a":1}', found(b'{"a":1}'), id="one alone"),
        pytest.param(b'{"a":1}{"b":2}', found(b'{"a":1}', b'{"b":2}'), id="nothing between"),
        pytest.param(b'{"a":1}\0{"b":2}\0', found(b'{"a":1}', b'{"b":2}'), id="NUL between"),
        pytest.param(b"\n{}\r\n\t {}\n", found(b"{}", b"{}"), id="white space between"),
        pytest.param(b"\x1e{}\n\x1e{}\n", found(b"{}", b"{}"), id="RS in front"),
        pytest.param(b"{}\n\ndata: [DONE]\n\n", found(b"{}", b"[DONE]"), id="an event at the end"),
        pytest.param(b"{}data:{}", found(b"{}", b"{}"), id="a field name without anything around it"),
        pytest.param(b"data: {}\n\ndata: {}\n\n", found(b"{}", b"{}"), id="a field name in front of each"),
        pytest.param(b"\xef\xbb\xbf", found(), id="nothing but a U+FEFF"),
        pytest.param(b"{}\ndat", found(b"{}", ending="cut"), id="half a field name at the end"),
        pytest.param(b"{},{},\n{}", found(b"{}", b"{}", b"{}"), id="commas between"),
        pytest.param(b'{\n  "a": {\r\n    "b": [\n1]}\n}', found(b'{  "a": {    "b": [1]}}'), id="pretty-printed"),
        pytest.param(
            b'{"a":"}{][ \\"}\\\\"}{"b":"\\u007d"}',
            found(b'{"a":"}{][ \\"}\\\\"}', b'{"b":"\\u007d"}'),
            id="brackets and escapes in strings",
        ),
        pytest.param(b"{}[1,2][DONE]", found(b"{}", b"[1,2]", b"[DONE]"), id="arrays among them are documents"),
        pytest.param(b"\xef\xbb\xbf{}", found(b"{}"), id="one leading U+FEFF"),
        pytest.param(b'{}{"a":', found(b"{}", ending="cut"), id="half a document at the end"),
        pytest.param(b'{"a":"}', found(ending="cut"), id="an open string at the end"),
        pytest.param(b"\xef", found(ending="cut"), id="half of a U+FEFF"),
        pytest.param(b"{]{}", found(b"{]", b"{}"), id="what is no JSON for other reasons is passed on"),
        pytest.param(
            b'{"a":"\xff"}{"\xe2\x82":1}',
            found('{"a":"\ufffd"}'.encode(), '{"\ufffd":1}'.encode(), invalid_utf8=2),
            id="no UTF-8",
        ),
        pytest.param('{"a":"é"}'.encode(), found('{"a":"é"}'.encode()), id="characters of several bytes"),
        *(
            pytest.param(b"{}" + rest + b"{}", found(b"{}", ending=GARBAGE), id=f"{rest!r} between")
            for rest in (b"null", b"1", b'"a"', b"-", b"}", b"]", b"x", b":", b"\xef\xbb\xbf", b"date: ", b"<html>")
        ),
    ],
)
def test_documents_in_a_row(body: bytes, expected: Life) -> None:
    """Every case in any split; what is no document is told as an error, never dropped."""
    agrees_in_any_split(maker(), body, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"[]", found(), id="empty"),
        pytest.param(b'[{"a":1},{"b":2}]', found(b'{"a":1}', b'{"b":2}'), id="compact"),
        pytest.param(b'[{\n  "a": 1\n}\n,\r\n{\n"b":2}\n]\n', found(b'{  "a": 1}', b'{"b":2}'), id="pretty-printed"),
        pytest.param(
            b'[1,-2.5e+3 ,"a\\"]",true,null,[{}]]',
            found(b"1", b"-2.5e+3", b'"a\\"]"', b"true", b"null", b"[{}]"),
            id="elements of every kind",
        ),
        pytest.param(b"[[1],[]]", found(b"[1]", b"[]"), id="arrays from the first on"),
        pytest.param(b"[{},]", found(b"{}"), id="a comma too many"),
        pytest.param(b"\xef\xbb\xbf [{}]", found(b"{}"), id="one leading U+FEFF"),
        pytest.param(b"[{}", found(b"{}", ending="cut"), id="never closed"),
        pytest.param(b"[{},", found(b"{}", ending="cut"), id="ended at a comma"),
        pytest.param(b"[1", found(ending="cut"), id="half a number"),
        pytest.param(b'[{"a":', found(ending="cut"), id="half an element"),
        pytest.param(b"{}{}", found(b"{}", b"{}"), id="no array after all"),
        *(
            pytest.param(b"[{}]" + rest, found(b"{}", ending=GARBAGE), id=f"{rest!r} behind it")
            for rest in (b"x", b"{}", b"[", b"]", b"\n\ndata: {}")
        ),
        *(
            pytest.param(b"[{}" + rest, found(b"{}", ending=GARBAGE), id=f"{rest!r} within it")
            for rest in (b"}", b":", b"<", b"+1")
        ),
    ],
)
def test_the_elements_of_an_array(body: bytes, expected: Life) -> None:
    """As documents in a row; behind the array there can be nothing but white space."""
    agrees_in_any_split(maker(array=True), body, expected)


def places(make: Callable[[], DocumentFramer], body: bytes) -> str:
    """The bytes of *body* behind which something may be written, the others as dots."""
    framer, seen = make(), ""
    for byte in body:
        framer.feed(bytes([byte]))
        seen += chr(byte) if framer.between_events else "."
    return seen


def test_between_events_is_behind_a_whole_document() -> None:
    """In an array a comma or its opening announces an element: nothing of ours may stand in its place."""
    assert places(maker(), b' {"a":{}}\n{} ,\n{}') == " .......}\n.} ...}"
    assert places(maker(array=True), b'[{"a":1}\n,\n{}, 12 ]\n') == ".......}\n...}.... ]\n"


def test_a_comma_within_an_element_announces_none() -> None:
    """However much of the array one read has."""
    framer = maker(array=True)()
    assert framer.feed(b'[{"a":1,"b":2} \n') == [Event(data=b'{"a":1,"b":2}')]
    assert framer.between_events


@pytest.mark.parametrize(("array", "body"), [(False, b"{}<html>"), (False, b"{}date"), (True, b"[]{}"), (True, b"[:")])
def test_what_is_no_document_is_told_in_words(array: bool, body: bytes) -> None:
    """They go into the log, and to the client."""
    with pytest.raises(UpstreamProtocolError, match=r"^the upstream sent something else than JSON between its doc"):
        maker(array=array)().feed(body)


def test_at_boundary_is_where_nothing_is_held() -> None:
    """A document that has begun is."""
    framer, seen = maker()(), []
    for piece in (b"", b"{", b"}", b",", b"{"):
        framer.feed(piece)
        seen.append(framer.at_boundary)
    assert seen == [True, False, True, True, False]


def test_a_document_is_bounded_and_those_before_it_are_not_lost() -> None:
    """What is between them does not count."""
    document = b'{"a":"xx"}'
    size = len(document)
    agrees_in_any_split(maker(limit=size), document + b"\n" * 20 + document, found(document, document))
    agrees_in_any_split(maker(limit=size), document + b'{"a":"xxx"}', found(document, ending="EventTooLarge"))
    agrees_in_any_split(maker(limit=size), document + b"{" * 11, found(document, ending="EventTooLarge"))
    agrees_in_any_split(maker(limit=3, array=True), b"[1,123,1234]", found(b"1", b"123", ending="EventTooLarge"))


def test_what_is_between_documents_is_never_held() -> None:
    """An upstream that waits for hours may send nothing else."""
    framer = maker(limit=10)()
    for _ in range(1000):
        assert framer.feed(b" \n\0," * 25) == []
    assert held_bytes(framer) == 0


PIECES = st.lists(
    st.sampled_from(
        [
            *(b"{", b"}", b"[", b"]", b'"', b"\\", b",", b" ", b"\r\n", b"\0", b"1", b"null", b"x", b"\xff", b"{}"),
            *(b'{"a":1}', b"\xef\xbb\xbf", "é".encode()),
        ]
    ),
    max_size=20,
).map(b"".join)


@settings(max_examples=500, deadline=None)
@given(body=PIECES, at=cuts(), limit=st.integers(1, 12), array=st.booleans())
def test_splits_change_nothing(body: bytes, at: list[int], limit: int, array: bool) -> None:
    """Whatever the documents hold, and wherever the limit falls; no record is over it or holds a line end."""
    make = maker(array=array, limit=limit)
    whole = life(make(), [body])
    assert whole == life(make(), chunked(body, at))
    assert whole == life(make(), [body[at : at + 1] for at in range(len(body))])
    for record in whole.records:
        assert len(record.data.decode()) <= limit
        assert not set(b"\r\n") & set(record.data)


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("unit", [b"{}", b"{", b'{"a":"', b"\\", b"\0", b'{"a":\n1}', b"12345,", b'"\xff",'])
def test_work_is_linear_in_the_bytes(unit: bytes, array: bool) -> None:
    """Whatever is repeated."""
    assert is_linear(maker(array=array), lambda size: b"[" + unit * (size // len(unit)))
