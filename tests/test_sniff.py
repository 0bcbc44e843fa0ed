"""`core.sniff`: what a body is by its first bytes."""

from __future__ import annotations

import pytest

from sse_proxy.core.sniff import SNIFF_BYTES, Kind, sniff


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"data: 1\n", Kind.SSE),
        (b"data:{", Kind.SSE),
        (b"event: x", Kind.SSE),
        (b"id:1", Kind.SSE),
        (b"retry: 1", Kind.SSE),
        (b": ping", Kind.SSE),
        (b"\xef\xbb\xbfdata: 1", Kind.SSE),
        (b"\r\n\n data: 1", Kind.SSE),
        (b'{"error":1}', Kind.JSON),
        (b" [1]", Kind.JSON),
        (b"<!doctype html>", Kind.HTML),
        (b"\n<html>", Kind.HTML),
        (b"hello", Kind.OTHER),
        (b"database", Kind.OTHER),
        (b"data\n", Kind.OTHER),
        (b"\x1f\x8b", Kind.OTHER),
        (b"", None),
        (b"\xef", None),
        (b"\xef\xbb\xbf", None),
        (b" \n", None),
        (b"d", None),
        (b"data", None),
        (b"\nre", None),
        (b" " * SNIFF_BYTES, Kind.OTHER),
    ],
)
def test_sniff(head: bytes, kind: Kind | None) -> None:
    """A field or a comment is an event stream, brackets are JSON; what may still become either needs more bytes."""
    assert sniff(head) is kind


@pytest.mark.parametrize("body", [b"data: 1\n\n", b"\xef\xbb\xbf\n: x\n", b"<html>", b"[1]", b"\r\n{}", b"text"])
def test_more_bytes_never_change_the_answer(body: bytes) -> None:
    """Once told, the kind stays."""
    kinds = [sniff(body[:size]) for size in range(len(body) + 1)]
    told = [kind for kind in kinds if kind is not None]
    assert told
    assert set(told) == {told[0]}
    assert kinds == [None] * (len(kinds) - len(told)) + told
