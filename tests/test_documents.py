"""`core.documents`."""

from __future__ import annotations

import pytest

from sse_proxy.core.documents import json_object


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a":{"b":1}}', {"a": {"b": 1}}),
        (b" {} ", {}),
        (b"[]", None),
        (b"null", None),
        (b"", None),
        (b'{"a":1', None),
        (b'{"a":"\xff"}', None),
        (b'{"a":' + b"[" * 100_000, None),
    ],
    ids=["object", "empty", "array", "null", "nothing", "cut", "no UTF-8", "too deep"],
)
def test_only_a_whole_object_is_one(data: bytes, expected: dict[str, object] | None) -> None:
    """Whatever else a stranger sends is told from it without an exception."""
    assert json_object(data) == expected
