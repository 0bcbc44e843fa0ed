"""An `SSEProxyError` as an HTTP response that has not begun yet: status, headers and JSON body (INTERFACE "Errors").

The body's shape belongs to the dialect, so it comes in as bytes; `render_plain` is the shape of no dialect.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from starlette.types import Message

from .errors import BadRequest, SSEProxyError

__all__ = ["error_response", "method_refused", "render_plain"]


def render_plain(error: SSEProxyError) -> bytes:
    """``{"error":{"message","type","code"}}`` as JSON in ASCII."""
    fields = {"message": str(error), "type": error.error_type, "code": error.code}
    return json.dumps({"error": fields}, separators=(",", ":")).encode("ascii")


def error_response(
    error: SSEProxyError, *, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()
) -> tuple[Message, Message]:
    """The two ASGI messages that answer with *error*: ``http.response.start`` and one ``http.response.body``.

    *body* is JSON; *headers* are added as they are.
    """
    start = {
        "type": "http.response.start",
        "status": error.http_status,
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *_retry_advice(error),
            *headers,
        ],
    }
    return start, {"type": "http.response.body", "body": body, "more_body": False}


def method_refused(message: str, *, allow: bytes) -> tuple[Message, Message]:
    """The messages of a 405 (RFC 9110 § 15.5.6) that names the methods to *allow*."""
    error = BadRequest(message)
    start, body = error_response(error, body=render_plain(error), headers=[(b"allow", allow)])
    return {**start, "status": 405}, body


def _retry_advice(error: SSEProxyError) -> list[tuple[bytes, bytes]]:
    """Whether and when to send the request again: yes only where the upstream never had it.

    Nothing about a 4xx of ours: repeating what was wrong is no help.
    """
    if error.reached_upstream:
        return [(b"x-should-retry", b"false")]
    if error.http_status < 500:
        return []
    after = [] if error.retry_after is None else [(b"retry-after", b"%d" % error.retry_after)]
    return [*after, (b"x-should-retry", b"true")]
