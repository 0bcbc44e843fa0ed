"""`watch.decoder` at the end of a body: whether it was whole is decided as the proxy decides it, and has a reason."""

from __future__ import annotations

import pytest

from sse_proxy.watch.marks import Ending, Verdict

from .tailing import DONE, HELLO, NDJSON, SSE, STOP, decoded, decoder


@pytest.mark.parametrize(
    "body, broken, verdict, detail",
    [
        ([HELLO], "", Verdict.UPSTREAM_TRUNCATED, "the API's terminal signal is missing"),
        ([HELLO], "reset", Verdict.UPSTREAM_TRUNCATED, "reset"),
        ([HELLO, STOP[:-20]], "", Verdict.UPSTREAM_TRUNCATED, "the API's terminal signal is missing"),
        ([], "reset", Verdict.UPSTREAM_TRUNCATED, "reset"),
        ([HELLO, STOP, DONE], "reset", Verdict.COMPLETED, "reset, but behind the end of the answer"),
        ([HELLO, b'data: {"error": {"message": "full"}}\n\n'], "", Verdict.UPSTREAM_ERROR, "full"),
        ([b"data: " + b"x" * 3000], "", Verdict.TOO_LARGE, "the server sent an event over the size limit"),
        ([HELLO, b'data: {"a": "data: {"b": 1}\n\n'], "", Verdict.GARBLED, "the server cut an event in the middle"),
        ([b"<html>"], "", Verdict.NO_STREAM, "the body is HTML"),
        ([b"nothing known"], "", Verdict.NO_STREAM, "the body is no kind of stream"),
        ([b"\x00\x01\x02\x03" * 8], "", Verdict.NO_STREAM, "the body is binary"),
        ([], "", Verdict.NO_STREAM, "there is no body"),
    ],
)
def test_an_ending_that_is_not_whole_says_why(body: list[bytes], broken: str, verdict: Verdict, detail: str) -> None:
    """In one phrase."""
    headers = SSE if verdict is not Verdict.NO_STREAM else [(b"content-type", b"application/octet-stream")]
    _marks, ending = decoded(decoder(headers=headers, max_event_bytes=2000), body, broken=broken)
    assert (ending.verdict, ending.detail) == (verdict, detail)
    assert ending.is_whole is (verdict is Verdict.COMPLETED)


def test_what_comes_before_an_unreadable_event_is_told() -> None:
    """Also in a framing that is fed as it comes."""
    lines = b'{"message":{"content":"a"}}\n{"message":{"content":"b"}}\n' + b"x" * 3000
    marks, ending = decoded(decoder("/api/chat", NDJSON, max_event_bytes=2000), [lines])
    assert [mark.text for mark in marks] == ["a", "b"]
    assert ending.verdict is Verdict.TOO_LARGE


def test_nothing_is_told_after_the_end() -> None:
    """The verdict stays, whatever else comes."""
    told = decoder(max_event_bytes=100)
    assert told.feed(b"data: " + b"x" * 200, 1.0) == []
    assert told.over
    assert told.feed(HELLO, 2.0) == []
    assert told.finish(3.0)[1].verdict is Verdict.TOO_LARGE


def test_a_generic_stream_that_breaks_is_not_whole() -> None:
    """Its clean end is all that tells it."""
    _marks, ending = decoded(decoder(""), [b"data: 1\n\n"], broken="reset")
    assert ending == Ending(verdict=Verdict.UPSTREAM_TRUNCATED, detail="reset")


def test_an_end_that_cannot_be_read_is_told() -> None:
    """A record that the last byte completes, and that cannot be what the API says."""
    marks, ending = decoded(decoder("/api/chat", NDJSON), [b'{"message":{"content":"a"}}\n', b"no document"])
    assert ([mark.text for mark in marks], ending.is_whole) == (["a"], False)


def test_a_document_of_nobody_s_api_is_no_stream() -> None:
    """It was there as a whole."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    told = decoder("", headers)
    assert decoded(told, [b'{"a"', b": 1}"])[1].verdict is Verdict.NO_STREAM
    assert told.body == b'{"a": 1}'


def test_a_missing_terminator_is_a_defect_of_the_end() -> None:
    """The finish signal has told that the answer is whole."""
    told = decoder()
    marks, ending = decoded(told, [HELLO, STOP])
    assert (len(marks), ending.verified, told.repairs) == (2, True, {"missing_terminator": 1})
