"""`demo.defects` and `demo.blocks`: every malformed framing's bytes, and the text that a reader can restore."""

from __future__ import annotations

import re

import pytest

from sse_proxy.demo import answer, expected_text
from sse_proxy.demo.apis import Ask, api_for
from sse_proxy.demo.blocks import Block, to_bytes
from sse_proxy.demo.defects import DEFECTS, check_defects, parse_defects
from sse_proxy.demo.knobs import Knobs
from sse_proxy.demo.steps import Write
from sse_proxy.demo.stream_body import StreamBody
from sse_proxy.demo.text import spoken

CHAT = api_for("/v1/chat/completions")
_HEAD = '{"id":"chatcmpl-t","object":"chat.completion.chunk","created":0,"model":"mock","system_fingerprint":"fp_mock",'


def chunk(delta: str, finish: str = "null") -> str:
    """One chunk of the answer of two tokens, as JSON."""
    return f'{_HEAD}"choices":[{{"index":0,"delta":{{{delta}}},"logprobs":null,"finish_reason":{finish}}}]}}'


ROLE = chunk('"role":"assistant","content":""')
ONE = chunk('"content":"stream0 "')
TWO = chunk('"content":"café1 "')
FINISH = chunk("", '"stop"')
PAYLOADS = (ROLE, ONE, TWO, FINISH, "[DONE]")


def writes(defect: str, path: str = CHAT.path, tokens: int = 2) -> list[bytes]:
    """The writes of a stream of *tokens* with *defect*."""
    defects = parse_defects(defect)
    ask = Ask(id="t", created=0, tokens=spoken(tokens, bad_byte="invalid_utf8" in defects))
    knobs = Knobs(tokens=tokens, rate=0, defect=defects)
    return [step.data for step in StreamBody(api_for(path), ask, knobs).steps() if isinstance(step, Write)]


def blocks(form: str = "data: {}\n\n") -> list[bytes]:
    """One write a payload, each in *form*."""
    return [form.replace("{}", payload).encode() for payload in PAYLOADS]


