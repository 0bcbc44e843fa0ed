"""`core.numbering`: our ids on the events of one stream."""

from __future__ import annotations

import pytest

from sse_proxy.core.numbering import Numbering, is_event_id
from sse_proxy.core.sse import Event, encode

from .event_streams import check_canonical, reference_events

STREAM = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        (f"{STREAM}.1", True),
        (f"{STREAM}.123456789012345678", True),
        (f"{STREAM}.", False),
        (f"{STREAM}.1234567890123456789", False),
        (f"{STREAM}.-1", False),
        (f"{STREAM}", False),
        (f"{STREAM[1:]}.1", False),
        (f"{STREAM.upper()}.1", False),
        (f"{STREAM}.1\n", False),
        (f"{STREAM}.\u0661", False),
        ("1", False),
        ("", False),
    ],
)
def test_the_form_of_our_ids(value: str, ours: bool) -> None:
    """The ids of others are passed on to the upstream, so nothing else may be taken for one of ours."""
    assert is_event_id(value.encode()) is ours


def test_every_event_has_the_next_number() -> None:
    """From 1 on, over all that is written; the id comes first."""
    numbering = Numbering(STREAM, apart=False)
    first = numbering.apply(b"data: a\n\nevent: e\ndata: b\n\n")
    assert first == f"id: {STREAM}.1\ndata: a\n\nid: {STREAM}.2\nevent: e\ndata: b\n\n".encode()
    assert numbering.apply(b"") == b""
    assert numbering.apply(b"data: [DONE]\n\n") == f"id: {STREAM}.3\ndata: [DONE]\n\n".encode()


def test_data_with_blank_lines_is_one_event() -> None:
    """Within data a blank line is ``data: `` and nothing behind."""
    event = encode(Event(data=b"a\n\n\nb\n\n"))
    numbered = Numbering(STREAM, apart=False).apply(event)
    check_canonical(numbered, of_json=False)
    assert numbered == f"id: {STREAM}.1\n".encode() + event


def test_an_id_apart_leaves_its_event_as_it_is() -> None:
    """Readers that split on blank lines find ``data:`` first; an EventSource dispatches the same."""
    body = b"data: a\n\nevent: done\ndata: b\n\n"
    together, apart = (Numbering(STREAM, apart=apart).apply(body) for apart in (False, True))
    assert apart == f"id: {STREAM}.1\n\ndata: a\n\nid: {STREAM}.2\n\nevent: done\ndata: b\n\n".encode()
    assert reference_events(together) == reference_events(apart)
    assert [event.last_event_id for event in reference_events(apart)] == [f"{STREAM}.1", f"{STREAM}.2"]


def test_every_event_is_recorded_without_its_id() -> None:
    """Whoever reads it later numbers it in its own way, and must come to the same."""
    recorded: list[tuple[int, bytes]] = []
    numbering = Numbering(STREAM, apart=True, record=lambda n, event: recorded.append((n, event)))
    told = numbering.apply(b"data: a\n\nevent: e\ndata: b\n\n") + numbering.apply(b"data: c\n\n")
    assert recorded == [(1, b"data: a\n\n"), (2, b"event: e\ndata: b\n\n"), (3, b"data: c\n\n")]
    again = Numbering(STREAM, apart=True, after=1)
    assert told.endswith(b"".join(again.apply(event) for _, event in recorded[1:]))


def test_what_is_one_event_to_who_comes_back_has_one_id() -> None:
    """An error and the terminator behind it, that are in no record."""
    recorded: list[int] = []
    numbering = Numbering(STREAM, apart=False, after=4, record=lambda n, _event: recorded.append(n))
    told = numbering.apply_as_one(b"data: e\n\ndata: [DONE]\n\n")
    assert told == f"id: {STREAM}.5\ndata: e\n\nid: {STREAM}.5\ndata: [DONE]\n\n".encode()
    assert recorded == []


def test_it_tells_what_it_was_made_with() -> None:
    """The recorder and the attaching client go by that."""
    numbering = Numbering(STREAM, apart=True, yields=True)
    assert (numbering.stream, numbering.apart, numbering.yields, numbering.gave_way) == (STREAM, True, True, False)
    assert numbering.on_give_way is None
    assert Numbering(STREAM, apart=False).yields is False


def test_who_gives_way_records_nothing_more_and_says_so() -> None:
    """The events have ids of their own: whoever keeps the stream has to know."""
    recorded: list[int] = []
    numbering = Numbering(STREAM, apart=False, yields=True, record=lambda n, _event: recorded.append(n))
    numbering.give_way()
    assert (numbering.gave_way, numbering.record) == (True, None)
    told: list[str] = []
    numbering.on_give_way = lambda: told.append("way")
    numbering.give_way()
    assert (recorded, told) == ([], ["way"])
