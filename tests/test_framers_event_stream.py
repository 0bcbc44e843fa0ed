"""`core.framers.event_stream`: the grammar of WHATWG HTML § 9.2.5, however the bytes are cut, and its repairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sse_proxy.core.framers.event_stream import Framer
from sse_proxy.core.sse import Event, encode
from sse_proxy.errors import EventTooLarge

from .event_streams import ReferenceEvent, chunked, cuts, reference_events, reference_parse, splits, vectors
from .record_framers import held_bytes, life
from .work import calls_made

LIMIT = 1 << 20

#: Pieces of streams, put together at random: every field, every line end, and what servers get wrong.
FRAGMENTS = st.one_of(
    st.sampled_from(
        [
            *(b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n", b":", b" ", b"\xef\xbb\xbf", b"\xff", b"\xe2\x80\xa8"),
            *(b"data", b"data:", b"data: ", b"data: x\n", b"data:y\r\n", b"data: caf\xc3\xa9\n", b"data: \xc3(\n"),
            *(b"\0", b"data:\n\n"),
            *(
                b"event: e\n",
                b"event:\n",
                b"event: \n",
                b"id: 1\n",
                b"id:\n",
                b"id\n",
                b"id: a\0b\n",
                b": note\n",
                b":\n\n",
            ),
            *(b"retry: 5\n", b"retry: x\n", b"retry:" + b"9" * 5000 + b"\n", b"unknown: 1\n", b"error: {}\n"),
            *(
                b'{"a":\n',
                b"1}\n",
                b"{}\n",
                b'data: {"a":1}\n',
                b"data: {\n",
                b"data: }\n",
                b"data: [DONE]\n\n",
                b'data: {"a":1}\n\n',
                b"data: 1\n",
            ),
        ]
    ),
    st.binary(max_size=6),
)
STREAMS = st.lists(FRAGMENTS, max_size=25).map(b"".join)


def framed(chunks: Sequence[bytes], **options: Any) -> tuple[list[Event], Framer]:
    """The events of *chunks*, and the framer that found them."""
    framer = Framer(**{"max_event_bytes": LIMIT, **options})
    return [event for chunk in chunks for event in framer.feed(chunk)], framer


def dispatched(events: Sequence[Event]) -> list[ReferenceEvent]:
    """*events* as a listener of an EventSource is given them."""
    last_event_id = ""
    found: list[ReferenceEvent] = []
    for event in events:
        if event.id is not None:
            last_event_id = event.id.decode()
        found.append(ReferenceEvent(event.event.decode() or "message", event.data.decode(), last_event_id))
    return found


def last_retry(events: Sequence[Event], framer: Framer) -> int | None:
    """The reconnection time in force after *events*, what waits for the next event included."""
    times = [event.retry for event in events if event.retry is not None]
    return framer.held[1] if framer.held[1] is not None else (times[-1] if times else None)


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: str(vector["name"]))
def test_vectors_give_the_same_events_however_they_are_cut(vector: dict[str, Any]) -> None:
    """Every vector gives its events and its retry whole, byte by byte and at random splits."""
    body = bytes.fromhex(vector["input_hex"])
    expected = [ReferenceEvent(*event) for event in vector["expected"]]
    for chunks in splits(body, seed=1):
        events, framer = framed(chunks)
        assert dispatched(events) == expected
        assert last_retry(events, framer) == vector["retry"]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: str(vector["name"]))
def test_reference_parser_of_the_tests_agrees_with_the_vectors(vector: dict[str, Any]) -> None:
    """The parser that other tests judge by is right about every vector."""
    events, retry = reference_parse(bytes.fromhex(vector["input_hex"]))
    assert [[event.type, event.data, event.last_event_id] for event in events] == vector["expected"]
    assert retry == vector["retry"]


@settings(max_examples=300, deadline=None)
@example(body=b'{"a":\ndata:', places=[], joins_json=True)
@given(body=STREAMS, places=cuts(), joins_json=st.booleans())
def test_any_split_gives_the_same_events_repairs_and_state(body: bytes, places: list[int], joins_json: bool) -> None:
    """Where a stream is cut changes neither events nor repairs nor what is held, nor an error."""
    of_whole = Framer(max_event_bytes=LIMIT, joins_json=joins_json)
    whole = life(of_whole, [body])
    for chunks in (chunked(body, places), [body[at : at + 1] for at in range(len(body))]):
        framer = Framer(max_event_bytes=LIMIT, joins_json=joins_json)
        found = life(framer, [b"", *chunks, b""])
        if whole.ending == "UpstreamProtocolError":
            # Line ends are put right a read at a time, so those behind the fatal event are counted or not.
            assert (found.records, found.ending) == (whole.records, whole.ending)
            continue
        assert found == whole
        assert framer.held == of_whole.held
        assert framer.between_events == of_whole.between_events
        assert framer.at_boundary == of_whole.at_boundary


@settings(max_examples=300, deadline=None)
@given(body=STREAMS)
@example(b"data: x\nid: 1\n\nid: 2\n\ndata: y\n\n")
def test_events_are_those_of_the_standard(body: bytes) -> None:
    """Types, data and last event IDs are those that the standard's own algorithm gives."""
    assert dispatched(framed([body])[0]) == reference_events(body)


