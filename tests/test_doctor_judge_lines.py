"""`doctor.judge_lines`: malformed streams told by line, and silences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import sse_proxy.core
from sse_proxy.doctor.judge_lines import judge_heartbeats, judge_lines, known_kinds
from sse_proxy.doctor.observed import End

from .doctor_cases import case, ids, probe, told

_CORE = Path(sse_proxy.core.__file__).parent
SOURCES = [
    *_CORE.glob("framers/*.py"),
    *(_CORE / f"{name}.py" for name in ("mending", "reader", "repair")),
    _CORE.parent / "doctor/reading.py",
]


def test_what_is_wrong_is_told_with_its_lines() -> None:
    """And shown in the evidence."""
    found = told(judge_lines(case([(1.0, b"data: a\n\ndata: \xff\n\ndata: \xff\n\n")])))
    assert (found.id, found.severity.value) == ("framing", "error")
    assert found.seen == "malformed: bytes that are no UTF-8 (lines 3, 5)"
    shown = "data: �"
    assert found.evidence == {"defects": [{"kind": "invalid_utf8", "times": 2, "lines": [[3, shown], [5, shown]]}]}


def test_what_is_legal_and_unusual_is_a_note() -> None:
    """A reader by the book has no trouble with it."""
    found = told(judge_lines(case([(1.0, b"data:a\n\n" * 9)])))
    assert (found.id, found.severity.value) == ("unusual-framing", "note")
    assert found.seen.endswith("no space after 'data:' (lines 1, 3, 5, 7, 9), 9 times")


def test_both_are_told_apart() -> None:
    """Only the one fails a check."""
    assert ids(judge_lines(case([(1.0, b"data:a\n\ndata: \xff\n\n")]))) == ["error: framing", "note: unusual-framing"]


@pytest.mark.parametrize("end, expected", [(End.COMPLETE, ["error: framing"]), (End.CUT, []), (End.LEFT, [])])
def test_the_end_of_what_was_cut_is_not_judged(end: End, expected: list[str]) -> None:
    """It was going to be right, for all one knows."""
    assert ids(judge_lines(case([(1.0, b"data: a\n\ndata: b")], end=end))) == expected


def test_every_kind_of_repair_has_words() -> None:
    """Whatever the proxy would repair is told as a sentence."""
    kinds = set(
        re.findall(r'(?:_count|count|note)\((?:repairs, )?"(\w+)"', "".join(path.read_text() for path in SOURCES))
    )
    assert len(kinds) > 15
    assert sorted(kinds - known_kinds()) == []


@pytest.mark.parametrize(
    "pieces, facts, expected",
    [
        ([(0.1, b"data: a\n\n"), (5.0, b"data: b\n\n")], {}, []),
        ([(0.1, b"data: a\n\n"), (25.0, b"data: b\n\n")], {}, ["warning: heartbeats-missing"]),
        ([(31.0, b"data: a\n\n")], {}, ["warning: heartbeats-missing"]),
        ([(0.1, b"data: a\n\n")], {"ended_at": 40.0, "end": End.CUT}, ["warning: heartbeats-missing"]),
        ([(n * 15.0, b": ping\n\n") for n in range(1, 4)], {}, ["note: heartbeats"]),
        ([(1.0, b": ping\n\n"), (30.0, b"data: a\n\n")], {}, ["note: heartbeats", "warning: heartbeats-missing"]),
        ([(0.1, b"<html>"), (60.0, b"</html>")], {"headers": (("content-type", "text/html"),)}, []),
    ],
)
def test_silences_and_heartbeats_are_told(
    pieces: list[tuple[float, bytes]], facts: dict[str, Any], expected: list[str]
) -> None:
    """Hops cut what is silent, and few of them tell."""
    assert ids(judge_heartbeats(case(pieces, **facts))) == expected


def test_the_period_of_heartbeats_is_told() -> None:
    """The usual time between two."""
    found = told(judge_heartbeats(case([(at, b": ping\n\n") for at in (10.0, 25.0, 40.0, 56.0)], head_at=9.0)))
    assert found.seen == "4 heartbeats (': ping'), one about every 15.0 s"
    assert found.evidence == {"heartbeats": 4, "period_seconds": 15.0}
    assert told(judge_heartbeats(case([(1.0, b": ping\n\n")]))).seen == "1 heartbeats (': ping')"


def test_where_the_silence_was_is_told() -> None:
    """Before the head other knobs help than in the stream."""
    before = told(judge_heartbeats(case([(31.0, b"data: a\n\n")])))
    assert before.seen.startswith("31.0 s without a byte before the head of the response:")
    within = told(judge_heartbeats(case([(1.0, b"data: a\n\n"), (26.0, b"data: b\n\n")])))
    assert within.seen.startswith("25.0 s without a byte in the stream:")


def test_the_silences_of_a_probe_are_made_on_purpose() -> None:
    """They are judged elsewhere."""
    assert list(judge_heartbeats(probe([(0.0, 0.0), (40.0, 40.0)]))) == []
