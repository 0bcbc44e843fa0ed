"""`doctor.reading`: bytes and times to events, heartbeats and defects by line."""

from __future__ import annotations

import gzip
import random

import pytest

from sse_proxy.core.framers import Framing
from sse_proxy.core.sniff import Kind
from sse_proxy.doctor.observed import End, Request
from sse_proxy.doctor.reading import read_stream
from sse_proxy.doctor.stream import Stream

from .doctor_cases import CHAT, SSE, answer

_CHUNK = b'data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
_LAST = (
    b'data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
)
_DONE = b"data: [DONE]\n\n"


def read(*pieces: bytes, request: Request | None = None, headers: tuple[tuple[str, str], ...] = SSE) -> Stream:
    """What comes of *pieces*, a second apart."""
    timed = [(float(second), piece) for second, piece in enumerate(pieces, start=1)]
    return read_stream(answer(timed, request=request, headers=headers))


def defects(stream: Stream) -> dict[str, list[int]]:
    """The lines of each kind of defect."""
    return {kind: [line for line, _text in defect.lines] for kind, defect in stream.defects.items()}


def test_an_event_arrives_when_its_blank_line_does() -> None:
    """Not when its first byte does; several of one read have one time."""
    stream = read(b"data: a\n", b"\ndata: b\n\ndata: c\n\n", b"data: d\n\n")
    assert [(e.at, e.read, e.event.data) for e in stream.events] == [
        (2.0, 1, b"a"),
        (2.0, 1, b"b"),
        (2.0, 1, b"c"),
        (3.0, 2, b"d"),
    ]
    assert [e.size for e in stream.events] == [9, 9, 9, 9]


def test_a_whole_chat_is_complete_and_without_defects() -> None:
    """As its API says it."""
    stream = read(_CHUNK, _CHUNK + _LAST, _DONE, request=CHAT)
    assert (stream.dialect.name, stream.complete, stream.defects) == ("openai_chat", True, {})
    assert len(stream.events) == 4


@pytest.mark.parametrize("body", [_CHUNK, _CHUNK + _CHUNK], ids=["one", "two"])
def test_a_chat_without_its_end_is_not_complete(body: bytes) -> None:
    """The end of the body says nothing."""
    assert not read(body, request=CHAT).complete


def test_an_error_in_the_stream_is_no_completion() -> None:
    """Whatever follows it."""
    stream = read(_CHUNK, b'data: {"error":{"message":"full"}}\n\n', _DONE, request=CHAT)
    assert not stream.complete
    assert str(stream.state.error) == "full"


def test_the_first_event_tells_the_api_where_the_request_does_not() -> None:
    """So that a proxy's own path is judged as what it is."""
    stream = read(_CHUNK + _LAST + _DONE)
    assert (stream.dialect.name, stream.complete) == ("openai_chat", True)


@pytest.mark.parametrize(
    "body, expected",
    [
        (b"\xef\xbb\xbfdata: a\n\n", {"bom": [1]}),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", {"line_endings": [1, 2, 3, 4]}),
        (b"data: a\r\rdata: b\r\r", {"line_endings": [1, 2, 3, 4]}),
        (b"data:a\n\ndata: b\n\n", {"missing_space": [1]}),
        (b"data: a\n\n\n\ndata: b\n\n", {"extra_blank_lines": [3, 4]}),
        (b"data: a\n\ndata: \xff\n\n", {"invalid_utf8": [3]}),
        (b"data: a\n\ndata: b", {"missing_blank_line": [3]}),
        (b"data: a\n\ndata: b\n", {"missing_blank_line": [3]}),
        (b"id: 1\ndata: a\n\n: ping\n\ndata: b\n\n", {"comment_block_with_ids": [5]}),
        (b": ping\n\nid: 1\ndata: a\n\n: ping\ndata: b\n\n", {}),
    ],
)
def test_defects_of_any_event_stream_have_their_lines(body: bytes, expected: dict[str, list[int]]) -> None:
    """Counted as an editor counts them."""
    assert defects(read(body)) == expected


@pytest.mark.parametrize(
    "body, expected",
    [
        (_CHUNK[:-1] + _LAST + _DONE, {"single_newline": [2]}),
        (b"data: " + _CHUNK + _LAST + _DONE, {"double_data": [1]}),
        (_CHUNK + _CHUNK.removeprefix(b"data: ") + _LAST + _DONE, {"bare_json": [3]}),
        (_CHUNK[:-2] + _LAST.removeprefix(b"data: ") + _DONE, {"concatenated_json": [1]}),
        (_CHUNK + b"data: \n\n" + _LAST + _DONE, {"empty_data": [3]}),
    ],
)
def test_defects_of_an_api_have_their_lines(body: bytes, expected: dict[str, list[int]]) -> None:
    """Those that make clients lose events."""
    assert defects(read(body, request=CHAT)) == expected