@settings(max_examples=200, deadline=None)
@given(body=STREAMS, places=cuts(), limit=st.integers(min_value=1, max_value=40))
def test_limit_falls_on_the_same_event_however_it_is_cut(body: bytes, places: list[int], limit: int) -> None:
    """What is too large is so in any split, and the events before it are not lost."""

    def outcome(chunks: Sequence[bytes]) -> tuple[list[Event], bool]:
        framer = Framer(max_event_bytes=limit)
        events: list[Event] = []
        try:
            for chunk in chunks:
                events += framer.feed(chunk)
        except EventTooLarge:
            return events + framer.completed, True
        return events, False

    assert outcome(chunked(body, places)) == outcome([body])


LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
EVENTS = st.builds(
    Event,
    data=st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=30).map(str.encode),
    event=LINE.map(str.encode),
    id=st.none() | LINE.map(lambda text: text.replace("\0", "").encode()),
    retry=st.none() | st.integers(min_value=0, max_value=10**18 - 1),
)


@settings(max_examples=200, deadline=None)
@given(events=st.lists(EVENTS, max_size=6), places=cuts())
def test_encode_then_parse_is_identity(events: list[Event], places: list[int]) -> None:
    """What was encoded is read back as it was, without a repair, and is canonical to the reference too."""
    body = b"".join(map(encode, events))
    found, framer = framed(chunked(body, places))
    assert found == events
    assert framer.repairs == {}
    assert framer.at_boundary or not body
    assert dispatched(events) == reference_events(body)


@pytest.mark.parametrize(
    ("body", "expected", "repairs"),
    [
        pytest.param(b"\xef\xbb\xbfdata: 1\n\n", [Event(data=b"1")], {"bom": 1}, id="one leading U+FEFF"),
        pytest.param(b"data: 1\r\n\r\n", [Event(data=b"1")], {"line_endings": 2}, id="CRLF"),
        pytest.param(b"data: 1\r\rdata: 2\r\r", [Event(data=b"1"), Event(data=b"2")], {"line_endings": 4}, id="CR"),
        pytest.param(b"data:1\n\ndata:\n\n", [Event(data=b"1"), Event(data=b"")], {"missing_space": 1}, id="no space"),
        pytest.param(
            b"\n\ndata: 1\n\n\n\ndata: 2\n\n",
            [Event(data=b"1"), Event(data=b"2")],
            {"extra_blank_lines": 4},
            id="extra blank lines",
        ),
        pytest.param(b": note\n\ndata: 1\n\n", [Event(data=b"1")], {}, id="a blank line after a comment is not extra"),
        pytest.param(
            b"event: \xff\ndata: \xc3(\n\n",
            [Event(data=b"\xef\xbf\xbd(", event=b"\xef\xbf\xbd")],
            {"invalid_utf8": 2},
            id="invalid UTF-8 becomes U+FFFD",
        ),
        pytest.param(
            b"retry: 7\n\nid: 1\n\nevent: lost\n\ndata: 1\n\n",
            [Event(data=b"1", id=b"1", retry=7)],
            {},
            id="id and retry wait for data, a type does not",
        ),
        pytest.param(b"retry: " + b"9" * 19 + b"\ndata: 1\n\n", [Event(data=b"1")], {}, id="absurd retry is ignored"),
    ],
)
def test_line_repairs(body: bytes, expected: list[Event], repairs: dict[str, int]) -> None:
    """Each defect of the lines is undone and counted, in any split."""
    for chunks in splits(body, seed=2):
        events, framer = framed(chunks)
        assert events == expected
        assert framer.repairs == repairs


