"""Where the fuzzer starts from: samples of every dialect, recordings, parser vectors, and all of them spoiled."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator

import brotli
import zstandard

from sse_proxy.core.framers import Framing
from tests.dialect_samples import SAMPLES
from tests.event_streams import CAPTURES, capture_body, vectors

from .case import BETWEEN_EVENTS, head

__all__ = ["MAX_BODY_BYTES", "spoiled", "starts"]

MAX_BODY_BYTES = 4088

#: A word in the name of a recording → what it speaks, where that is not OpenAI chat.
_RECORDED = {
    "messages": "anthropic",
    "responses": "openai_responses",
    "native": "llamacpp",
    "v1": "openai_completions",
}
_NUMBERED, _APART, _RECOGNISES = 1, 3, 4

#: The malformed framings of the catalogue (formats.md § A4), each made of a sound stream.
_DEFECTS: tuple[Callable[[bytes], bytes], ...] = (
    lambda body: body.replace(b"data: ", b"data:"),
    lambda body: body.replace(b"\n", b"\r\n"),
    lambda body: body.replace(b"\n", b"\r"),
    lambda body: body.replace(b"\n\n", b"\n"),
    lambda body: body.replace(b"}\n\n", b"}\\n\\n\n\n"),
    lambda body: body.replace(b"}\n\ndata: {", b"}{", 1),
    lambda body: body.replace(b",", b",\ndata: "),
    lambda body: body.replace(b",", b",\n\ndata: ", 2),
    lambda body: body.replace(b"data: ", b"data: data: "),
    lambda body: body.replace(b"data: ", b"data: : keepalive\n\ndata: ", 2),
    lambda body: body.replace(b'"}', b'data: {"id', 1),
    lambda body: body.removesuffix(b"\n"),
    lambda body: body.removesuffix(b"data: [DONE]\n\n"),
    lambda body: b"\xef\xbb\xbf" + body,
    lambda body: body.replace(b"data: ", b"data: \n\ndata: ", 2),
    lambda body: body.replace(b"\n\n", b"\n\n: ping\n\n"),
    lambda body: body.replace(b"\n\n", b"\n\nevent: ping\ndata: {}\n\n", 2),
    lambda body: body.replace(b"\n\n", b"\0").replace(b"data: ", b""),
    lambda body: body.replace(b"data: ", b"").replace(b"\n\n", b"\n"),
    lambda body: body.replace(b"data: ", b""),
    lambda body: b"[" + body.replace(b"data: ", b"").replace(b"\n\n", b",\n") + b"]",
    lambda body: b'error: {"code":500,"message":"no"}\n\n' + body,
    lambda body: body + b'data: {"object":"error","message":"no"}\n\n',
    lambda body: body.replace(b"data: ", b"id: 7\nretry: 10\ndata: "),
    lambda body: re.sub(rb"(?<=\n\n)event: .*\n", b"", body),
    lambda body: b"<!DOCTYPE html><p>" + body,
    lambda body: body.replace(b"\xc3", b"\xff"),
    lambda body: body[: len(body) * 2 // 3],
)


def spoiled(body: bytes) -> Iterator[bytes]:
    """*body* with each of the known defects that it can have."""
    for defect in _DEFECTS:
        if (found := defect(body)) != body:
            yield found


def starts() -> Iterator[bytes]:
    """The inputs."""
    for data in (*_samples(), *_large(), *_recordings(), *_vectors(), *_coded()):
        yield data[: 8 + MAX_BODY_BYTES]


def _samples() -> Iterator[bytes]:
    for name, sample in SAMPLES.items():
        body, error = sample.body, sample.error[0] if sample.error else b""
        for output in ("native", "openai", "tokens", None):
            yield head(name, output=output) + body
        for flags in (_NUMBERED, _APART):
            yield head(name, flags=flags, split=BETWEEN_EVENTS) + body
        yield head(name) + error
        yield head(name, split=BETWEEN_EVENTS) + body + error
        yield head(name, split=BETWEEN_EVENTS) + sample.records[0] + error
        if sample.framing is Framing.SSE:
            yield head("generic", flags=_RECOGNISES) + body
        for number, wrong in enumerate(spoiled(body)):
            yield head(name, split=BETWEEN_EVENTS * (number % 4) + number) + wrong
    yield head("terminal", split=3) + b"data: a\n\nevent: done\ndata: \n\n"


def _large() -> Iterator[bytes]:
    """Records over the limit, whole and without an end."""
    for number, (name, sample) in enumerate(SAMPLES.items()):
        long = sample.body.replace("Hé".encode(), b"x" * 2800)
        for limit in (256, 90, 30):
            for output in ("native", None):
                yield head(name, limit=limit, output=output, split=3 * BETWEEN_EVENTS + number) + long
            yield head(name, limit=limit, split=number) + sample.records[0] + long[: 30 + len(long) * 2 // 3]
    for start in (b"data: ", b"id: ", b"event: ", b":", b"{", b"data: {\n\ndata: ", b"data: a\n", b"retry: 1\n"):
        for name in ("generic", "openai_chat"):
            yield head(name, limit=90, split=BETWEEN_EVENTS) + start * 3 + (b"x" * 50 + start) * 60
            yield head(name, limit=90, split=1) + start + (b"y\n" + start) * 400


def _recordings() -> Iterator[bytes]:
    for path in sorted(CAPTURES.glob("*.txt")):
        name = next((dialect for word, dialect in _RECORDED.items() if word in path.stem), "openai_chat")
        yield head(name, split=BETWEEN_EVENTS) + capture_body(path.stem)


def _vectors() -> Iterator[bytes]:
    for vector in vectors():
        for name in ("generic", "openai_chat", "replicate"):
            yield head(name) + bytes.fromhex(vector["input_hex"])


def _coded() -> Iterator[bytes]:
    plain = SAMPLES["anthropic"].body
    yield head("anthropic", coding="gzip") + gzip.compress(plain, mtime=0) + gzip.compress(b"more", mtime=0)
    yield head("anthropic", coding="deflate") + zlib.compress(plain)
    yield head("anthropic", coding="deflate") + zlib.compress(plain, wbits=-15)
    yield head("anthropic", coding="br") + brotli.compress(plain)
    yield head("anthropic", coding="zstd") + zstandard.compress(plain) + zstandard.compress(b"more")
    for coding, bomb in (
        ("gzip", gzip.compress(bytes(1 << 20), mtime=0)),
        ("br", brotli.compress(bytes(1 << 22))),
        ("zstd", zstandard.compress(bytes(1 << 22))),
    ):
        yield head("generic", coding=coding) + bomb
