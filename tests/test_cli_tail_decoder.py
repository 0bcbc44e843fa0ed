"""`watch.decoder`: a body as marks, in the order of the wire, with the proxy's own verdict on it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest

from sse_proxy.core.requests import classify
from sse_proxy.watch.comments import MAX_COMMENT_BYTES, Comments
from sse_proxy.watch.decoder import Decoder
from sse_proxy.watch.marks import Ending, Kind, Mark, Verdict

SSE = [(b"Content-Type", b"text/event-stream")]
NDJSON = [(b"content-type", b"application/x-ndjson")]


def chunk(text: str = "", finish: str | None = None, **fields: Any) -> bytes:
    """An OpenAI chat event."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    document = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **fields}
    return b"data: " + json.dumps(document).encode() + b"\n\n"


HELLO, BYE, STOP, DONE = chunk("Hello "), chunk("bye"), chunk(finish="stop"), b"data: [DONE]\n\n"


def decoder(path: str = "/v1/chat/completions", headers: list[tuple[bytes, bytes]] = SSE, **options: Any) -> Decoder:
    """A decoder for the answer to a POST that asks *path* for a stream; of no path, to a GET."""
    method, body = ("POST", b'{"model": "m", "stream": true}') if path else ("GET", b"")
    return Decoder(classify(method, path or "/", [(b"content-type", b"application/json")], body), headers, **options)


def decoded(decoder: Decoder, pieces: Iterable[bytes], *, broken: str = "") -> tuple[list[Mark], Ending]:
    """All marks of *pieces*, which come at 1, 2, 3 … seconds, and how it ended a second later."""
    marks: list[Mark] = []
    now = 0.0
    for now, piece in enumerate(pieces, 1):
        marks += decoder.feed(piece, float(now))
    last, ending = decoder.finish(now + 1.0, broken=broken)
    return marks + last, ending


def test_events_are_told_with_their_text_time_and_gap() -> None:
    """The joined text of the marks is the answer."""
    marks, ending = decoded(decoder(), [HELLO, BYE + STOP, DONE])
    assert [(mark.t, mark.gap, mark.text, mark.finish) for mark in marks] == [
        (1.0, 1.0, "Hello ", None),
        (2.0, 1.0, "bye", None),
        (2.0, 0.0, "", "stop"),
        (3.0, 1.0, "", None),
    ]
    assert {mark.kind for mark in marks} == {Kind.EVENT}
    assert [mark.size_bytes for mark in marks] == [len(HELLO), len(BYE), len(STOP), len(DONE)]
    assert ending == Ending(verdict=Verdict.COMPLETED, verified=True)


def test_comments_and_noops_are_heartbeats_in_their_place() -> None:
    """Whoever writes them: ours, with an id of its own, and those of others."""
    noop = chunk(id="another")
    body = [b": one\n", HELLO, b":\n\n", noop, b": ping\n" + BYE, STOP + DONE]
    marks, ending = decoded(decoder(), body)
    assert [(mark.kind, mark.data) for mark in marks if mark.is_heartbeat] == [
        (Kind.COMMENT, "one"),
        (Kind.COMMENT, ""),
        (Kind.PING, noop.decode().strip().removeprefix("data: ")),
        (Kind.COMMENT, "ping"),
    ]
    assert [mark.kind.value for mark in marks] == [
        *("comment", "event", "comment", "ping", "comment", "event", "event", "event"),
    ]
    assert ending.verified


@pytest.mark.parametrize(
    "path, ping",
    [
        ("/v1/messages", b'event: ping\ndata: {"type": "ping"}\n\n'),
        ("/v1beta/models/m:streamGenerateContent", b'data: {"candidates":[]}\n\n'),
        ("/v1/chat/completions", b"data:\n\n"),
    ],
)
def test_an_api_s_own_ping_is_a_heartbeat(path: str, ping: bytes) -> None:
    """It is not counted among the events; the usage at a stream's end holds no list either, and is one."""
    told = decoder(path)
    assert [mark.kind for mark in told.feed(ping, 1.0)] == [Kind.PING]


def test_a_role_and_a_usage_are_no_heartbeats() -> None:
    """Though they add no text."""
    role = chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
    usage = chunk(choices=[], usage={"prompt_tokens": 1, "completion_tokens": 2})
    told = decoder()
    marks, _ending = decoded(told, [role, HELLO, STOP, usage, DONE])
    assert {mark.kind for mark in marks} == {Kind.EVENT}
    assert told.usage == {"input": 1, "output": 2}


def test_a_defect_is_told_where_it_is() -> None:
    """By the name under which the proxy counts its repair."""
    told = decoder()
    marks, ending = decoded(told, [HELLO.replace(b"data: ", b"data:"), BYE, STOP.replace(b"\n", b"\r\n"), DONE[:-1]])
    assert [mark.repairs for mark in marks] == [
        {"missing_space": 1},
        {},
        {"line_endings": 2},
        {"missing_final_blank_line": 1},
    ]
    assert told.repairs == {"missing_space": 1, "line_endings": 2, "missing_final_blank_line": 1}
    assert ending.is_whole


def test_a_missing_terminator_is_a_defect_of_the_end() -> None:
    """The finish signal has told that the answer is whole."""
    told = decoder()
    marks, ending = decoded(told, [HELLO, STOP])
    assert (len(marks), ending.verified, told.repairs) == (2, True, {"missing_terminator": 1})


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


