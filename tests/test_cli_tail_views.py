"""`watch.human`, `machine`, `words` and `tally`: what a person and a program get to see of a stream."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import pytest

from sse_proxy.core.headers import HeaderList
from sse_proxy.watch.human import Human, Raw
from sse_proxy.watch.machine import JSONLines
from sse_proxy.watch.marks import Ending, Head, Kind, Mark, Verdict
from sse_proxy.watch.tally import MAX_TEXT_CHARACTERS, Summary, Tally
from sse_proxy.watch.view import Line
from sse_proxy.watch.words import as_bytes, as_seconds, cells, counted, fitted, printable

WHOLE = Ending(verdict=Verdict.COMPLETED, verified=True)


def shown(lines: Iterable[Line]) -> list[str]:
    """Return *lines* without their styles."""
    return ["".join(piece.text for piece in line) for line in lines]


def mark(kind: Kind = Kind.EVENT, **fields: Any) -> Mark:
    """A mark at 2 seconds, half a second after the last one."""
    return Mark(**{"t": 2.0, "gap": 0.5, "kind": kind, "size_bytes": 10, **fields})


def head(status: int = 200, headers: HeaderList | None = None) -> Head:
    """A head that came after 12 ms."""
    return Head(t=0.012, status=status, reason="Some", http_version="HTTP/1.1", headers=headers or [])


def summary(ending: Ending = WHOLE, **fields: Any) -> Summary:
    """A stream of 3 seconds."""
    numbers: dict[str, Any] = {
        "dialect": "openai_chat",
        "duration_seconds": 3.0,
        "ttft_seconds": 0.25,
        "events": 4,
        "heartbeats": 1,
        "bytes_in": 2048,
        "longest_gap_seconds": 1.5,
        "longest_event_gap_seconds": None,
        "text": "",
        "repairs": {},
        "usage": {},
    }
    return Summary(ending=ending, **{**numbers, **fields})


def test_a_line_has_the_time_the_gap_and_what_was_said() -> None:
    """The text where the API is known; else the type and the data."""
    assert shown(Human().mark(mark(text="Hi\n"))) == ['    2.000    +0.500  event   "Hi\\n"']
    assert shown(Human().mark(mark(event="price", data="1", id="7", retry=9))) == [
        "    2.000    +0.500  event   price retry 9 1  id 7"
    ]
    assert shown(Human().mark(mark(Kind.COMMENT, data="ping"))) == ["    2.000    +0.500  comment ping"]


def test_a_line_tells_thoughts_tools_and_the_finish() -> None:
    """All of what an event adds."""
    said = mark(text="a", reasoning="b", tools=("find", '{"q"'), finish="tool_calls", data="never shown")
    assert shown(Human().mark(said))[0].endswith('"a" thought "b" tool find tool {"q" finish tool_calls')


def test_defects_are_named_and_counted() -> None:
    """Behind the event."""
    line = shown(Human().mark(mark(text="a", repairs={"missing_space": 2, "bom": 1})))[0]
    assert line.endswith('"a"  defect: bom, missing_space 2')


@pytest.mark.parametrize("gap, style", [(0.99, "dim"), (1.0, "yellow"), (29.9, "yellow"), (30.0, "red")])
def test_a_long_gap_has_a_colour(gap: float, style: str) -> None:
    """A second is worth a look, half a minute is what hops begin to cut at."""
    [line] = Human().mark(mark(gap=gap))
    assert line[1].style == (style,)


@pytest.mark.parametrize("width", [50, 60, 100])
@pytest.mark.parametrize("data", ["x" * 300, "日本語" * 100])
def test_a_line_is_cut_to_the_terminal(width: int, data: str) -> None:
    """In columns, of which some characters take two; what is not data stays."""
    [line] = shown(Human(width).mark(mark(data=data, id="7")))
    assert cells(line) <= width
    assert line.endswith("…  id 7")


def test_the_head_tells_status_version_type_and_what_is_odd() -> None:
    """A coding that was not asked for, and where a redirect leads."""
    headers = [(b"Content-Type", b"text/event-stream"), (b"content-encoding", b"gzip"), (b"Location", b"/x")]
    first, second = shown(Human().head(head(302, headers), "GET http://h"))
    assert first == "GET http://h"
    assert second == "302 Some, HTTP/1.1, text/event-stream, content-encoding gzip, location /x, after 0.012 s"
    assert shown(Human().head(head(), "GET http://h"))[1] == "200 Some, HTTP/1.1, no content type, after 0.012 s"


def test_the_end_is_text_verdict_figures_tokens_and_defects() -> None:
    """In this order."""
    told = summary(text="Hi\nyou", usage={"input": 1, "output": 2}, repairs={"bom": 1}, longest_event_gap_seconds=0.5)
    assert shown(Human().end(told, b"")) == [
        "text Hi\nyou",
        "completed: the answer is whole, as openai_chat tells",
        (
            "ttft 0.250 s, 4 events, 1 heartbeat, 2.0 kB, in 3.000 s, longest silence 1.500 s,"
            " longest gap between events 0.500 s"
        ),
        "tokens: input 1, output 2",
        "defects, which the proxy repairs: bom",
    ]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_words_and_a_colour(verdict: Verdict) -> None:
    """Green only where nothing is in doubt, red where something is wrong."""
    line = Human().end(summary(Ending(verdict=verdict, detail="why")), b"")[0]
    colour = {Verdict.COMPLETED: "yellow", Verdict.STOPPED: "yellow"}.get(verdict, "red")
    assert line[0].style == (colour,)
    assert line[-1].text.endswith(": why")
    assert Human().end(summary(), b"")[0][0].style == ("green",)


def test_a_body_that_is_no_stream_is_shown_in_part() -> None:
    """With its lines, and nothing that a terminal would obey."""
    lines = shown(
        Human().end(summary(Ending(verdict=Verdict.HTTP_ERROR), ttft_seconds=None), b"<p>\n\x1b[2J" + b"x" * 9999)
    )
    assert lines[0].startswith("<p>\n\\x1b[2Jxxx")
    assert len(lines[0]) == 2000
    assert len(lines) == 2


def test_raw_shows_each_read_with_its_bytes() -> None:
    """Line ends as escapes, text as text, broken text as bytes; no marks."""
    line = shown(Raw().chunk("data: é\r\n\n".encode() + b"\xff", 1.0, 0.25))
    assert line == ["    1.000    +0.250     12 B  data: é\\r\\n\\n\\xff"]
    assert Raw().mark(mark()) == []
    assert shown(Raw().end(summary(), b"shown already"))[0].startswith("completed")


def test_json_has_one_object_a_line_with_what_every_event_has() -> None:
    """What an event does not have besides is left out."""
    view = JSONLines()
    [line] = shown(view.mark(mark(data="é\x9b", text="é", repairs={"bom": 1})))
    assert line.isascii()
    assert json.loads(line) == {
        "t": 2.0,
        "gap": 0.5,
        "kind": "event",
        "id": None,
        "event": "",
        "data": "é\x9b",
        "bytes": 10,
        "text": "é",
        "repairs": {"bom": 1},
    }
    assert view.chunk(b"x", 1.0, 1.0) == []


def test_json_tells_the_head_and_the_end() -> None:
    """The end with all figures, in the names of the proxy's own log."""
    view = JSONLines()
    [line] = shown(view.head(head(headers=[(b"Content-Type", b"a")]), "GET http://h"))
    assert json.loads(line) == {
        "t": 0.012,
        "kind": "head",
        "request": "GET http://h",
        "status": 200,
        "http_version": "HTTP/1.1",
        "headers": [["content-type", "a"]],
    }
    [line] = shown(view.end(summary(), b""))
    told = json.loads(line)
    assert (told["kind"], told["outcome"], told["verified"], told["ttft_seconds"]) == ("end", "completed", True, 0.25)
    assert "body" not in told
    assert json.loads(shown(view.end(summary(), b"no"))[0])["body"] == "no"


