"""CPU time of the pure pipeline per chunk: the fast path, and beside it the ways round it.

python bench/pipeline_cost.py [--against CHECKOUT] [--rounds 9]

With ``--against`` another checkout of the project is measured in the same run. Each round is a process of its own and
the two take turns, so that a busy machine is busy for both. What the other one does not know is left out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.rounds import HERE, round_of

#: Each round feeds so many chunks.
_CHUNKS = 20_000
#: A stream of so many, and then the next one, as in life.
_CHUNKS_A_STREAM = 500
_LIMIT = 1 << 25

Made = tuple[Callable[[], Any], bytes, list[bytes]]


def _event(document: object, kind: str = "") -> bytes:
    named = f"event: {kind}\n" if kind else ""
    return f"{named}data: {json.dumps(document, separators=(',', ':'))}\n\n".encode()


_CHUNK = {"id": "chatcmpl-9xYz", "object": "chat.completion.chunk", "created": 1730000000, "model": "llama-3.1-8b"}
_CHAT = _event({**_CHUNK, "choices": [{"index": 0, "delta": {"content": " token"}, "finish_reason": None}]})
_ANTHROPIC = _event(
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " token"}},
    "content_block_delta",
)
_RESPONSES = _event(
    {
        "type": "response.output_text.delta",
        "item_id": "msg_67c9fdcf37fc8190",
        "output_index": 0,
        "content_index": 0,
        "delta": " token",
        "sequence_number": 42,
    },
    "response.output_text.delta",
)
_OLLAMA = b'{"model":"llama3.2","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":" token"},'
_OLLAMA += b'"done":false}\n'


def _pipeline(path: str, **options: object) -> Callable[[], Any]:
    """What makes a fresh pipeline for a request to *path*, in whichever checkout this runs."""
    dialects = importlib.import_module("sse_proxy.core.dialects")
    pipeline = importlib.import_module("sse_proxy.core.pipeline")
    dialect = dialects.dialect_for("POST", path)
    return lambda: pipeline.Pipeline(
        dialect,
        state=dialects.StreamState(),
        max_event_bytes=_LIMIT,
        **{name: make() if callable(make) else make for name, make in options.items()},
    )


def _fast_paths() -> dict[str, Callable[[], Made]]:
    chat, messages, responses = "/v1/chat/completions", "/v1/messages", "/v1/responses"
    created = _event({"type": "response.created", "response": {"id": "r"}, "sequence_number": 0}, "response.created")
    return {
        "OpenAI chat, an event a chunk": lambda: (_pipeline(chat), _CHAT, [_CHAT]),
        "OpenAI chat, 4 events a chunk": lambda: (_pipeline(chat), _CHAT, [_CHAT * 4]),
        "Anthropic": lambda: (_pipeline(messages), _ANTHROPIC, [_ANTHROPIC]),
        "Responses": lambda: (_pipeline(responses), created, [_RESPONSES]),
        "generic": lambda: (_pipeline("/stream"), b"data: a token\n\n", [b"data: a token\n\n"]),
    }


def _detours() -> dict[str, Callable[[], Made]]:
    chat = "/v1/chat/completions"
    return {
        "CRLF": lambda: (_pipeline(chat), _CHAT, [_CHAT.replace(b"\n", b"\r\n")]),
        "two reads an event": lambda: (_pipeline(chat), _CHAT, [_CHAT[:90], _CHAT[90:]]),
        "numbered": lambda: (_pipeline(chat, numbering=_numbering), _CHAT, [_CHAT]),
        "output=openai": lambda: (_pipeline(chat, shape=_shape("openai")), _CHAT, [_CHAT]),
        "output=tokens": lambda: (_pipeline(chat, shape=_shape("tokens")), _CHAT, [_CHAT]),
        "NDJSON to SSE": lambda: (_pipeline("/api/chat", framing=_framing("NDJSON")), _OLLAMA, [_OLLAMA]),
        "AWS to SSE": lambda: (_pipeline("/model/m/converse-stream", framing=_framing("AWS")), _aws(), [_aws()]),
    }


def _numbering() -> object:
    return importlib.import_module("sse_proxy.core.numbering").Numbering("0" * 32, apart=False)


def _shape(output: str) -> Callable[[], object]:
    make = importlib.import_module("sse_proxy.core.shapes").shape_for
    return lambda: make(output, identity={"id": "chatcmpl-1", "created": 1, "model": "m"})


def _framing(name: str) -> object:
    return importlib.import_module("sse_proxy.core.framers").Framing[name]


def _aws() -> bytes:
    encode = importlib.import_module("sse_proxy.core.framers.aws").encode_message
    headers = {":message-type": "event", ":event-type": "contentBlockDelta"}
    message: bytes = encode(headers, b'{"contentBlockIndex":0,"delta":{"text":" token"},"p":"abcdefgh"}')
    return message


def _nanoseconds(made: Made) -> float:
    """CPU per chunk, the first of each stream not counted."""
    make, first, chunks = made
    repeated = chunks * (_CHUNKS_A_STREAM // len(chunks))
    spent = 0
    for _ in range(_CHUNKS // _CHUNKS_A_STREAM):
        pipeline = make()
        pipeline.feed(first)
        feed = pipeline.feed
        started = time.process_time_ns()
        for chunk in repeated:
            feed(chunk)
        spent += time.process_time_ns() - started
    return spent / _CHUNKS


def _measure() -> None:
    """One round, as JSON."""
    found: dict[str, float] = {}
    for name, made in {**_fast_paths(), **_detours()}.items():
        try:
            ready = made()
            ready[0]()
        except (AttributeError, ImportError, TypeError):
            continue  # a checkout of before there was such a thing
        found[name] = _nanoseconds(ready)
    sys.stdout.write(json.dumps(found))


def _told(rounds: list[float]) -> str:
    return f"{statistics.median(rounds):.0f} | {min(rounds):.0f}-{max(rounds):.0f}"


def _table(here: list[dict[str, float]], there: list[dict[str, float]]) -> None:
    print("| chunk | ns, median | min-max |" + (" before | min-max | ratio |" if there else ""))
    print("|---|---|---|" + ("---|---|---|" if there else ""))
    for name in here[0]:
        ours = [found[name] for found in here]
        line = f"| {name} | {_told(ours)} |"
        if there and name in there[0]:
            theirs = [found[name] for found in there]
            line += f" {_told(theirs)} | {statistics.median(ours) / statistics.median(theirs):.2f} |"
        elif there:
            line += " | | |"
        print(line)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="measure that one too, in turns")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--round", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.round:
        _measure()
        return
    here: list[dict[str, float]] = []
    there: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        here.append(round_of(__file__, HERE))
        if arguments.against is not None:
            there.append(round_of(__file__, arguments.against.resolve()))
    _table(here, there)


if __name__ == "__main__":
    main()
