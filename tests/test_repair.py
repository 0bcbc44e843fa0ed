"""`core.repair`: what becomes of one payload that should be a JSON document and is not quite."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_proxy.core.repair import is_plain_json, is_plain_object, repair_payload, seems_whole
from sse_proxy.core.sse import canonical_events, is_complete_json

from .work import calls_made, cpu_seconds


@pytest.mark.parametrize(
    ("data", "payloads", "repairs"),
    [
        pytest.param(b'{"a":1}', [b'{"a":1}'], {}, id="nothing to do"),
        pytest.param(b"[DONE]", [b"[DONE]"], {}, id="the terminator"),
        pytest.param(b'{"a":"}{"}', [b'{"a":"}{"}'], {}, id="a seam within a string"),
        pytest.param(b" plain text ", [b" plain text "], {}, id="no JSON at all"),
        pytest.param(b"{not json}{", [b"{not json}{"], {}, id="no JSON from the start"),
        pytest.param(b"{}{}x", [b"{}{}x"], {}, id="no JSON at the end"),
        pytest.param(b"data: {}", [b"{}"], {"double_data": 1}, id="doubled prefix"),
        pytest.param(b"data:data: data:{}", [b"{}"], {"double_data": 1}, id="many prefixes"),
        pytest.param(b"data:\tdata:\x0b{}", [b"{}"], {"double_data": 1}, id="other white space between prefixes"),
        pytest.param(b"data: text", [b"text"], {"double_data": 1}, id="doubled prefix of a text"),
        pytest.param(b"data: data:", [], {"double_data": 1}, id="prefixes and nothing else"),
        pytest.param(
            b'data: {\ndata: "a":1}', [b'{"a":1}'], {"double_data": 1, "multi_line_data": 1}, id="on each line"
        ),
        pytest.param(b": keepalive", [], {"comment_in_data": 1}, id="comment"),
        pytest.param(b"data: : keepalive", [], {"double_data": 1, "comment_in_data": 1}, id="doubled comment"),
        pytest.param(b": keepalive\n{}", [b"{}"], {"comment_in_data": 1}, id="a comment and a document"),
        pytest.param(b"", [], {"empty_data": 1}, id="nothing"),
        pytest.param(b" \n ", [], {"empty_data": 1}, id="white space"),
        pytest.param(b'{\n  "a": 1\n}', [b'{  "a": 1}'], {"multi_line_data": 1}, id="pretty-printed"),
        pytest.param(b'{"a":"x\ny"}', [b'{"a":"xy"}'], {"multi_line_data": 1}, id="cut within a string"),
        pytest.param(b'{"a":\n1', [b'{"a":\n1'], {}, id="several lines that are no document"),
        pytest.param(b"\n{}", [b"{}"], {"white_space": 1}, id="an empty line first"),
        pytest.param(b" {} ", [b"{}"], {"white_space": 1}, id="white space around"),
        pytest.param(b' {"a":"b ', [b'{"a":"b '], {}, id="a part that ends within a string"),
        pytest.param(
            '{"a":"\u2028é\u2029"}\n{"b":"\x85"}'.encode(),
            ['{"a":"\\u2028é\\u2029"}'.encode(), rb'{"b":"\u0085"}'],
            {"line_separators": 1, "concatenated_json": 1},
            id="line separators",
        ),
        pytest.param(
            ' {"a":"\u2028 '.encode(), [rb'{"a":"\u2028 '], {"line_separators": 1}, id="a line separator in a part"
        ),
        pytest.param("text\u2028".encode(), ["text\u2028".encode()], {}, id="a line separator in plain text"),
        pytest.param(b" [DONE]", [b"[DONE]"], {"white_space": 1}, id="white space before the terminator"),
        pytest.param(b'{"a":1}{"b":2}', [b'{"a":1}', b'{"b":2}'], {"concatenated_json": 1}, id="two documents"),
        pytest.param(b"{} {}[DONE]", [b"{}", b"{}", b"[DONE]"], {"concatenated_json": 1}, id="and the terminator"),
        pytest.param(b'{"a":1}{"b":', [b'{"a":1}', b'{"b":'], {"concatenated_json": 1}, id="the second one cut"),
        pytest.param(
            b'{\n"a":1\n}{\n"b":2\n}', [b'{"a":1}', b'{"b":2}'], {"concatenated_json": 1}, id="pretty-printed two"
        ),
        pytest.param(b"{}{}[1,", [b"{}", b"{}", b"[1,"], {"concatenated_json": 1}, id="a list that is cut"),
        pytest.param(
            b'{"a":1}data: {"b":2}', [b'{"a":1}', b'{"b":2}'], {"concatenated_json": 1}, id="the next event behind it"
        ),
        pytest.param(b"{}\n[1]", [b"{}", b"[1]"], {"concatenated_json": 1}, id="on two lines"),
        pytest.param(rb'{"a":1}\n\n', [b'{"a":1}'], {"literal_newlines": 1}, id="line ends in letters"),
        pytest.param(rb'{"a":1}\r', [b'{"a":1}'], {"literal_newlines": 1}, id="the other line end in letters"),
        pytest.param(rb"[DONE]\n\n", [b"[DONE]"], {"literal_newlines": 1}, id="line ends in letters, terminator"),
        pytest.param(
            rb'{"a":1}\r\ndata: {"b":2}\r\n', [b'{"a":1}', b'{"b":2}'], {"literal_newlines": 1}, id="and the next"
        ),
        pytest.param(
            b'{"object":"error","message":"no"}',
            [b'{"error":{"object":"error","message":"no"}}'],
            {"bare_error": 1},
            id="error without its envelope",
        ),
        pytest.param(b'{"object": "error", "x', [b'{"object": "error", "x'], {}, id="half an error"),
        pytest.param(
            b'{"type":"error","code":"c","message":"no"}',
            [
                (
                    b'{"type":"error","code":"c","message":"no",'
                    b'"error":{"type":"server_error","code":"c","message":"no","param":null}}'
                )
            ],
            {"bare_error": 1},
            id="the flat error of Responses",
        ),
        pytest.param(
            b'{"type":"error","message":"no","more":{"a":{}}}',
            [
                (
                    b'{"type":"error","message":"no","more":{"a":{}},'
                    b'"error":{"type":"server_error","code":null,"message":"no","param":null}}'
                )
            ],
            {"bare_error": 1},
            id="a flat error that holds an object",
        ),
        pytest.param(
            b'{"type":"error","error":{"message":"no"}}',
            [b'{"type":"error","error":{"message":"no"}}'],
            {},
            id="an error in its envelope",
        ),
        pytest.param(
            b'{"type":"error","errorText":"no"}',
            [b'{"type":"error","errorText":"no"}'],
            {},
            id="an error of the AI SDK, whose clients allow no other key",
        ),
    ],
)
def test_repair_payload(data: bytes, payloads: list[bytes], repairs: dict[str, int]) -> None:
    """Each defect is undone and counted; what cannot be undone comes back as it was; a second time there is no work."""
    counted: dict[str, int] = {}
    assert repair_payload(data, counted) == payloads
    assert counted == repairs
    counted.clear()
    assert [repair_payload(payload, counted) for payload in payloads] == [[payload] for payload in payloads]
    assert counted == {}


@pytest.mark.parametrize("data", [b'{"a":1}', b"text", b'{"a":"}{"}', b"{x}{"])
def test_sound_payload_comes_back_as_the_same_object(data: bytes) -> None:
    """Nothing is copied that needs no repair."""
    assert repair_payload(data, {})[0] is data


def test_nesting_beyond_reason_is_passed_on() -> None:
    """What no parser can take is not ours to judge."""
    data = b"[" * 100_000 + b"}{"
    assert repair_payload(data, {}) == [data]


PIECES = st.sampled_from(
    [
        *(b"data:", b"data: ", b":", b" ", b"\n", b"\t", b"{}", b"{", b"}", b'{"a":"x"}', b"[DONE]", b"[", b"]"),
        *(b'"', b"1", b"x", b'{"object":"error"}', b'{"object":"error",'),
    ]
)


@settings(max_examples=1000, deadline=None)
@given(data=st.lists(PIECES, max_size=12).map(b"".join))
def test_repairing_what_was_repaired_changes_nothing(data: bytes) -> None:
    """Each payload that came out is a payload that stays."""
    counted: dict[str, int] = {}
    for payload in repair_payload(data, {}):
        assert repair_payload(payload, counted) == [payload]
    assert counted == {}


@pytest.mark.parametrize(
    ("chunk", "events", "expected"),
    [
        (b"data: {}\n\n", 1, True),
        (b"event: e\ndata: {}\n\n", 1, True),
        (b"data: {}\n\nevent: e\ndata: {}\n\n", 2, True),
        (b"data: {} \n\n", 1, False),
        (b"data:  {}\n\n", 1, False),
        (b"data: [DONE]\n\n", 1, False),
        (b"data: data: {}\n\n", 1, False),
        (b"data: {}{}\n\n", 1, False),
        (b"data: {} {}\n\n", 1, False),
        (b'data: {}data: {"a":1}\n\n', 1, False),
        (b'data: {"a":{}\n\n', 1, False),
        (b'event: }\ndata: {"a":{}\n\n', 1, False),
        (b"event: {\ndata: {}\n\n", 1, True),
        (b"event: {\ndata: {}}\n\n", 1, False),
        (b"event: data: {\ndata: }\n\n", 1, False),
        (b'data: {"a":{}\n\ndata: {"b":1}}\n\n', 2, False),
        (b"data: {}\n\ndata: x\n\n", 2, False),
        (b"data: x}\n\ndata: {}\n\n", 2, False),
        (b"data: {x\n\ndata: {}\n\n", 2, False),
        ('data: {"a":"é"}\n\n'.encode(), 1, True),
        ('data: {"a":"\u2029"}\n\n'.encode(), 1, False),
    ],
)
def test_is_plain_json(chunk: bytes, events: int, expected: bool) -> None:
    """Only objects that no repair would touch pass unseen."""
    found = canonical_events(chunk)
    assert len(found) == events
    assert is_plain_json(chunk, found) is expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"{}", True),
        (b'{"a":{"b":{}}}', True),
        (b'{"a":{', False),
        (b'{"a":{}', False),
        (b"1}", False),
        (b"{}}", False),
        (b" {}", False),
        (b"{} ", False),
        (b"[]", False),
    ],
)
def test_seems_whole(payload: bytes, expected: bool) -> None:
    """It begins and ends as an object does, and closes what it opens."""
    assert seems_whole(payload) is expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"{}", True),
        (b'{"a":"data: {"}', True),
        (b"[DONE]", False),
        (b"{} ", False),
        (b'{"a":\n1}', False),
        (b'{"a":"}{"}', False),
        (b'{"a":"} {"}', False),
        (b'{"object":"error"}', False),
        (b'{"type":"error","message":"no"}', False),
        ('{"a":"\u2013é"}'.encode(), True),
        ('{"a":"\u2028"}'.encode(), False),
    ],
)
def test_is_plain_object(payload: bytes, expected: bool) -> None:
    """Whatever may need a repair is not plain."""
    assert is_plain_object(payload) is expected


@settings(max_examples=1000, deadline=None)
@given(data=st.lists(PIECES, max_size=12).map(b"".join))
def test_a_plain_object_needs_no_repair(data: bytes) -> None:
    """So whoever finds that it is whole need not ask for one."""
    payload = b"{" + data + b"}"
    if is_plain_object(payload) and is_complete_json(payload):
        assert repair_payload(payload, {}) == [payload]


@pytest.mark.parametrize("unit", [b"data:", b"}{", b"{}", b'{"a":1} ', b":\n", b"data: : x\n", b"[", b"{\n", b" "])
def test_work_is_linear_in_the_bytes(unit: bytes) -> None:
    """Twice the bytes are at most twice the calls, and megabytes take no more than moments of CPU."""

    def work(count: int) -> int:
        return calls_made(lambda: repair_payload(unit * count, {}))

    assert work(20_000) <= 2.1 * work(10_000) + 50
    assert cpu_seconds(lambda: repair_payload(unit * 200_000, {})) < 3
