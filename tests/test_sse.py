"""`core.sse`: canonical bytes of an event, and the test that lets canonical chunks pass unseen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_proxy.core.framers.event_stream import Framer
from sse_proxy.core.sse import Event, canonical_events, count, encode, has_unnamed_event, is_complete_json, is_utf8

from .event_streams import check_canonical


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event(data=b"x"), b"data: x\n\n"),
        (Event(data=b""), b"data: \n\n"),
        (Event(data=b" x"), b"data:  x\n\n"),
        (Event(data=b"a\n\nb"), b"data: a\ndata: \ndata: b\n\n"),
        (Event(data=b"x", event=b"e"), b"event: e\ndata: x\n\n"),
        (Event(data=b"x", event=b"e", id=b"1", retry=5), b"id: 1\nevent: e\nretry: 5\ndata: x\n\n"),
        (Event(data=b"x", id=b"", retry=0), b"id: \nretry: 0\ndata: x\n\n"),
    ],
)
def test_encode_writes_canonical_bytes(event: Event, expected: bytes) -> None:
    """Fields come in one order, each with one space, and one blank line ends the event."""
    assert encode(event) == expected
    check_canonical(expected, of_json=False)


@pytest.mark.parametrize(
    "event",
    [Event(data=b"x", id=bad) for bad in (b"1\n", b"1\r", b"\0")]
    + [Event(data=b"x", event=bad) for bad in (b"\n", b"\r")],
)
def test_encode_refuses_what_would_break_out_of_its_line(event: Event) -> None:
    """An id or a type that would be read as something else is a mistake of the caller."""
    with pytest.raises(ValueError, match="single line"):
        encode(event)


def test_encode_allows_nul_in_a_type() -> None:
    """Only an id may not hold NUL (WHATWG HTML § 9.2.6)."""
    assert encode(Event(data=b"x", event=b"\0")) == b"event: \0\ndata: x\n\n"


@pytest.mark.parametrize(
    ("chunk", "events"),
    [
        (b"data: x\n\n", 1),
        (b"data: \n\n", 1),
        (b"data:  x\n\n", 1),
        ("data: é\n\n".encode(), 1),
        (b"event: e\ndata: x\n\n", 1),
        (b"data: x\n\ndata: y\n\n", 2),
        (b"event: e\ndata: x\n\ndata: y\n\nevent: f\ndata: z\n\n", 3),
        (b"", 0),
        (b"\n\n", 0),
        (b"data: x\n", 0),
        (b"data: x\n\n\n", 0),
        (b"\ndata: x\n\n", 0),
        (b"data:x\n\n", 0),
        (b"data: x\r\n\r\n", 0),
        (b"data: x\rdata: y\n\n", 0),
        (b"data: x\n\nevent: e\ndata: y\n\nid: 1\n\n", 0),
        (b"event: e\ndata: x\n\n: c\n\n", 0),
        (b"data: x\ndata: y\n\n", 0),
        (b"data: x\nevent: e\n\n", 0),
        (b"event: e\n\ndata: x\n\n", 0),
        (b"event: e\n\n", 0),
        (b"event: \ndata: x\n\n", 0),
        (b"event: \ndata: x\n\ndata: x\n\n", 0),
        (b"id: 1\ndata: x\n\n", 0),
        (b": c\ndata: x\n\n", 0),
        (b"data: x\n\n: c\n\n", 0),
        (b"data: x\n\n\n\ndata: y\n\n", 0),
        (b"data: x\n\ndata: y", 0),
        (b"data: \xff\n\n", 0),
        (b"\xef\xbb\xbfdata: x\n\n", 0),
    ],
)
def test_canonical_events_finds_events_in_canonical_chunks_only(chunk: bytes, events: int) -> None:
    """Whatever is not canonical from its first byte to its last has none."""
    found = canonical_events(chunk)
    assert len(found) == events
    assert not found or b"".join(event + b"\n\n" for event in found) == chunk


PARTS = st.sampled_from(
    [b"data: x\n", b"data: ", b"event: e\n", b"event: \n", b"\n", b"\n\n", b"id: 1\n", b":c\n", b"\xff", b"x"]
)


@settings(max_examples=500, deadline=None)
@given(chunk=st.lists(PARTS, max_size=8).map(b"".join))
def test_canonical_chunk_is_what_its_own_events_encode_to(chunk: bytes) -> None:
    """A chunk is taken for canonical only if parsing and encoding give the very same bytes."""
    found = canonical_events(chunk)
    if found:
        events = Framer(max_event_bytes=1 << 20).feed(chunk)
        assert len(events) == len(found)
        assert b"".join(map(encode, events)) == chunk


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"a":1}', True),
        (b" [1]\n", True),
        (b"[DONE]", True),
        (b'"x"', True),
        (b'{"a":"\xff"}', True),
        (b"[DONE] ", False),
        (b"", False),
        (b"{", False),
        (b"{}{}", False),
        (b"\xef\xbb\xbf{}", False),
        ("{}".encode("utf-16"), False),
        (b"[" * 100_000, False),
        (b"1" * 5000, False),
    ],
)
def test_is_complete_json(value: bytes, expected: bool) -> None:
    """One document is complete; nesting, digits and encodings beyond reason are refused, not fatal."""
    assert is_complete_json(value) is expected


def test_is_utf8() -> None:
    """UTF-8 has no lone continuation bytes and no surrogates."""
    assert is_utf8("é".encode())
    assert not is_utf8(b"\x80")
    assert not is_utf8(b"\xed\xa0\x80")


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        (b"data: a\n\n", True),
        (b"event: e\ndata: a\n\n", False),
        (b"event: e\ndata: a\n\ndata: b\n\n", True),
        (b"data: event: e\n\nevent: e\ndata: b\n\n", True),
        (b"event: e\ndata: a\n\nevent: data: \ndata: b\n\n", False),
    ],
)
def test_has_unnamed_event(chunk: bytes, expected: bool) -> None:
    """Among events that all are canonical."""
    assert has_unnamed_event(chunk) is expected


@pytest.mark.parametrize(
    "event", [Event(data=b"", id=b"a\rb"), Event(data=b"", id=b"a\0"), Event(data=b"", event=b"a\n")]
)
def test_what_is_no_single_line_is_refused_by_name(event: Event) -> None:
    """Anything else would be a line of its own on the wire."""
    with pytest.raises(ValueError, match=r"^an event's id and type are a single line$"):
        encode(event)
    assert encode(Event(data=b"X", event=b"XX", id=b"XX")) == b"id: XX\nevent: XX\ndata: X\n\n"


def test_repairs_add_up_by_kind() -> None:
    """The first of a kind is one, and several may be counted at once."""
    repairs: dict[str, int] = {}
    for kind, times in (("a", 1), ("b", 3), ("a", 4)):
        count(repairs, kind, times)
    count(repairs, "a")
    assert repairs == {"a": 6, "b": 3}
