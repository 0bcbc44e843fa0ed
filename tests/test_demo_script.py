"""`demo.script` and `demo.codings`: whole responses as steps, coded and not, and what comes instead of a stream."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from sse_proxy.demo.knobs import Knobs
from sse_proxy.demo.script import document_steps, download_steps
from sse_proxy.demo.steps import Abort, Start, Wait, Write

from .test_demo_stream_body import WHOLE, body, play

_DECODERS: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31).decompress,
    "deflate": lambda: zlib.decompressobj().decompress,
    "br": lambda: brotli.Decompressor().process,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
}


@pytest.mark.parametrize("encoding", _DECODERS)
def test_coded_stream_gives_every_event_at_once(encoding: str) -> None:
    """Each write can be decoded without the next one, and the body ends as the coding demands."""
    steps = play(f"encoding={encoding}")
    assert isinstance(steps[0], Start)
    assert (b"content-encoding", encoding.encode()) in steps[0].headers
    decode = _DECODERS[encoding]()
    pieces = [decode(step.data) for step in steps if isinstance(step, Write)]
    assert [*(step.data for step in WHOLE if isinstance(step, Write)), b""] == pieces


def test_coding_is_not_finished_where_the_connection_dies() -> None:
    """A cut gzip body is corrupt for who reads it to its end."""
    with pytest.raises(EOFError):
        gzip.decompress(body(play("encoding=gzip&die_after=2")))
    assert body(WHOLE) == gzip.decompress(body(play("encoding=gzip")))


@pytest.mark.parametrize(
    "query,media_type,start",
    [
        ("body=html", b"text/html; charset=utf-8", b"<!doctype html>"),
        ("body=json", b"application/json", b'{"id":"chatcmpl-t","object":"chat.completion",'),
        ("body=empty", b"text/event-stream; charset=utf-8", b""),
        ("body=html&content_type=text/event-stream", b"text/event-stream", b"<!doctype html>"),
        ("content_type=text/plain", b"text/plain", b"data: {"),
        ("content_type=none", None, b"data: {"),
    ],
)
def test_something_else_under_a_200(query: str, media_type: bytes | None, start: bytes) -> None:
    """The body and its Content-Type can be wrong independently."""
    steps = play(query)
    assert isinstance(steps[0], Start)
    assert media_type == dict(steps[0].headers).get(b"content-type")
    assert body(steps).startswith(start)
    assert bool(start) == bool(body(steps))


def test_documents_have_their_length_and_no_content_has_none() -> None:
    """A JSON answer is under its Content-Length; 204 has neither type nor body; a coded one is chunked."""
    start, write = (step for step in document_steps(Knobs(), 200, {"a": "é"}) if not isinstance(step, Wait))
    assert Start(200, [(b"content-type", b"application/json"), (b"content-length", b"10")]) == start
    assert Write('{"a":"é"}'.encode()) == write
    assert [Wait(0), Start(204, [])] == list(document_steps(Knobs(), 204, {}))
    coded = next(step for step in document_steps(Knobs(encoding="br"), 200, {}) if isinstance(step, Start))
    assert [name for name, _ in coded.headers] == [b"content-type", b"content-encoding"]


def test_download_is_that_many_bytes_and_can_be_cut() -> None:
    """Pieces of 64 KiB; a cut counts pieces."""
    whole = list(download_steps(Knobs(size_bytes=150_000)))
    assert len(body(whole)) == 150_000
    assert (b"content-length", b"150000") in next(step.headers for step in whole if isinstance(step, Start))
    assert [len(step.data) for step in whole if isinstance(step, Write)] == [65_536, 65_536, 18_928]
    assert [*whole[:3], Abort()] == list(download_steps(Knobs(size_bytes=150_000, die_after=1)))
    assert [*whole[:3], Wait(math.inf)] == list(download_steps(Knobs(size_bytes=150_000, stall_after=1)))
