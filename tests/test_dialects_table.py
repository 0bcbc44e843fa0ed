"""`core.dialects`: how a request finds its row, and what all rows share."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import DIALECTS, GENERIC, compact, dialect_for
from sse_proxy.core.dialects.base import JSONObject, reported_error, usage_counts
from sse_proxy.core.dialects.generic import generic_with_terminal
from sse_proxy.core.heartbeat import COMMENT, COMMENT_BLOCK
from sse_proxy.errors import Drained, SSEProxyError, Truncated

from .dialect_streams import ALL, COMPLETE, drained
from .event_streams import check_canonical


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/chat/completions", "openai_chat"),
        ("POST", "/v1/chat/completions/", "openai_chat"),
        ("POST", "/openai/deployments/gpt/chat/completions", "openai_chat"),
        ("POST", "/v1/completions", "openai_completions"),
        ("POST", "/v1/responses", "openai_responses"),
        ("POST", "/v1/messages", "anthropic"),
        ("POST", "/anthropic/v1/messages", "anthropic"),
        ("GET", "/v1/chat/completions", "generic"),
        ("GET", "/v1/responses/resp_1", "generic"),
        ("POST", "/v1/messages/count_tokens", "generic"),
        ("POST", "/v1/responses/resp_1/cancel", "generic"),
        ("POST", "/completion", "generic"),
        ("POST", "/", "generic"),
        ("POST", "", "generic"),
    ],
)
def test_dialect_is_known_by_method_and_path(method: str, path: str, name: str) -> None:
    """A POST to the end of a known path has its row, all else is generic."""
    assert dialect_for(method, path).name == name


def test_names_are_those_of_the_metrics() -> None:
    """The label values of `sse_proxy_streams_total` are closed."""
    names = [dialect.name for dialect in (*DIALECTS, GENERIC)]
    assert names == ["openai_chat", "openai_completions", "openai_responses", "anthropic", "generic"]


@pytest.mark.parametrize("name", ALL)
def test_what_a_row_writes_is_canonical(name: str) -> None:
    """Error frames, no-op events and terminators are canonical; a comment is one of the two forms."""
    row, state = ALL[name], drained(name, COMPLETE[name])[1].state
    check_canonical(row.error_frame(Truncated(), state), of_json=True)
    check_canonical((row.noop(state) or b"") + row.terminator, of_json=True)
    assert row.comment in {COMMENT, COMMENT_BLOCK}


@pytest.mark.parametrize("name", ALL)
def test_error_body_is_one_json_document_with_message_type_and_code(name: str) -> None:
    """Whatever the dialect's shape, the three are under ``error`` (INTERFACE "Errors to the client")."""
    error = json.loads(ALL[name].error_body(Drained()))["error"]
    assert error["message"] == "the proxy is shutting down"
    assert (error["type"], error["code"]) == ("overloaded_error", "drained")


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


# The generic row.


def test_generic_error_is_a_named_event_and_an_abort() -> None:
    """No client of a generic stream is sure to know an error event, so the connection is cut after it."""
    frame = b'event: error\ndata: {"error":{"message":"the upstream fell silent","type":"api_error","code":"x"}}\n\n'
    error = SSEProxyError("the upstream fell silent")
    found = GENERIC.error_frame(error, drained("generic")[1].state)
    assert found == frame.replace(b"api_error", b"server_error").replace(b'"x"', b'"upstream_error"')
    assert GENERIC.aborts_after_error


def test_generic_payloads_are_not_touched() -> None:
    """What looks like a defect of JSON dialects may be meant here."""
    body = b"data: data: {}\n\ndata: {}{}\n\ndata: : x\n\ndata: \n\ndata: {}\ndata: {}\n\nevent: ping\ndata: 1\n\n"
    output, of_body = drained("generic", body)
    assert output == body
    assert (of_body.repairs, of_body.events) == ({}, 6)


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b"data: a\n\n", False),
        (b"data: a\n\nevent: done\ndata: x\n\n", True),
        (b"data: a\n\ndata: done\n\n", True),
        (b"data: a\n\ndata: done.\n\n", False),
        (b"data: a\n\nevent: undone\ndata: x\n\n", False),
    ],
)
def test_an_application_s_own_terminal(body: bytes, whole: bool) -> None:
    """The marker is an event's type or its whole data; without it the stream was cut."""
    row = generic_with_terminal("done")
    assert not row.completes_at_end
    assert drained("terminal", body)[1].state.complete is whole