def test_the_tally_counts_silence_as_hops_do() -> None:
    """From byte to byte, the wait for the first and the time to the end included; between events without heartbeats."""
    tally = Tally()
    for t, kind in ((2.0, Kind.EVENT), (3.0, Kind.COMMENT), (4.0, Kind.PING), (5.0, Kind.EVENT), (5.5, Kind.EVENT)):
        assert tally.chunk(10, t) > 0
        tally.mark(mark(kind, t=t, text="a"))
    told = tally.summary(WHOLE, 9.0, dialect="", repairs={}, usage={})
    assert (told.ttft_seconds, told.events, told.heartbeats, told.bytes_in) == (2.0, 3, 2, 50)
    assert (told.longest_gap_seconds, told.longest_event_gap_seconds, told.text) == (3.5, 3.0, "aaa")


def test_the_tally_of_nothing_has_no_times() -> None:
    """But for the silence."""
    told = Tally().summary(WHOLE, 4.0, dialect="", repairs={}, usage={})
    assert (told.ttft_seconds, told.longest_event_gap_seconds, told.longest_gap_seconds) == (None, None, 4.0)


def test_an_endless_answer_is_not_kept_whole() -> None:
    """Its marks have told it."""
    tally = Tally()
    for _ in range(4):
        tally.mark(mark(text="x" * (MAX_TEXT_CHARACTERS // 3)))
    assert len(tally.summary(WHOLE, 1.0, dialect="", repairs={}, usage={}).text) == MAX_TEXT_CHARACTERS


def test_nothing_that_a_terminal_obeys_gets_through() -> None:
    """No character that is not for printing; what is, stays as it is."""
    everything = "".join(map(chr, (*range(0x10000), *range(0xE0000, 0xE0200), sys.maxunicode)))
    assert printable(everything).isprintable()
    assert printable("plain, é, 日本語, 🌊") == "plain, é, 日本語, 🌊"
    assert printable("\x1b[31m\u202e\u2028\U000e0001\\") == "\\x1b[31m\\u202e\\u2028\\U000e0001\\\\"
    assert printable("a\n\tb\\\r", keeps_lines=True) == "a\n\tb\\\\r"


@pytest.mark.parametrize(
    "text, width, expected",
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本", 3, "日…"),
        ("e\u0301e\u0301e", 2, "e\u0301…"),
        ("abc", 0, ""),
        ("abc", None, "abc"),
    ],
)
def test_text_is_fitted_by_columns(text: str, width: int | None, expected: str) -> None:
    """Not by characters."""
    assert fitted(text, width) == expected


def test_numbers_are_said_as_people_do() -> None:
    """Whatever their size."""
    assert [as_seconds(number) for number in (0.0, 9.99951, 59.94, 59.96, 3725.0)] == [
        *("0.000 s", "10.0 s", "59.9 s", "1 min 00 s", "62 min 05 s")
    ]
    assert [as_bytes(number) for number in (0, 999, 1000, 999_949, 999_950)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "999.9 kB",
        "1.0 MB",
    ]
    assert (counted(0, "event"), counted(1, "event")) == ("0 events", "1 event")