def halves(payload: str) -> tuple[str, str]:
    """*payload* cut in the middle."""
    return payload[: len(payload) // 2], payload[len(payload) // 2 :]


def form(data: str) -> bytes:
    """One event."""
    return f"data: {data}\n\n".encode()


PRETTY_ONE = b"""\
data: {
data:   "id": "chatcmpl-t",
data:   "object": "chat.completion.chunk",
data:   "created": 0,
data:   "model": "mock",
data:   "system_fingerprint": "fp_mock",
data:   "choices": [
data:     {
data:       "index": 0,
data:       "delta": {
data:         "content": "stream0 "
data:       },
data:       "logprobs": null,
data:       "finish_reason": null
data:     }
data:   ]
data: }

"""


WIRE: list[tuple[str, list[bytes]]] = [
    ("none", blocks()),
    ("extra_blank_lines", blocks("\ndata: {}\n\n\n\n")),
    ("single_newline", blocks("data: {}\n")),
    ("no_space", blocks("data:{}\n\n")),
    ("double_data", blocks("data: data: {}\n\n")),
    ("cr", blocks("data: {}\r\r")),
    ("crlf", blocks("data: {}\r\n\r\n")),
    ("no_space,crlf", blocks("data:{}\r\n\r\n")),
    ("bom", [b"\xef\xbb\xbf" + blocks()[0], *blocks()[1:]]),
    ("no_final_blank_line", [*blocks()[:-1], b"data: [DONE]"]),
    ("retry_field", [b"retry: 3000\n\n", *blocks()]),
    ("comment_in_data", [part for block in blocks() for part in (b"data: : keepalive\n\n", block)]),
    ("empty_data", [part for block in blocks() for part in (b"data: \n\n", block)]),
    ("literal_newlines", [*blocks("data: {}\\n\\n\n\n")[:-1], blocks()[-1]]),
    (
        "split_json",
        [*(form(part) for payload in PAYLOADS[:-1] for part in halves(payload)), blocks()[-1]],
    ),
    ("bare_json", [payload.encode() for payload in PAYLOADS]),
    ("bare_lines", [f"{payload}\n".encode() for payload in PAYLOADS]),
    ("nul_delimited", [f"{payload}\0".encode() for payload in PAYLOADS]),
    ("id_lines", [b"id: %d\n" % number + block for number, block in enumerate(blocks(), 1)]),
    ("concatenated_json", [blocks()[0], f"data: {ONE}{TWO}\n\n".encode(), *blocks()[3:]]),
    ("coalesced", [b"".join(blocks()[:3]), b"".join(blocks()[3:])]),
    ("crlf_split", [part for block in blocks() for part in (block[:-2] + b"\r", b"\n\r", b"\n")]),
    ("invalid_utf8", [block.replace(b"stream0 ", b"stream0 \xff") for block in blocks()]),
    ("split_bytes", [bytes([byte]) for byte in b"".join(blocks())]),
    (
        "split_utf8",
        [*blocks()[:2], *re.split(rb"(?<=\xc3)", blocks()[2]), *blocks()[3:]],
    ),
]


@pytest.mark.parametrize("defect,expected", WIRE)
def test_defect_is_written_as_these_bytes(defect: str, expected: list[bytes]) -> None:
    """Each defect is exactly the malformed framing that its name tells, at the boundaries of writes too."""
    assert expected == writes(defect)


def test_multi_line_data_is_pretty_printed_json_over_data_lines() -> None:
    """One ``data`` line for each line of the pretty-printed document; ``[DONE]`` stays as it is."""
    written = writes("multi_line_data")
    assert written[1] == PRETTY_ONE
    assert written[-1] == b"data: [DONE]\n\n"


def test_concatenated_events_have_one_type_and_leave_an_odd_one_alone() -> None:
    """Only token events of one type are joined; three tokens make a pair and a single."""
    bodies = writes("concatenated_json", "/v1/messages", tokens=3)
    deltas = [body for body in bodies if b"event: content_block_delta" in body]
    assert [body.count(b'"text_delta"') for body in deltas] == [2, 1]
    assert all(body.count(b"event: ") == 1 for body in bodies)
    assert len(writes("none", "/v1/messages", tokens=3)) - 1 == len(bodies)


def test_a_lone_token_is_not_joined_to_anything() -> None:
    """A stream whose last block is a token is complete all the same."""
    assert writes("concatenated_json", "/events", tokens=1) == [b"data: stream0 \n\n"]


def test_every_defect_has_its_bytes_told() -> None:
    """The two tests above know all names."""
    names = {name for defect, _ in WIRE for name in defect.split(",")} | {"multi_line_data"}
    assert DEFECTS | {"none"} == names


def test_named_events_and_comments_are_canonical_blocks() -> None:
    """Fields come in the order that real servers use, several data lines where the data has line ends."""
    block = Block(comment="c", id="7", event="e", retry=5, data="a\n\nb")
    assert to_bytes(block) == b": c\nid: 7\nevent: e\nretry: 5\ndata: a\ndata: \ndata: b\n\n"


def test_expected_text_is_the_answer_with_the_bad_byte_replaced() -> None:
    """All defects can be undone but for the byte that is no UTF-8, which reads as U+FFFD."""
    text = "".join(answer(5))
    assert text == expected_text("openai_chat", 5)
    assert text == expected_text("anthropic", 5, "crlf,bom")
    assert text.replace("stream0 ", "stream0 \N{REPLACEMENT CHARACTER}") == expected_text("generic", 5, "invalid_utf8")
    assert "stream0 xxx" + "".join(answer(5)[2:]) == expected_text("openai_chat", 5, huge=3)
    assert "stream0 \u2028\u2029\x85" + "".join(answer(5)[1:]) == expected_text("openai_chat", 5, separators=True)


def test_answer_is_numbered_and_holds_what_breaks_readers() -> None:
    """The same words every time, numbered, with quotes, line ends, JSON seams and characters of two to four bytes."""
    text = "".join(answer(20))
    assert answer(40)[:20] == answer(20)
    assert [str(number) in token for number, token in enumerate(answer(40))] == [True] * 40
    assert all(part in text for part in ('"', "\n", "\n\n", "}{", "\\", "é", "日", "🌊", "[DONE]", "data: "))
    assert [] == answer(0) == spoken(0, bad_byte=True)


@pytest.mark.parametrize("defect", ["single_newline", "concatenated_json", "crlf,double_data"])
def test_generic_payloads_cannot_be_restored_from_what_needs_json(defect: str) -> None:
    """Plain text has no seams to find, so the mock refuses to promise anything."""
    with pytest.raises(ValueError, match="only JSON payloads"):
        expected_text("generic", 3, defect)
    check_defects("openai_chat", parse_defects(defect))


def test_unknown_defect_is_named() -> None:
    """A misspelt defect must not pass for a clean stream."""
    with pytest.raises(ValueError, match="no such defect: clrf; known: bare_json"):
        parse_defects("crlf, clrf")
