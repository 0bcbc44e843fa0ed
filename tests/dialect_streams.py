"""Streams of every dialect for the tests of the core: sound ones, and pieces to build all kinds of wrong ones from."""

from __future__ import annotations

from typing import Literal

from hypothesis import strategies as st

from sse_proxy.core.dialects import DIALECTS, GENERIC, Dialect, StreamState
from sse_proxy.core.dialects.generic import generic_with_terminal
from sse_proxy.core.framers import Framing
from sse_proxy.core.numbering import Numbering
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.errors import UpstreamProtocolError

from .dialect_samples import SAMPLES

__all__ = [
    "ALL",
    "COMPLETE",
    "DONE",
    "FINISH",
    "LIMIT",
    "SOUND",
    "SPOILED",
    "TOKEN",
    "drained",
    "facts",
    "pipeline",
    "streams",
    "survived",
]

LIMIT = 1 << 20

#: A chat answer at its shortest is these three.
TOKEN = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"

ALL: dict[str, Dialect] = {
    **{dialect.name: dialect for dialect in (*DIALECTS, GENERIC) if dialect.framing is Framing.SSE},
    "terminal": generic_with_terminal("done"),
}

#: What servers get wrong, and what makes a chunk fit for the slow path only.
SPOILED = (
    *(b"\n", b"\r\n", b"\r", b": ping\n", b": ping\n\n", b":", b"\xef\xbb\xbf", b"\xff", b"data: ", b"data:"),
    *(b"}{", b" ", b"data: {}\ndata: {}\n\n", b"data: [DONE]\n", b"data: {}", b"data: x\xff\n\n"),
    *(b"data: data: {}\n\n", b"data: : keepalive\n\n", b"data:\n\n", b"data: text\n\n", b"data: {}{}\n\n"),
    *(b"data:  {}\n\n", b"data: {\ndata: }\n\n", b"data: {}\n", b"event: ping\n", b"error: {}\n\n"),
    *(b"id: 1\n", b"id:\n", b"id: 2\n\n", b"retry: 9\n\n", b"event: \n", b"event: e\n"),
    *(b"id: 3\ndata: {}\n\n", b"event: \ndata: {}\n\n", b"data: {}\nevent: late\n\n", b"data: {}\n\ndata: {}\n\n"),
    *(b'data: {"error":{"message":"no","code":429}}\n\n', b'data: {"error":null}\n\n', b'data: {"object":"error"}\n\n'),
)


def _named(kind: bytes, rest: bytes = b"") -> bytes:
    """One event whose payload tells its type again, as the APIs with named events do."""
    return b"event: " + kind + b'\ndata: {"type":"' + kind + b'"' + rest + b"}\n\n"


