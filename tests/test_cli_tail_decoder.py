"""`watch.decoder`: a body as marks, in the order of the wire, with the proxy's own verdict on it."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import pytest

from sse_proxy.watch.comments import MAX_COMMENT_BYTES, Comments
from sse_proxy.watch.marks import Ending, Kind, Verdict

from .tailing import BYE, DONE, HELLO, NDJSON, SSE, STOP, chunk, decoded, decoder


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


def test_the_server_s_error_is_a_mark_of_its_own() -> None:
    """The terminator behind it is not."""
    marks, _ending = decoded(decoder(), [HELLO, b'data: {"error": {"message": "full"}}\n\n' + DONE])
    assert [mark.kind for mark in marks] == [Kind.EVENT, Kind.ERROR, Kind.EVENT]


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


def test_pieces_of_tool_calls_are_told() -> None:
    """The name, and the arguments as they come."""
    call = {"index": 0, "id": "c", "function": {"name": "find", "arguments": '{"q"'}}
    choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
    [mark] = decoder().feed(chunk(choices=[choice]), 1.0)
    assert mark.tools == ("find", '{"q"')


def test_the_response_tells_the_api_where_the_request_does_not() -> None:
    """By its first event."""
    told = decoder("/my/app")
    marks, ending = decoded(told, [HELLO, STOP, DONE])
    assert (told.dialect, marks[0].text, ending.verified) == ("openai_chat", "Hello ", True)


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
