"""`core.framers.block`: what the lines of one block come to."""

from __future__ import annotations

import pytest

from sse_proxy.core.framers.block import Block
from sse_proxy.core.sse import Event
from sse_proxy.errors import EventTooLarge, UpstreamProtocolError

from .work import calls_made


def block(*, joins_json: bool = False, limit: int = 1 << 20) -> tuple[Block, dict[str, int]]:
    """A fresh one, and where it counts."""
    repairs: dict[str, int] = {}
    return Block(max_event_bytes=limit, joins_json=joins_json, repairs=repairs), repairs


def feed(of: Block, *lines: bytes) -> list[Event]:
    """The events of *lines*, the empty ones of which are blank lines."""
    events: list[Event] = []
    for line in lines:
        if line:
            of.charge(len(line))
            of.field(line, events)
            of.is_open = True
        else:
            of.blank(events)
    return events


@pytest.mark.parametrize(
    ("lines", "event"),
    [
        ([b"data: 1", b"data:2", b"data", b"data:  3"], Event(data=b"1\n2\n\n 3")),
        ([b"event: a", b"data: 1", b"event: b"], Event(data=b"1", event=b"b")),
        ([b"id: 1", b"id: 2", b"data: 1"], Event(data=b"1", id=b"2")),
        ([b"id: 1", b"id: a\0", b"data: 1"], Event(data=b"1", id=b"1")),
        ([b"id", b"data: 1"], Event(data=b"1", id=b"")),
        ([b"retry: 10", b"retry: x", b"retry: -1", b"retry", b"data: 1"], Event(data=b"1", retry=10)),
        ([b"retry: " + b"9" * 19, b"data: 1"], Event(data=b"1")),
        ([b"unknown: 1", b"Data: 2", b"data: 1", b"error: {}", b"{}"], Event(data=b"1")),
        ([b"data: {", b"data: }"], Event(data=b"{\n}")),
        ([b"data: {}", b"data: {}"], Event(data=b"{}\n{}")),
    ],
)
@pytest.mark.parametrize("ended", [True, False])
def test_fields_of_the_standard(lines: list[bytes], event: Event, ended: bool) -> None:
    """The blank line dispatches the event, or else the end of the stream."""
    of, _ = block()
    events = feed(of, *lines, *([b""] if ended else []))
    of.finish(events)
    assert events == [event]
    assert (of.id, of.retry) == (None, None)


def test_without_data_nothing_is_dispatched() -> None:
    """A type is lost, an id and a time wait for the next event."""
    of, repairs = block()
    assert feed(of, b"event: a", b"id: 1", b"retry: 5", b"") == []
    assert (of.id, of.retry) == (b"1", 5)
    assert repairs == {}
    assert feed(of, b"", b"data: 1", b"") == [Event(data=b"1", id=b"1", retry=5)]
    assert repairs == {"extra_blank_lines": 1}
    events: list[Event] = []
    of.finish(events)
    assert events == []


@pytest.mark.parametrize(
    ("lines", "payloads", "repairs"),
    [
        pytest.param([b'{"a":1}', b""], [b'{"a":1}'], {"bare_json": 1}, id="on one line"),
        pytest.param([b'{"a":1}', b'{"b":2}', b""], [b'{"a":1}', b'{"b":2}'], {"bare_json": 2}, id="two lines, two"),
        pytest.param(
            [b"{", b' "a": {', b"", b' "data: x": 1', b" }", b"}", b""],
            [b'{ "a": { "data: x": 1 }}'],
            {"bare_json": 1},
            id="pretty-printed, with a blank line inside",
        ),
        pytest.param(
            [b"data: {", b' "a": 1', b"}", b""], [b'{ "a": 1}'], {"bare_json": 1}, id="only the first line has data:"
        ),
        pytest.param(
            [b"data: {", b'data:  "a":', b" 1}", b""],
            [b'{ "a": 1}'],
            {"bare_json": 1},
            id="some lines have it",
        ),
        pytest.param([b"data:", b'{"a":1}', b""], [b'\n{"a":1}'], {"bare_json": 1}, id="below an empty data:"),
        pytest.param(
            [b'data: {"a":1}', b"unknown: 1", b"more: 2", b""], [b'{"a":1}'], {}, id="unknown fields are none of it"
        ),
        pytest.param([b"data: text", b"unknown: 1", b""], [b"text"], {}, id="nor after something else than JSON"),
        pytest.param(
            [b'error: {"a":1}', b""], [b'{"error":{"a":1}}'], {"error_field": 1}, id="error as a field"
        ),
        pytest.param(
            [b'data: {"a":1}', b'error: {"b":2}', b""],
            [b'{"a":1}', b'{"error":{"b":2}}'],
            {"single_newline": 1, "error_field": 1},
            id="error as a field, right behind an event",
        ),
        pytest.param([b"error: no", b"data: 1", b""], [b"1"], {}, id="another field of that name"),
    ],
)  # fmt: skip
def test_json_without_data(lines: list[bytes], payloads: list[bytes], repairs: dict[str, int]) -> None:
    """Where every payload is JSON, it is told by its brackets."""
    of, counted = block(joins_json=True)
    assert [event.data for event in feed(of, *lines)] == payloads
    assert not of.is_cut
    assert counted == repairs


def test_type_and_id_belong_to_the_json_that_follows() -> None:
    """As they would with data in front."""
    of, _ = block(joins_json=True)
    assert feed(of, b"event: a", b"id: 1", b"{", b"}") == [Event(data=b"{}", event=b"a", id=b"1")]


