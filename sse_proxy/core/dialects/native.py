"""What rows share whose servers write no SSE of their own, or whose SSE has no errors that its clients raise on."""

from __future__ import annotations

from ...errors import SSEProxyError
from .base import compact
from .state import JSONObject, StreamState
from .voice import Voice

__all__ = ["BLOCK", "NDJSON", "error_body", "error_object", "named_error"]

#: The comment that readers which split on blank lines survive (INTERFACE "Heartbeats").
BLOCK = b": ping\n\n"


def error_object(error: SSEProxyError) -> JSONObject:
    """Message, type and code of *error*."""
    return {"message": str(error), "type": error.error_type, "code": error.code}


def error_body(error: SSEProxyError) -> bytes:
    """``{"error":{"message","type","code"}}``."""
    return compact({"error": error_object(error)})


def named_error(error: SSEProxyError, _state: StreamState) -> bytes:
    """The error frame of streams that nobody defines one for: an event named ``error``."""
    return b"event: error\ndata: " + error_body(error) + b"\n\n"


def _error_line(error: SSEProxyError, _state: StreamState) -> bytes:
    return compact({"error": str(error)}) + b"\n"


#: Lines of JSON: a space between them is white space to every parser, an error is a line ``{"error":"…"}``.
NDJSON = Voice(
    media_type=b"application/x-ndjson",
    comment=b" ",
    error_body=error_body,
    error_frame=_error_line,
    closes=b"\n",
)
