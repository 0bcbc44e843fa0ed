"""`core.sniff`: what a body is by its first bytes."""

from __future__ import annotations

import pytest

from sse_proxy.core.framers import Framing
from sse_proxy.core.headers import HeaderList
from sse_proxy.core.sniff import SNIFF_BYTES, Kind, framing_of_media_type, is_record_stream, sniff, sniff_whole

#: The prelude of an AWS message of 16 bytes without headers: both lengths, and the CRC of them.
PRELUDE = bytes.fromhex("0000001000000000") + bytes.fromhex("05c248eb")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"data: 1\n", Framing.SSE),
        (b"data:{", Framing.SSE),
        (b"event: x", Framing.SSE),
        (b"id:1", Framing.SSE),
        (b"retry: 1", Framing.SSE),
        (b": ping", Framing.SSE),
        (b"\xef\xbb\xbfdata: 1", Framing.SSE),
        (b"\r\n\n data: 1", Framing.SSE),
        (b'{"error":1}', Framing.JSON),
        (b'\x1e{"a":1}', Framing.JSON),
        (b" [1]", Framing.JSON_ARRAY),
        (b'0:"Hi"\n', Framing.DATA_STREAM),
        (b'e:{"finishReason":"stop"}', Framing.DATA_STREAM),
        (b"2:[1]", Framing.DATA_STREAM),
        (b"0:x", Kind.OTHER),
        (b"e: x", Kind.OTHER),
        (PRELUDE, Framing.AWS),
        (PRELUDE[:-1] + b"\0", Kind.BINARY),
        (PRELUDE[:11], None),
        (b"<!doctype html>", Kind.HTML),
        (b"\n<html>", Kind.HTML),
        (b"hello", Kind.OTHER),
        (b"foo: bar", Kind.OTHER),
        (b"database", Kind.OTHER),
        (b"data\n", Kind.OTHER),
        (b"\x1f\x8b", Kind.BINARY),
        (b"PK\x03\x04", Kind.BINARY),
        (b"\x1b[1mbold", Kind.OTHER),
        (b"", None),
        (b"\xef", None),
        (b"\xef\xbb\xbf", None),
        (b" \n", None),
        (b"0", None),
        (b"g:", None),
        (b"d", None),
        (b"data", None),
        (b"\nre", None),
        (b" " * SNIFF_BYTES, Kind.OTHER),
    ],
)
def test_sniff(head: bytes, kind: Framing | Kind | None) -> None:
    """A field or a comment is an event stream, brackets are JSON; what may still become either needs more bytes."""
    assert kind is sniff(head)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"error: {}", Framing.SSE),
        (b"foo: bar\ndata: 1", Framing.SSE),
        (b"foo-bar:\r\n\r\nerror: no\r\n: x", Framing.SSE),
        (b"foo: bar", None),
        (b"foo: bar\n", None),
        (b"foo: bar\n\nda", None),
        (b"erro", None),
        (b"error: {", Framing.SSE),
        (b"Answer: 42\n\nThat is all", Kind.OTHER),
        (b"Answer: 42\nbecause\n", Kind.OTHER),
        (b"Answer: " + b"42" * SNIFF_BYTES, Kind.OTHER),
        (b"Hello world", Kind.OTHER),
        (b"Hello\n", Kind.OTHER),
        (b"\xc3\xa9t\xc3\xa9", Kind.OTHER),
        (b"{}", Framing.JSON),
        (b"data: 1", Framing.SSE),
    ],
)
def test_a_promised_event_stream_may_begin_with_any_field(head: bytes, kind: Framing | Kind | None) -> None:
    """Unknown fields are the standard's to ignore, where known ones follow; what is no field at all is text."""
    assert kind is sniff(head, Framing.SSE)


@pytest.mark.parametrize(
    "body",
    [
        b"data: 1\n\n",
        b"foo: bar\r\n\r\nid: 1\n",
        b"error: {}",
        b"No: 1\n2",
        b"\xef\xbb\xbf\n: x\n",
        b"<html>",
        b"[1]",
        b"\r\n{}",
        b"text",
        b'0:"a"\n',
        PRELUDE,
    ],
)
@pytest.mark.parametrize("promised", [None, Framing.SSE])
def test_more_bytes_never_change_the_answer(body: bytes, promised: Framing | None) -> None:
    """Once told, the kind stays."""
    kinds = [sniff(body[:size], promised) for size in range(len(body) + 1)]
    told = [kind for kind in kinds if kind is not None]
    if not told:
        assert body == b"text"  # might still be a field
        return
    assert set(told) == {told[0]}
    assert [None] * (len(kinds) - len(told)) + told == kinds


@pytest.mark.parametrize(
    ("body", "promised", "kind"),
    [
        (b"Hello", Framing.SSE, Kind.OTHER),
        (b"Answer: 42\n", Framing.SSE, Kind.OTHER),
        (b"\n\n", Framing.SSE, Framing.SSE),
        (b"", Framing.SSE, Framing.SSE),
        (b"", Framing.NDJSON, Framing.NDJSON),
        (b"", None, Kind.NOTHING),
        (b"da", None, Kind.OTHER),
    ],
)
def test_a_body_may_end_before_it_is_told(body: bytes, promised: Framing | None, kind: Framing | Kind) -> None:
    """What has promised events and begun none is text: nothing is lost by a field that nobody knows."""
    assert sniff_whole(body, promised) is kind


@pytest.mark.parametrize(
    ("kind", "framing"),
    [
        ("text/event-stream", Framing.SSE),
        ("application/x-ndjson", Framing.NDJSON),
        ("application/jsonl", Framing.NDJSON),
        ("application/vnd.amazon.eventstream", Framing.AWS),
        ("application/json", None),
        ("text/plain", None),
        ("", None),
    ],
)
def test_media_types_that_promise_a_framing(kind: str, framing: Framing | None) -> None:
    """JSON and text may be anything, streams and whole documents alike."""
    assert framing is framing_of_media_type(kind)


NDJSON = (b"content-type", b"application/x-ndjson")


@pytest.mark.parametrize(
    ("headers", "streams"),
    [
        ([NDJSON], True),
        ([(b"content-type", b"application/jsonl; charset=utf-8")], True),
        ([NDJSON, (b"content-length", b"3")], False),
        ([(b"content-type", b"text/event-stream")], False),
        ([(b"content-type", b"application/json")], False),
        ([], False),
    ],
)
def test_record_streams(headers: HeaderList, streams: bool) -> None:
    """Records of unknown length are made while they are read."""
    assert is_record_stream(headers) is streams