def test_where_a_stream_is_cut_into_reads_changes_nothing() -> None:
    """Neither events nor defects, nor the lines of either."""
    body = b"\xef\xbb\xbfdata:a\r\n\r\n: ping\r\nid: 1\rdata: b\r\r: x\n\n\ndata: \xff\n\ndata: c"
    whole = read(body)
    chooser = random.Random(4)
    for _ in range(50):
        cuts = sorted(chooser.sample(range(len(body)), 5))
        parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        stream = read(*parts)
        assert [e.event for e in stream.events] == [e.event for e in whole.events]
        assert defects(stream) == defects(whole)
        assert [beat.text for beat in stream.beats] == [": ping", ": x"]


def test_many_defects_are_counted_and_a_few_are_shown() -> None:
    """A report is to be read."""
    stream = read(b"data:" + b"a" * 500 + b"\n\n", b"data:a\n\n" * 30)
    defect = stream.defects["missing_space"]
    assert (defect.times, len(defect.lines), len(defect.lines[0][1])) == (31, 5, 80)


def test_comments_and_pings_are_heartbeats() -> None:
    """They are no events."""
    stream = read(
        b": ping\n\n", b"event: ping\ndata: {}\n\n", request=Request(method="POST", url="http://test/v1/messages")
    )
    assert [(beat.at, beat.text) for beat in stream.beats] == [(1.0, ": ping"), (2.0, "ping")]
    assert stream.events == []


def test_a_compressed_stream_is_read_as_what_it_holds() -> None:
    """With the time of the bytes that completed an event."""
    packed = gzip.compress(b"data: a\n\ndata: b\n\n")
    stream = read(packed[:5], packed[5:], headers=(*SSE, ("content-encoding", "gzip")))
    assert [(e.at, e.event.data) for e in stream.events] == [(2.0, b"a"), (2.0, b"b")]


@pytest.mark.parametrize("coding, body", [("gzip", b"no gzip"), ("nonsense", b"data: a\n\n")])
def test_what_cannot_be_unpacked_is_told(coding: str, body: bytes) -> None:
    """It is not taken for an empty stream."""
    stream = read(body, headers=(*SSE, ("content-encoding", coding)))
    assert stream.broken
    assert stream.events == []


def test_an_event_that_breaks_off_within_json_is_told_with_its_line() -> None:
    """Nothing behind it can be trusted."""
    stream = read(_CHUNK, b'{"a":\n', _CHUNK, request=CHAT)
    assert stream.broken == "line 4: the upstream cut an event in the middle"


@pytest.mark.parametrize(
    "body, headers, framing, events",
    [
        (b'{"response":"a"}\n{"response":"b"}\n', (("content-type", "application/x-ndjson"),), Framing.NDJSON, 2),
        (b'{"a":1}', (("content-type", "application/json"),), Framing.JSON, 1),
        (b"<html></html>", (("content-type", "text/html"),), Kind.HTML, 0),
        (b"", SSE, Framing.SSE, 0),
        (b"", (("content-type", "text/plain"),), Kind.NOTHING, 0),
        (b"data: a\n\n", (("content-type", "text/plain"),), Framing.SSE, 1),
    ],
)
def test_what_the_body_is_is_told_by_the_body(
    body: bytes, headers: tuple[tuple[str, str], ...], framing: Framing | Kind, events: int
) -> None:
    """The Content-Type helps only where the body says nothing."""
    stream = read(body, headers=headers)
    assert (stream.framing, len(stream.events)) == (framing, events)


def test_defects_of_lines_of_json_are_told_without_a_line() -> None:
    """Their framers count what they repair, not where."""
    request = Request(method="POST", url="http://test/api/chat", body=b"{}")
    headers = (("content-type", "application/x-ndjson"),)
    stream = read(b'{"message":{"content":"\xff"}}\n', request=request, headers=headers)
    assert defects(stream) == {"invalid_utf8": []}


def test_json_that_says_it_is_an_event_stream_is_a_defect() -> None:
    """No client of event streams finds anything in it."""
    assert list(read(b'{"a":1}\n{"a":2}\n').defects) == ["missing_fields"]


def test_a_stream_of_nobodys_is_complete_at_its_end() -> None:
    """It has no other way to say so."""
    assert read(b"data: a\n\n").complete
    assert read_stream(answer([(1.0, b"data: a\n\n")], end=End.CUT)).complete
