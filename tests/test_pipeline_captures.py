"""`core.pipeline` on the recorded streams of a real server.

What it sent is canonical already, so nothing may change.
"""

from __future__ import annotations

import pytest

from sse_proxy.errors import Truncated

from .dialect_streams import drained, pipeline
from .event_streams import CAPTURES, capture_body, dechunked, reference_events, splits

STREAM_CAPTURES = {
    "llama-chat-progress": "openai_chat",
    "llama-chat-resumable": "openai_chat",
    "llama-completion-native": "generic",
    "llama-messages": "anthropic",
    "llama-responses": "openai_responses",
    "llama-stream": "openai_chat",
    "llama-stream-chunked": "openai_chat",
    "llama-v1-completions": "openai_completions",
}


#: Whether the finish signal and the terminator were seen; nothing is known of a native stream's own.
ENDINGS = {
    "openai_chat": (True, True),
    "openai_completions": (True, True),
    "openai_responses": (True, True),
    "anthropic": (True, True),
    "generic": (False, False),
}


@pytest.mark.parametrize(("name", "dialect"), STREAM_CAPTURES.items(), ids=STREAM_CAPTURES)
def test_captures_of_whole_streams_pass_unchanged(name: str, dialect: str) -> None:
    """A real server's stream comes out byte for byte as it went in, complete, without a repair."""
    body = capture_body(name)
    for chunks in splits(body, seed=8, rounds=8):
        output, of_body = drained(dialect, *chunks)
        assert output == body
        assert of_body.conclude() == b""
        assert of_body.repairs == {}
        assert of_body.events == len(reference_events(body))
        assert (of_body.state.finished, of_body.state.terminated) == ENDINGS[dialect]


@pytest.mark.parametrize(
    ("name", "dialect", "usage"),
    [
        ("llama-stream", "openai_chat", {"input": 30, "output": 48, "cached_input": 0}),
        ("llama-v1-completions", "openai_completions", {"input": 4, "output": 12, "cached_input": 1}),
        ("llama-messages", "anthropic", {"input": 5, "output": 16, "cached_input": 25}),
        ("llama-responses", "openai_responses", {"input": 30, "output": 16, "cached_input": 25}),
    ],
)
def test_usage_of_captures(name: str, dialect: str, usage: dict[str, int]) -> None:
    """The token counts are those that the server reported."""
    assert drained(dialect, capture_body(name))[1].state.usage == usage


@pytest.mark.parametrize("choices", [0, 2])
def test_capture_with_two_answers_is_complete_when_both_are(choices: int) -> None:
    """With n=2 every event is looked into, and the first finish is not the end."""
    body = capture_body("llama-chat-n2-logprobs")
    blocks = [block + b"\n\n" for block in body.removesuffix(b"\n\n").split(b"\n\n")]
    of_body = pipeline("openai_chat", choices=choices)
    ended = [bool(of_body.feed(block)) and of_body.over for block in blocks]
    finishes = [at for at, block in enumerate(blocks) if b'"finish_reason":"' in block]
    assert len(finishes) == 2
    assert ended.index(True) == finishes[-1]
    assert of_body.conclude() == b""
    assert len(of_body.state.finished_choices) == 2


def test_capture_of_a_killed_server_is_truncated() -> None:
    """What a SIGKILL left behind is told on, and never taken for whole."""
    body = capture_body("llama-stream-killed")
    for chunks in splits(body, seed=9):
        output, of_body = drained("openai_chat", *chunks)
        assert output == body
        with pytest.raises(Truncated):
            of_body.conclude()


def test_pings_of_a_capture_are_swallowed() -> None:
    """The three bytes that llama-server sends every second do not reach the client, however they are cut."""
    raw = (CAPTURES / "llama-stream-ping.txt").read_bytes().partition(b"\r\n\r\n")[2]
    chunks = dechunked(raw)
    assert chunks.count(b":\n\n") == 5
    wanted = b"".join(chunk for chunk in chunks if chunk != b":\n\n")
    output, of_body = drained("openai_chat", *chunks)
    assert output == wanted
    for cut in splits(b"".join(chunks), seed=10):
        assert drained("openai_chat", *cut)[0] == wanted
    assert of_body.repairs == {}
    assert of_body.state.complete