def test_a_type_belongs_to_one_event() -> None:
    """Also where no blank line ends that."""
    of, _ = block(joins_json=True)
    assert feed(of, b"event: a", b"data: {}", b"data: [1]", b"") == [Event(data=b"{}", event=b"a"), Event(data=b"[1]")]


@pytest.mark.parametrize("first", [b'{"a":', b'data: {"a":'])
def test_data_within_json_shows_that_its_end_is_lost(first: bytes) -> None:
    """In no JSON text a line begins so; the events before it are told."""
    of, _ = block(joins_json=True)
    events = feed(of, b"data: {}", b"", first, b" 1")
    with pytest.raises(UpstreamProtocolError, match="cut an event"):
        feed(of, b"", b'data: {"b":2}')
    assert events == [Event(data=b"{}")]


def test_json_without_its_end_is_cut() -> None:
    """It is no event."""
    of, _ = block(joins_json=True)
    events = feed(of, b"[", b"")
    of.finish(events)
    assert events == []
    assert of.is_cut


@pytest.mark.parametrize("line", [b"data: 12345678", b'{"a":12345678', b"unknown: 1", b"id: 1"])
def test_one_event_is_bounded(line: bytes) -> None:
    """Whatever its lines are."""
    of, _ = block(joins_json=True, limit=2 * len(line))
    feed(of, line, line)
    with pytest.raises(EventTooLarge):
        feed(of, b"x")


@pytest.mark.parametrize("lines", [[b"data: 1", b""], [b'{"a":1}'], [b'data: {"a":1}']])
def test_the_next_event_has_a_bound_of_its_own(lines: list[bytes]) -> None:
    """However the one before was ended."""
    of, _ = block(joins_json=True, limit=30)
    assert len(feed(of, *lines * 10)) >= 9


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(lambda count: [b"data: {"] + [b'"a": 1,'] * count + [b"}"], id="pretty-printed"),
        pytest.param(lambda count: [b"data: {}"] + [b"unknown: 1"] * count, id="unknown fields"),
        pytest.param(lambda count: [b"data: {" + b"1" * count + b"}"] + [b"unknown"] * count, id="behind a long line"),
        pytest.param(lambda count: [b"data:"] * count + [b"{}"] * count, id="empty data"),
        pytest.param(lambda count: [b"{}"] * count, id="documents"),
        pytest.param(lambda count: [b"data: {}", b"event: a"] * count, id="one line an event"),
    ],
)
def test_work_is_linear_in_the_lines(lines: object) -> None:
    """Twice as many are twice the calls."""

    def work(count: int) -> int:
        found = lines(count)  # type: ignore[operator]
        return calls_made(lambda: feed(block(joins_json=True)[0], *found))

    assert work(2000) <= 2.2 * work(1000) + 50


def test_every_repair_is_counted_by_its_name_each_time() -> None:
    """Twice is two."""
    of, repairs = block(joins_json=True)
    feed(of, b"data:{}", b"", b"data:{}", b"", b"data: {}", b"data: {}", b"data: {}", b"")
    assert repairs == {"missing_space": 2, "single_newline": 2}


def test_invalid_text_is_replaced_and_counted_wherever_it_stands() -> None:
    """In the data, in the type and in the id."""
    of, repairs = block()
    assert feed(of, b"event: \xff", b"id: \xff", b"data: \xff", b"") == [
        Event(data="\ufffd".encode(), event="\ufffd".encode(), id="\ufffd".encode())
    ]
    assert repairs == {"invalid_utf8": 3}


def test_nothing_of_an_event_is_left_for_the_next() -> None:
    """Neither its type nor its size, and a blank line before any field is one too many."""
    of, repairs = block(limit=8)
    assert feed(of, b"", b"event: e", b"", b"data: 12", b"", b"data: 34", b"") == [
        Event(data=b"12"),
        Event(data=b"34"),
    ]
    assert repairs == {"extra_blank_lines": 1}
    of, _ = block()
    events = feed(of, b"event: e", b"data: 1", b"")
    of.finish(events)
    assert events == [Event(data=b"1", event=b"e")]


@pytest.mark.parametrize(("digits", "retry"), [(18, int("1" * 18)), (19, None)])
def test_the_longest_time_of_reconnection(digits: int, retry: int | None) -> None:
    """What fits into 63 bits."""
    of, _ = block()
    assert feed(of, b"retry: " + b"1" * digits, b"data: a", b"") == [Event(data=b"a", retry=retry)]


def test_fields_behind_json_belong_to_it() -> None:
    """Unless the next document begins, whose they are then."""
    of, _ = block(joins_json=True)
    assert feed(of, b"data: {}", b"event: late", b"id: 7", b"") == [Event(data=b"{}", event=b"late", id=b"7")]


def test_what_is_cut_is_said_to_be() -> None:
    """In words that the client gets."""
    of, _ = block(joins_json=True)
    with pytest.raises(UpstreamProtocolError, match=r"^the upstream cut an event in the middle$"):
        feed(of, b'{"a":', b"data: 1")


def test_bare_json_is_counted_from_its_own_beginning() -> None:
    """A run of documents may be longer than the limit."""
    of, _ = block(joins_json=True, limit=8)
    assert len(feed(of, b'{"a": 1}', b'{"a": 1}', b'{"a": 1}')) == 3
