"""What the fake upstream writes: streams of OpenAI chat and Anthropic whose tokens tell when they were sent.

The text of a token ends with a mark, ``@SEQUENCE.NANOSECONDS`` (the clock that all processes of a machine share), which
every server that passes text on leaves as it is, whatever it does to the JSON around it. The texts vary, as those of a
model do. Each event is an HTTP chunk of its own, ready to be written.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

__all__ = ["LAST_CHUNK", "MARK", "MARK_SIGN", "Form", "block", "chunk", "form_for"]

#: Finds the marks in what has arrived.
MARK = re.compile(rb"@(\d{8})\.(\d{20})")
#: One of these a token and nowhere else, so that counting them counts events in any cut.
MARK_SIGN = b"@"
LAST_CHUNK = b"0\r\n\r\n"

_SLOT = "@%08d.%020d"
_WORDS = (
    " the", " lantern", " of", " a", " quiet", " harbour", " was", " lit", " before", " anyone", " had", " asked", ",",
    " and", " its", " keeper", " counted", " ships", " as", " others", " count", " sheep", ".", " In", " winter", " –",
    " naïve", " hope", " –", " she", " wrote", " letters", "\n\n", " Seventeen", ' "gulls"', " answered", "!",
)  # fmt: skip
_CHAT = {"id": "chatcmpl-8f2e1c", "object": "chat.completion.chunk", "created": 1764000000, "model": "bench"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """One API in one framing, as HTTP chunks."""

    #: What comes before the first token.
    opening: bytes
    #: Token n is ``tokens[n % len(tokens)] % (n, nanoseconds)``.
    tokens: tuple[bytes, ...]
    #: What comes after the last one; the body's last chunk is not in it.
    closing: bytes


def chunk(data: bytes) -> bytes:
    """*data* as one chunk (RFC 9112 § 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def form_for(path: str, *, crlf: bool = False) -> Form:
    """The form of the API at *path*, Anthropic's or else OpenAI chat; with *crlf* its lines end as Windows' do."""
    opening, tokens, closing = _anthropic() if path.endswith("/messages") else _chat()
    end = "\r\n" if crlf else "\n"
    return Form(
        opening=b"".join(_chunk_of(event, end) for event in opening),
        tokens=tuple(_template(event, end) for event in tokens),
        closing=b"".join(_chunk_of(event, end) for event in closing),
    )


def block(form: Form, count: int, *, together: bool, first: int = 0) -> bytes:
    """*count* tokens from number *first* on for one write: each a chunk, or, where they are *together*, all one chunk.

    Nobody asks when these were sent: their marks hold 0.
    """
    chunks = [form.tokens[number % len(form.tokens)] % (number, 0) for number in range(first, first + count)]
    if not together:
        return b"".join(chunks)
    return chunk(b"".join(each[each.index(b"\r\n") + 2 : -2] for each in chunks))


def _template(event: str, end: str) -> bytes:
    """The chunk of *event* with the mark's numbers left open; marks are all equally long, so its length is known."""
    return _chunk_of(event % (0, 0), end).replace((_SLOT % (0, 0)).encode(), _SLOT.encode())


def _chunk_of(event: str, end: str) -> bytes:
    return chunk(event.replace("\n", end).encode())


def _event(document: object, name: str = "") -> str:
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {data}\n\n" if name else f"data: {data}\n\n"


def _chat() -> tuple[list[str], list[str], list[str]]:
    def event(delta: dict[str, str], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**_CHAT, "choices": [choice]})

    tokens = [event({"content": word + _SLOT}) for word in _WORDS]
    return [event({"role": "assistant", "content": ""})], tokens, [event({}, "stop"), "data: [DONE]\n\n"]


def _anthropic() -> tuple[list[str], list[str], list[str]]:
    def event(kind: str, **fields: object) -> str:
        return _event({"type": kind, **fields}, kind)

    message = {"id": "msg_01Bench", "type": "message", "role": "assistant", "model": "bench", "content": []}
    usage = {"input_tokens": 8, "output_tokens": 1}
    opening = [
        event("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": usage}),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    ]
    tokens = [
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": word + _SLOT}) for word in _WORDS
    ]
    closing = [
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 99}),
        event("message_stop"),
    ]
    return opening, tokens, closing
