"""`errors_http`: an error as an HTTP response that has not begun, with honest advice about trying again."""

from __future__ import annotations

import json

import pytest

from sse_proxy.errors import (
    BadRequest,
    ClientDisconnected,
    ConnectFailed,
    ConnectTimeout,
    Drained,
    FirstEventTimeout,
    Refused,
    RequestTooLarge,
    SSEProxyError,
    Truncated,
    Unauthorized,
    UploadBrokenOff,
    UpstreamReported,
)
from sse_proxy.errors_http import error_response, method_refused, render_plain

AGAIN = [(b"retry-after", b"1"), (b"x-should-retry", b"true")]
NOT_AGAIN = [(b"x-should-retry", b"false")]


@pytest.mark.parametrize(
    "error, status, advice",
    [
        (BadRequest(), 400, []),
        (UploadBrokenOff(), 400, NOT_AGAIN),
        (Unauthorized(), 401, []),
        (RequestTooLarge(), 413, []),
        (Refused(), 503, AGAIN),
        (ConnectFailed(), 502, AGAIN),
        (ConnectTimeout(), 504, AGAIN),
        (Truncated(), 502, NOT_AGAIN),
        (FirstEventTimeout(), 504, NOT_AGAIN),
        (Drained(), 503, NOT_AGAIN),
        (SSEProxyError(), 500, NOT_AGAIN),
        (UpstreamReported(status=429), 429, NOT_AGAIN),
        (UpstreamReported(status=529), 529, NOT_AGAIN),
        (ClientDisconnected(), 499, NOT_AGAIN),
    ],
)
def test_the_advice_to_retry_depends_on_whether_the_upstream_had_the_request(
    error: SSEProxyError, status: int, advice: list[tuple[bytes, bytes]]
) -> None:
    """Repeating what the upstream had would generate, and bill, twice."""
    start, body = error_response(error, body=b"{}")
    assert start == {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"2"), *advice],
    }
    assert body == {"type": "http.response.body", "body": b"{}", "more_body": False}


def test_no_time_is_told_where_none_is_known() -> None:
    """``Retry-After`` needs a number; the advice alone does not."""

    class Elsewhere(SSEProxyError):
        status = 502
        reached_upstream = False

    start, _ = error_response(Elsewhere(), body=b"{}")
    assert start["headers"][2:] == [(b"x-should-retry", b"true")]


def test_headers_of_the_caller_come_last() -> None:
    """They are added as they are."""
    start, _ = error_response(BadRequest(), body=b"", headers=[(b"allow", b"GET")])
    assert start["headers"][-1] == (b"allow", b"GET")


def test_the_plain_body_has_message_type_and_code() -> None:
    """INTERFACE "Errors to the client"."""
    assert json.loads(render_plain(BadRequest("schön\n"))) == {
        "error": {"message": "schön\n", "type": "invalid_request_error", "code": "rejected"}
    }


def test_a_method_that_is_not_there_is_405_with_those_that_are() -> None:
    """RFC 9110 § 15.5.6."""
    start, body = method_refused("no such method", allow=b"GET")
    assert (start["status"], start["headers"][-1]) == (405, (b"allow", b"GET"))
    assert json.loads(body["body"])["error"]["message"] == "no such method"
