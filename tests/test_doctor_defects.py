"""`doctor.reading` and `doctor.judge_lines` on every defect that the mock can make: found, or told here why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sse_proxy.demo.defects import DEFECTS
from sse_proxy.doctor.judge_lines import judge_lines
from sse_proxy.doctor.observed import Request

from .doctor_cases import CHAT, case, ids, told
from .test_demo_defects import writes

_PAGE = (Path(__file__).parent.parent / "docs" / "doctor.md").read_text()

#: The mock's defect → what the doctor calls it.
FOUND = {
    "bare_json": "missing_fields",
    "bare_lines": "missing_fields",
    "bom": "bom",
    "comment_in_data": "comment_in_data",
    "concatenated_json": "concatenated_json",
    "cr": "line_endings",
    "crlf": "line_endings",
    "crlf_split": "line_endings",
    "double_data": "double_data",
    "empty_data": "empty_data",
    "extra_blank_lines": "extra_blank_lines",
    "invalid_utf8": "invalid_utf8",
    "literal_newlines": "literal_newlines",
    "multi_line_data": "multi_line_data",
    "no_final_blank_line": "missing_blank_line",
    "no_space": "missing_space",
    "nul_delimited": "missing_fields",
    "single_newline": "single_newline",
    "split_json": "split_json",
}
#: The mock's other "defects" are none, and docs/doctor.md says so: name → why.
RIGHT = {
    "coalesced": "a hop may put writes together",
    "id_lines": "a field that events may have",
    "retry_field": "a field that events may have",
    "split_bytes": "a hop may cut a write anywhere",
    "split_utf8": "a hop may cut a write anywhere",
}
#: Found, and no more than a note: readers by the book have no trouble with these.
LEGAL = {"bom", "cr", "crlf", "crlf_split", "extra_blank_lines", "multi_line_data", "no_space"}
#: Found beside it, since the last event has lost its blank line as well.
BESIDE = {"single_newline": ["missing_blank_line"]}


def chat(defect: str) -> list[tuple[float, bytes]]:
    """The writes of a chat with *defect*, each with its time."""
    return [(number / 10, data) for number, data in enumerate(writes(defect, tokens=20))]


def test_each_defect_of_the_mock_has_its_row() -> None:
    """A new one is found as well, or has a reason."""
    assert sorted(DEFECTS) == sorted([*FOUND, *RIGHT])


@pytest.mark.parametrize("defect", FOUND)
def test_each_defect_is_found_by_its_name(defect: str) -> None:
    """And nothing else is."""
    found = case(chat(defect), request=CHAT)
    assert sorted(found.stream.defects) == sorted([FOUND[defect], *BESIDE.get(defect, [])])
    assert ids(judge_lines(found)) == ["note: unusual-framing" if defect in LEGAL else "error: framing"]


@pytest.mark.parametrize("defect", ["none", *RIGHT])
def test_what_is_right_is_not_found(defect: str) -> None:
    """Whatever it is called."""
    assert list(judge_lines(case(chat(defect), request=CHAT))) == []


def test_the_page_names_what_is_right() -> None:
    """Whoever tries them out need not wonder."""
    (told_right,) = re.findall(r"Of the mock's.*?\n\n", _PAGE, re.DOTALL)
    assert sorted(re.findall(r"`(\w+)`", told_right)) == sorted(RIGHT)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/messages", "/api/v1/chat"])
@pytest.mark.parametrize("defect", ["split_json", "single_newline"])
def test_an_api_that_only_its_events_tell_is_read_as_itself(path: str, defect: str) -> None:
    """What lies between its events is judged as that API has it, from the first one on."""
    pieces = [(number / 10, data) for number, data in enumerate(writes(defect, path, tokens=4))]
    assert defect in case(pieces).stream.defects


def test_a_document_over_several_events_is_told_where_it_begins() -> None:
    """So that its beginning is shown."""
    found = told(judge_lines(case([(1.0, b'data: {"a":\n\ndata: 1}\n\ndata: {"b":\n\ndata: 2}\n\n')], request=CHAT)))
    assert found.seen == "malformed: one JSON document cut into several events (lines 1, 5)"


def test_events_without_their_names_are_told_where_there_could_be_names() -> None:
    """Lines of JSON have none to lose."""
    event = '{"type":"response.output_text.delta","delta":"a"}\n'
    request = Request(method="POST", url="http://test/v1/responses", body=b'{"stream":true}')
    assert list(case([(1.0, f"data: {event}\n".encode())], request=request).stream.defects) == ["missing_event_type"]
    assert list(case([(1.0, event.encode() * 2)], request=request).stream.defects) == ["missing_fields"]