@pytest.mark.parametrize(
    ("body", "expected", "repairs"),
    [
        pytest.param(
            b'data: {"a":1}\ndata: {"b":2}\ndata: [DONE]\n\n',
            [Event(data=b'{"a":1}'), Event(data=b'{"b":2}'), Event(data=b"[DONE]")],
            {"single_newline": 2},
            id="one newline between events",
        ),
        pytest.param(
            b"id: 1\nevent: a\ndata: {}\nid: 2\nevent: b\ndata: {}\n\n",
            [Event(data=b"{}", event=b"a", id=b"1"), Event(data=b"{}", event=b"b", id=b"2")],
            {"single_newline": 1},
            id="fields between the two belong to the second",
        ),
        pytest.param(
            b"data: {}\nretry: 9\nevent: a\nid: 1\n\n",
            [Event(data=b"{}", event=b"a", id=b"1", retry=9)],
            {},
            id="fields after the only data belong to it",
        ),
        pytest.param(
            b'data: {\nevent: a\ndata: "b":1}\ndata: {}\n\n',
            [Event(data=b'{\n"b":1}\n{}', event=b"a")],
            {},
            id="what did not begin with a whole document is left as it is",
        ),
        pytest.param(b"data: 1\ndata: {}\n\n", [Event(data=b"1\n{}")], {}, id="a number is no document of an API"),
        pytest.param(
            b"data: [DONE]\ndata: {}\n\n",
            [Event(data=b"[DONE]"), Event(data=b"{}")],
            {"single_newline": 1},
            id="after the terminator",
        ),
        pytest.param(
            b'error: {"code":500}\n\ndata: {}\nerror: {}\n\n',
            [Event(data=b'{"error":{"code":500}}'), Event(data=b"{}"), Event(data=b'{"error":{}}')],
            {"error_field": 2, "single_newline": 1},
            id="error as a field",
        ),
        pytest.param(b"error: text\ndata: {}\n\n", [Event(data=b"{}")], {}, id="a field named error without one"),
        pytest.param(
            b'data: {}\r\n\r\n{\r\n "error": {}\r\n}\r\n\r\n',
            [Event(data=b"{}"), Event(data=b'{ "error": {}}')],
            {"bare_json": 1, "line_endings": 6},
            id="JSON without data, as Gemini writes its errors",
        ),
        pytest.param(
            b'data: {\n "a": 1\n}\n\ndata: {}\n\n',
            [Event(data=b'{ "a": 1}'), Event(data=b"{}")],
            {"bare_json": 1},
            id="JSON on many lines after one data",
        ),
    ],
)
def test_joins_json(body: bytes, expected: list[Event], repairs: dict[str, int]) -> None:
    """Where every payload is a JSON document, a document that is whole ends its event."""
    for chunks in splits(body, seed=3):
        events, framer = framed(chunks, joins_json=True)
        assert events == expected
        assert framer.repairs == repairs


def test_json_is_not_joined_where_payloads_are_unknown() -> None:
    """Without ``joins_json`` several data lines are one event, as the standard says."""
    assert framed([b"data: {}\ndata: {}\nerror: {}\n\n"])[0] == [Event(data=b"{}\n{}")]


