"""Shared parts of the tests of ``sse-proxy tail``: bodies to decode, and the command as it is run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from click.testing import CliRunner, Result

from sse_proxy.cli import main
from sse_proxy.core.requests import classify
from sse_proxy.watch.decoder import Decoder
from sse_proxy.watch.marks import Ending, Mark

__all__ = [
    "BYE", "DONE", "EVENT_STREAM", "HELLO", "NDJSON", "SSE", "STOP", "chunk", "decoded", "decoder", "tail", "told",
]  # fmt: skip

#: The head of a response, but for what frames its body.
EVENT_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
#: Headers of a response.
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


async def tail(*arguments: str, **environ: str) -> Result:
    """Run the command in a thread, so that servers in the test's own loop can answer."""
    run = CliRunner(env={"NO_COLOR": None, "FORCE_COLOR": None, **environ}).invoke
    return await asyncio.to_thread(run, main, ["tail", *arguments], prog_name="sse-proxy", color=True)


async def told(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code and the objects of ``--json``."""
    result = await tail("--json", *arguments)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]