_CHAT = (
    b'data: {"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{"text":"a"},"finish_reason":null}]}\n\n',
    b'data: {"choices":[{"index":1,"delta":{},"finish_reason":null}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    b'data: {"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n',
    b'data: {"choices":[{"delta":{"content":"\\"error\\" }{ caf\xc3\xa9"}}]}\n\n',
    b"data: [DONE]\n\n",
)
_RESPONSES = (
    _named(b"response.created", b',"sequence_number":0,"response":{"id":"r","model":"m"}'),
    _named(b"response.in_progress", b',"sequence_number":1,"response":{"id":"x"}'),
    _named(b"response.output_text.delta", b',"sequence_number":7,"delta":"a"'),
    _named(b"response.output_text.delta", b',"delta":"b"'),
    _named(b"keepalive", b',"sequence_number":7'),
    _named(b"response.completed", b',"response":{"usage":{"input_tokens":3}}'),
    _named(b"response.failed", b',"response":{"error":{"message":"no"}}'),
    _named(b"error", b',"message":"no"'),
)
_ANTHROPIC = (
    _named(b"message_start", b',"message":{"usage":{"input_tokens":3,"output_tokens":1}}'),
    _named(b"content_block_delta", b',"index":0,"delta":{"text":"a"}'),
    b'event: ping\ndata: {"type": "ping"}\n\n',
    _named(b"message_delta", b',"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}'),
    _named(b"message_stop"),
    _named(b"error", b',"error":{"type":"overloaded_error","message":"no"}'),
)
_GENERIC = (
    *(b"data: a\n\n", b"event: e\ndata: a\n\n", b"data: a\n\ndata: b\n\n"),
    *(b"event: done\ndata: \n\n", b"data: done\n\n"),
)

#: Events of each dialect.
SOUND: dict[str, tuple[bytes, ...]] = {
    **{name: (*SAMPLES[name].records, *(SAMPLES[name].error or ())[:1]) for name in ALL if name in SAMPLES},
    "openai_chat": _CHAT,
    "openai_completions": _CHAT,
    "openai_responses": _RESPONSES,
    "anthropic": _ANTHROPIC,
    "generic": _GENERIC,
    "terminal": _GENERIC,
}

#: A whole and canonical answer in each dialect.
COMPLETE: dict[str, bytes] = {
    **{name: SAMPLES[name].body.replace(b"\r", b"") for name in ALL if name in SAMPLES},
    "openai_chat": _CHAT[0] * 3 + _CHAT[2] + _CHAT[4] + _CHAT[6],
    "openai_completions": _CHAT[0] * 3 + _CHAT[2] + _CHAT[6],
    "openai_responses": b"".join(_RESPONSES[at] for at in (0, 1, 2, 2, 5)),
    "anthropic": b"".join(_ANTHROPIC[at] for at in (0, 1, 1, 3, 4)),
    "generic": _GENERIC[0] + _GENERIC[1],
    # As we write them: the id first, and nothing without data.
    "replicate": b"id: 1:0\nevent: output\ndata: Hello\n\nid: 2:0\nevent: done\ndata: {}\n\n",
    "langserve": b'event: metadata\ndata: {"run_id":"r"}\n\nevent: data\ndata: "Hello"\n\nevent: end\ndata: \n\n',
    "mcp": b'id: 1\nretry: 500\ndata: \n\nevent: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n',
    "terminal": _GENERIC[0] + _GENERIC[3],
}


def streams(dialect: str) -> st.SearchStrategy[bytes]:
    """Streams of *dialect*: mostly sound events in any order, spoiled here and there, ended anywhere."""
    sound = st.sampled_from(SOUND[dialect])
    piece = st.one_of(sound, sound, sound, st.sampled_from(SPOILED), st.binary(max_size=3))
    return st.lists(piece, max_size=14).map(b"".join)


def pipeline(
    dialect: str, *, rewrite: bool = True, limit: int = LIMIT, choices: int = 1, ids: Literal["", "in", "apart"] = ""
) -> Pipeline:
    """A fresh pipeline for a stream of *dialect*; *ids*: of ours, in the events or in front of them."""
    return Pipeline(
        ALL[dialect],
        state=StreamState(choices=choices, wants_ids_apart=ids == "apart"),
        max_event_bytes=limit,
        rewrite=rewrite,
        numbering=Numbering("0" * 32, apart=ids == "apart") if ids else None,
    )


def drained(dialect: str, *chunks: bytes, rewrite: bool = True) -> tuple[bytes, Pipeline]:
    """What the client gets for *chunks* and the end of the body, and the pipeline that it came from."""
    of_body = pipeline(dialect, rewrite=rewrite)
    output = b"".join([*map(of_body.feed, chunks), of_body.flush()])
    return output, of_body


def survived(dialect: str, *chunks: bytes, rewrite: bool = True) -> bool:
    """Whether a stream of *chunks* comes to its end; False where a part of an event was lost on the way."""
    try:
        drained(dialect, *chunks, rewrite=rewrite)
    except UpstreamProtocolError:
        return False
    return True


def facts(of_body: Pipeline, dialect: str) -> dict[str, object]:
    """Everything that a caller can learn from a pipeline, in comparable form."""
    state, row = of_body.state, ALL[dialect]
    error = None if state.error is None else (str(state.error), state.error.http_status, state.error.body)
    names = ("choices", "identity", "started", "has_ids", "seen_choices", "finished_choices", "finished", "terminated")
    return {
        **{name: getattr(state, name) for name in (*names, "usage", "complete")},
        "error": error,
        "noop": row.noop(state),
        "events": of_body.events,
        "repairs": of_body.repairs,
        "over": of_body.over,
        "between_events": of_body.between_events,
        "began_with_error": of_body.began_with_error,
    }
