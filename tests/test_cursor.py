"""`core.cursor`: event ids read strictly."""

from __future__ import annotations

import pytest

from sse_proxy.core.cursor import Cursor, is_stream_id, parse_event_id, told_event_ids

STREAM = "0123456789abcdef" * 2


@pytest.mark.parametrize(("number", "after"), [("0", 0), ("1", 1), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_an_id_of_ours_is_a_place_in_a_stream(number: str, after: int) -> None:
    """The stream's id, and the number of the last event that the reader has."""
    assert Cursor(stream=STREAM, after=after) == parse_event_id(f"{STREAM}.{number}".encode())


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        STREAM,
        f"{STREAM}.",
        f"{STREAM}.-1",
        f"{STREAM}.1 ",
        f"{STREAM}.1\n",
        f"{STREAM}.\u0661",
        f"{STREAM}.{'9' * 19}",
        f"{STREAM}:1",
        f"{STREAM.upper()}.1",
        f"{STREAM[1:]}.1",
        f"{{{STREAM[2:]}}}.1",
        f"{STREAM}.1\r\nFLUSHALL",
        "x" * 100_000,
    ],
)
def test_what_is_malformed_oversized_or_not_ours_is_no_place(value: str) -> None:
    """So nothing of it can ever reach a store."""
    assert parse_event_id(value.encode()) is None


@pytest.mark.parametrize(
    ("value", "ours"),
    [(STREAM, True), (STREAM[1:], False), (STREAM + "0", False), (STREAM.upper(), False), (STREAM + "\n", False)],
)
def test_the_form_of_stream_ids(value: str, ours: bool) -> None:
    """32 hexadecimal digits in lower case, and nothing else."""
    assert is_stream_id(value) is ours


def test_who_comes_back_tells_the_last_event_id_in_a_header_or_in_the_query() -> None:
    """The header first, which is the newer one; all of them, whosever they are, and no empty one."""
    headers = [(b"Last-Event-ID", b"17")]
    query = {"lastEventId": "c", "last_event_id": "b", "id": "x"}
    assert told_event_ids(headers, query) == [b"17", b"b", b"c"]
    assert told_event_ids([(b"last-event-id", b"")], {"last_event_id": ""}) == []


def test_both_halves_of_an_id_come_back() -> None:
    """The stream as text, the number as a number."""
    assert parse_event_id(b"0123456789abcdef" * 2 + b".12") == Cursor(stream="0123456789abcdef" * 2, after=12)
