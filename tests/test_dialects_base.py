"""`core.dialects.base`: what the functions of all rows share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sse_proxy.core.dialects import GENERIC, Sign, StreamState, compact
from sse_proxy.core.dialects.base import JSONObject, free_keys, quiet_key, reported_error, usage_counts
from sse_proxy.core.sse import Event


def test_compact_has_no_line_end_of_any_kind() -> None:
    """Readers that cut at U+2028, U+2029 or U+0085 see one line (formats.md § 0, rule 11)."""
    assert compact({"a": "\u2028\u2029\x85é", "b": [1]}) == b'{"a":"\\u2028\\u2029\\u0085\\u00e9","b":[1]}'


@pytest.mark.parametrize(
    ("payload", "message", "status"),
    [
        ({"error": {"message": "no", "code": 429}}, "no", 429),
        ({"error": {"message": "no", "code": "404"}}, "no", 404),
        ({"error": {"message": "no", "code": "context_length_exceeded"}}, "no", 502),
        ({"error": {"message": "no", "code": None, "status": 503}}, "no", 503),
        ({"error": {"message": "no", "http_status_code": 422}}, "no", 422),
        ({"error": {"message": "no", "code": 200}}, "no", 502),
        ({"error": {"message": "no", "code": 600}}, "no", 502),
        ({"error": {"message": "no", "code": "٤٠٤"}}, "no", 502),
        ({"error": {"message": "no", "code": "1" * 5000}}, "no", 502),
        ({"error": {"message": "no", "code": True}}, "no", 502),
        ({"error": {"message": "no"}}, "no", 502),
        ({"error": "no", "code": 400}, "no", 400),
        ({"message": "no", "code": 500}, "no", 500),
        ({"error": {"message": {"a": 1}}}, "the upstream failed", 502),
        ({"error": {}}, "the upstream failed", 502),
        ({}, "the upstream failed", 502),
    ],
)
def test_reported_error(payload: JSONObject, message: str, status: int) -> None:
    """The upstream's own words, and its own status where it gave a 4xx or 5xx, as a number or in digits."""
    error = reported_error(payload, b"the document")
    assert (str(error), error.http_status, error.body) == (message, status, b"the document")


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"a": 1, "b": {"c": 2}}, {"first": 1, "second": 2}),
        ({"a": 0}, {"first": 0}),
        ({"a": -1, "b": {"c": None}}, {}),
        ({"a": True, "b": 3}, {}),
        ({"a": 1.5}, {}),
        ({"a": 10**400}, {}),
        (None, {}),
        ([], {}),
    ],
)
def test_usage_counts(usage: object, counts: dict[str, int]) -> None:
    """Counts are whole numbers that a counter can take; all else is left out."""
    assert usage_counts(usage, {"a": "first", "b.c": "second"}) == counts


@pytest.mark.parametrize(
    ("document", "asks"), [({"stream": True}, True), ({"stream": 1}, False), ({"stream": "true"}, False), ({}, False)]
)
def test_most_apis_ask_in_the_same_way(document: JSONObject, asks: bool) -> None:
    """With ``"stream": true`` and nothing else."""
    assert GENERIC.asks(document) is asks


def test_a_row_wants_nothing_by_default() -> None:
    """Every request at its paths is for it; its events are what they are."""
    assert GENERIC.claims(Sign(path="/x"))
    assert GENERIC.from_document({}) is None
    assert GENERIC.noop(StreamState(started=True)) is None
    event = Event(event=b"ping", data=b"{}")
    assert GENERIC.unpack(event) is event
    assert not GENERIC.is_ping(event)


ROW = replace(GENERIC, markers=(b"[DONE]", b'"error"'), quiet=(quiet_key("finish_reason"), quiet_key("usage", "false")))


@pytest.mark.parametrize(
    ("chunk", "quiet"),
    [
        (b"", True),
        (b'data: {"a":1}', True),
        (b"[DONE]", False),
        (b"data: [DONE]", False),
        (b'"error"', False),
        (b'{"finish_reason":null}', True),
        (b'{"finish_reason": null}', True),
        (b'{"finish_reason":null}{"finish_reason":null}', True),
        (b'{"finish_reason":null}{"finish_reason":"stop"}', False),
        (b'{"finish_reason": null}{"finish_reason":"stop"}', False),
        (b'{"finish_reason":"stop"}', False),
        (b'{"finish_reason":false}', False),
        (b'{"usage":false}', True),
        (b'{"usage": false}', True),
        (b'{"usage":null}', False),
        (b'{"finish_reason":null,"usage":{}}', False),
    ],
)
def test_what_may_pass_unseen(chunk: bytes, quiet: bool) -> None:
    """No marker anywhere, and every key that could say something has the value that says nothing, in one spelling."""
    assert ROW.is_quiet(chunk) is quiet


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'"text":"a"', True),
        (b'"content": "', True),
        (b'"text":7', True),
        (b'"text":{', False),
        (b'"other":"a"', False),
        (b'text":"a"', False),
    ],
)
def test_where_free_text_begins(text: bytes, found: bool) -> None:
    """Behind one of the keys, where a string or a number stands."""
    assert (free_keys("text", "content").search(text) is not None) is found


@pytest.mark.parametrize(("code", "status"), [(400, 400), (399, 502), (599, 599), (600, 502), ("599", 599)])
def test_the_edges_of_a_status(code: object, status: int) -> None:
    """A 4xx or a 5xx, the last of them too."""
    assert reported_error({"error": {"code": code}}, b"").http_status == status