def test_json_is_joined_from_the_moment_that_the_dialect_is_known() -> None:
    """The first event may tell it."""
    framer = framed([b"data: {}\ndata: {}\n\n"])[1]
    assert not framer.joins_json
    framer.joins_json = True
    assert framer.joins_json
    assert framer.feed(b"data: {}\ndata: {}\n\n") == [Event(data=b"{}"), Event(data=b"{}")]


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        pytest.param(b"data: 1\n", [Event(data=b"1")], id="no blank line"),
        pytest.param(b"data: 1", [Event(data=b"1")], id="no line end"),
        pytest.param(b"data: 1\r", [Event(data=b"1")], id="a CR alone"),
        pytest.param(b": cut com", [], id="in a comment"),
        pytest.param(b"event: a\nid: 1\n", [], id="no data"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_finish_gives_the_event_without_its_final_blank_line(tail: bytes, expected: list[Event]) -> None:
    """What is complete but for its last line end is handed over at the end."""
    events, framer = framed([b"data: 0\n\n" + tail])
    assert events == [Event(data=b"0")]
    assert framer.finish() == expected


@pytest.mark.parametrize(("body", "expected"), [(b"\xef\xbb", []), (b"\xef", []), (b"", [])])
def test_finish_within_a_byte_order_mark(body: bytes, expected: list[Event]) -> None:
    """Less than one U+FEFF is a line without meaning."""
    assert framed([body])[1].finish() == expected


def test_finish_may_find_two_events() -> None:
    """The last line may show that the one before was a whole event."""
    _, framer = framed([b"data: {}\ndata: [DONE]"], joins_json=True)
    assert framer.finish() == [Event(data=b"{}"), Event(data=b"[DONE]")]


def test_limit_counts_the_lines_of_one_event() -> None:
    """An event of just the limit passes; comments, line ends and other events do not count."""
    event = b"event: abc\n: no part of it, however long\ndata: 12345\n\n"
    size = len(b"event: abc" + b"data: 12345")
    for chunks in splits(event * 3, seed=4):
        assert len(framed(chunks, max_event_bytes=size)[0]) == 3
        with pytest.raises(EventTooLarge):
            framed(chunks, max_event_bytes=size - 1)


def test_limit_is_that_of_one_event_where_one_newline_ends_it() -> None:
    """An event that the next one ends counts no longer."""
    assert len(framed([b'data: {"a":1}\nevent: e\n' * 100], max_event_bytes=40, joins_json=True)[0]) == 99


@pytest.mark.parametrize("line", [b"data: ", b"id: ", b"x"], ids=["data", "id", "unknown field"])
def test_a_line_without_end_is_too_large(line: bytes) -> None:
    """No line grows past the limit, whatever it is."""
    framer = Framer(max_event_bytes=1000)
    framer.feed(line)
    for _ in range(10):
        framer.feed(b"y" * 99)
    with pytest.raises(EventTooLarge):
        framer.feed(b"y" * 99)


def test_comments_are_never_buffered() -> None:
    """Megabytes of comment pass under any limit and are not held."""
    framer = Framer(max_event_bytes=100)
    framer.feed(b":")
    for _ in range(1024):
        assert framer.feed(b"x" * 4096) == []
    assert held_bytes(framer) == 0
    assert framer.feed(b"\ndata: 1\n\n") == [Event(data=b"1")]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(lambda size: [b"data: " + b"x" * size + b"\n\n"], id="one long line"),
        pytest.param(
            lambda size: [b'data: {"a":\n'] + [b"data: 1,\n"] * (size // 9) + [b"data: 2}\n\n"], id="many lines"
        ),
        pytest.param(lambda size: [b"data: {\n"] + [b"event: a\n"] * (size // 9) + [b"data: {}\n\n"], id="late fields"),
        pytest.param(lambda size: [b"data: {}\n\n"] * (size // 10), id="many events"),
        pytest.param(lambda size: [b"\r"] * size, id="carriage returns"),
        pytest.param(lambda size: [b":"] * size, id="a comment"),
        pytest.param(lambda size: [b"data:"] * (size // 5), id="a line without end"),
    ],
)
def test_work_is_linear_in_the_bytes(line: Any) -> None:
    """Twice the bytes in 4 KiB reads are twice the calls."""

    def work(size: int) -> int:
        body = b"".join(line(size))
        chunks = chunked(body, range(0, len(body), 4096))
        framer = Framer(max_event_bytes=1 << 30, joins_json=True)
        return calls_made(lambda: [framer.feed(chunk) for chunk in chunks])

    assert work(1 << 18) <= 2.2 * work(1 << 17) + 100


@pytest.mark.parametrize("end", [b"event: end\n\n", b"id: 1\nevent: end\n\n", b"event: end\n"])
def test_a_type_may_be_enough_for_an_event(end: bytes) -> None:
    """Where the server is known to write it without data; of other types that is no event, as everywhere."""
    events, framer = framed([b"event: e\n\n", end, b"\n"], dataless=frozenset({b"end"}))
    assert [(event.event, event.data) for event in [*events, *framer.finish()]] == [(b"end", b"")]
    events, framer = framed([b"event: e\n\n", end], dataless=frozenset({b"end"}))
    assert [event.event for event in [*events, *framer.finish()]] == [b"end"]
    events, framer = framed([end])
    assert [*events, *framer.finish()] == []
