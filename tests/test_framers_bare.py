"""`core.framers.bare`: JSON in an event stream that has no ``data:`` in front."""

from __future__ import annotations

import pytest

from sse_proxy.core.framers.bare import BareJSON


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        (b'{"error":1}', True),
        (b"[", True),
        (b' \t{"a":1}', True),
        (b"\0{}", True),
        (b"", False),
        (b"data: {}", False),
        (b'"a": 1', False),
        (b"}", False),
        (b"X{}", False),
    ],
)
def test_a_bracket_begins_a_document(line: bytes, begins: bool) -> None:
    """No field has a name that begins with one."""
    assert BareJSON.begins(line) is begins


@pytest.mark.parametrize(
    ("lines", "document"),
    [
        ([b'{"a":1}'], b'{"a":1}'),
        ([b' {"a":1} '], b'{"a":1}'),
        ([b"\0{}\0"], b"{}"),
        ([b"{", b'  "error": {', b'    "message": "} {"', b"  }", b"}"], b'{  "error": {    "message": "} {"  }}'),
        ([b"[", b"{}", b"]"], b"[{}]"),
        ([b"{}{}"], b"{}{}"),
        ([b"{", b"} rest"], b"{} rest"),
        ([b"X{}X"], b"X{}X"),
    ],
)
def test_a_document_comes_on_one_line(lines: list[bytes], document: bytes) -> None:
    """Once its last line is here; what is beside it, but for white space, is for the repairs of payloads."""
    bare = BareJSON()
    *before, last = lines
    assert [bare.feed(line) for line in before] == [None] * len(before)
    assert bare.feed(last) == document