def test_the_server_s_error_is_a_mark_of_its_own() -> None:
    """The terminator behind it is not."""
    marks, _ending = decoded(decoder(), [HELLO, b'data: {"error": {"message": "full"}}\n\n' + DONE])
    assert [mark.kind for mark in marks] == [Kind.EVENT, Kind.ERROR, Kind.EVENT]


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


def test_other_framings_are_understood_too() -> None:
    """Ollama's lines: the same words for them as for events."""
    told = decoder("/api/chat", NDJSON)
    body = [b'{"message":{"content":"Hi"}}\n', b'{"done":true,"done_reason":"stop","eval_count":3}\n']
    marks, ending = decoded(told, body)
    assert [(mark.text, mark.finish) for mark in marks] == [("Hi", None), ("", "stop")]
    assert (told.dialect, told.usage, ending.verified) == ("ollama", {"output": 3}, True)


def test_a_whole_document_in_place_of_a_stream_is_a_defect() -> None:
    """Its text is told all the same."""
    document = {"object": "chat.completion", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1")]
    told = decoder(headers=headers)
    marks, ending = decoded(told, [json.dumps(document).encode()])
    assert "".join(mark.text for mark in marks) == "Hi"
    assert "single_json" in told.repairs
    assert ending.is_whole


@pytest.mark.parametrize(
    "headers, body, repair",
    [
        ([(b"content-type", b"text/plain")], HELLO + STOP + DONE, "content_type"),
        (SSE, HELLO[6:] + STOP[6:], "missing_fields"),
    ],
)
def test_a_wrong_content_type_is_a_defect(headers: list[tuple[bytes, bytes]], body: bytes, repair: str) -> None:
    """In either direction."""
    told = decoder(headers=headers)
    marks, ending = decoded(told, [body])
    assert "".join(mark.text for mark in marks) == "Hello "
    assert repair in told.repairs
    assert ending.is_whole


def test_a_generic_stream_is_told_by_type_and_data() -> None:
    """What in it is text nobody knows, and nobody knows whether it was whole."""
    marks, ending = decoded(decoder(""), [b"id: 7\nevent: price\nretry: 10\ndata: 1\ndata: 2\n\n", b": p\n\n"])
    assert (marks[0].event, marks[0].id, marks[0].retry, marks[0].data, marks[0].text) == ("price", "7", 10, "1\n2", "")
    assert [mark.kind for mark in marks] == [Kind.EVENT, Kind.COMMENT]
    assert ending == Ending(verdict=Verdict.COMPLETED, verified=False)


def test_a_generic_stream_that_breaks_is_not_whole() -> None:
    """Its clean end is all that tells it."""
    _marks, ending = decoded(decoder(""), [b"data: 1\n\n"], broken="reset")
    assert ending == Ending(verdict=Verdict.UPSTREAM_TRUNCATED, detail="reset")


def test_pieces_of_tool_calls_are_told() -> None:
    """The name, and the arguments as they come."""
    call = {"index": 0, "id": "c", "function": {"name": "find", "arguments": '{"q"'}}
    choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
    [mark] = decoder().feed(chunk(choices=[choice]), 1.0)
    assert mark.tools == ("find", '{"q"')


def test_an_end_that_cannot_be_read_is_told() -> None:
    """A record that the last byte completes, and that cannot be what the API says."""
    marks, ending = decoded(decoder("/api/chat", NDJSON), [b'{"message":{"content":"a"}}\n', b"no document"])
    assert ([mark.text for mark in marks], ending.is_whole) == (["a"], False)


def test_the_response_tells_the_api_where_the_request_does_not() -> None:
    """By its first event."""
    told = decoder("/my/app")
    marks, ending = decoded(told, [HELLO, STOP, DONE])
    assert (told.dialect, marks[0].text, ending.verified) == ("openai_chat", "Hello ", True)


def test_a_document_of_nobody_s_api_is_no_stream() -> None:
    """It was there as a whole."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    told = decoder("", headers)
    assert decoded(told, [b'{"a"', b": 1}"])[1].verdict is Verdict.NO_STREAM
    assert told.body == b'{"a": 1}'


@pytest.mark.parametrize("seed", range(20))
def test_where_the_body_is_cut_changes_no_mark(seed: int) -> None:
    """But for the time; also in the middle of a line end, a comment, or a character."""
    body = b"\xef\xbb\xbf: caf\xc3\xa9\r\n" + HELLO + b": ping\n\n" + BYE.replace(b"\n", b"\r\n") + b":\r" + STOP + DONE
    whole, ending = decoded(decoder(), [body])
    splitter = random.Random(seed)
    cuts = sorted({0, len(body), *(splitter.randrange(len(body)) for _ in range(seed))})
    pieces = [body[start:end] for start, end in pairwise(cuts)]
    for cut in (pieces, [bytes([byte]) for byte in body]):
        marks, also = decoded(decoder(), cut)
        assert [(mark.kind, mark.data, mark.text) for mark in marks] == [
            (mark.kind, mark.data, mark.text) for mark in whole
        ]
        assert sum(mark.size_bytes for mark in marks) == len(body)
        assert also == ending


def test_a_long_comment_is_not_kept_whole() -> None:
    """Whoever sends one for ever fills no memory."""
    comments = Comments()
    for _ in range(3):
        assert comments.feed(b":" + b"x" * MAX_COMMENT_BYTES) is None
    told = comments.feed(b"\n")
    assert told is not None
    assert len(told) < MAX_COMMENT_BYTES
