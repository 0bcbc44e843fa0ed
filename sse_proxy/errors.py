"""Every way a request can fail, as one tree (`resume.lost`, `resume.recorder` and `streaming.detachment` have more).

An error has an HTTP status, a stable ``code`` (an outcome's name, INTERFACE "Errors to the client"), a message without
upstream addresses, and whether the upstream ever had the request: if not, it may be sent again.

    SSEProxyError
    ├── RequestError            the caller misused us (4xx)
    │   ├── BadRequest              400
    │   │   └── UploadStalled           400, the client stopped in the middle of its request body
    │   │       └── UploadBrokenOff     400, and the upstream has had a part of it
    │   ├── Unauthorized            401
    │   ├── Forbidden               403
    │   ├── NotFound                404
    │   └── RequestTooLarge         413
    ├── Refused                 we are full or draining (503); the upstream never had the request
    ├── UpstreamError           the upstream failed (502)
    │   ├── ConnectFailed           502, refused, unreachable, TLS or DNS failure: never sent
    │   ├── ConnectTimeout          504, never sent
    │   ├── UpstreamClosed          502, closed or reset before the response was complete
    │   ├── UpstreamProtocolError   502, not HTTP, or not the stream that was asked for
    │   ├── UpstreamReported        the upstream's own error event; its own 4xx or 5xx where it gave one
    │   ├── Truncated               502, ended without its dialect's terminal signal
    │   ├── EventTooLarge           502, one event over ``max_event_bytes``
    │   ├── FirstEventTimeout       504
    │   ├── IdleTimeout             504
    │   └── TotalTimeout            504
    ├── Drained                 the process is shutting down under an open stream (503)
    └── ClientLeft              nobody is there to be told
        ├── ClientDisconnected
        └── ClientStalled
"""

from __future__ import annotations

from typing import ClassVar

from .outcome import Outcome

__all__ = [
    "BadRequest", "ClientDisconnected", "ClientLeft", "ClientStalled", "ConnectFailed", "ConnectTimeout", "Drained",
    "EventTooLarge", "FirstEventTimeout", "Forbidden", "IdleTimeout", "NotFound", "Outcome", "Refused", "RequestError",
    "RequestTooLarge", "SSEProxyError", "TotalTimeout", "Truncated", "Unauthorized", "UploadBrokenOff", "UploadStalled",
    "UpstreamClosed", "UpstreamError", "UpstreamProtocolError", "UpstreamReported",
]  # fmt: skip


class SSEProxyError(Exception):
    """Base of all errors of this package: ``str(error)`` is the message for the client."""

    status: ClassVar[int] = 500
    outcome: ClassVar[Outcome] = Outcome.UPSTREAM_ERROR
    error_type: ClassVar[str] = "server_error"
    #: True: the upstream may have seen the request, so a repeat may generate (and bill) twice.
    reached_upstream: ClassVar[bool] = True
    #: Seconds for ``Retry-After``; None sends no such header.
    retry_after: ClassVar[int | None] = None
    default_message: ClassVar[str] = "internal error"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.default_message)

    @property
    def http_status(self) -> int:
        """The status of an answer that has not begun yet."""
        return self.status

    @property
    def code(self) -> str:
        """The stable ``code`` of the error body: the outcome's name."""
        return self.outcome.value


class RequestError(SSEProxyError):
    """The caller misused us; but for `UploadBrokenOff`, nothing was sent upstream."""

    status, error_type = 400, "invalid_request_error"
    outcome = Outcome.REJECTED
    reached_upstream = False
    default_message = "bad request"


class BadRequest(RequestError):
    """400: a request that cannot be forwarded."""


class UploadStalled(BadRequest):
    """400: the client stopped sending its request body."""

    default_message = "the request body took too long to arrive"


class UploadBrokenOff(UploadStalled):
    """400: the same, and the upstream has had a part of the body."""

    reached_upstream = True


class Unauthorized(RequestError):
    """401: no token, or one that is not in ``auth_tokens_file``."""

    status, error_type = 401, "authentication_error"
    default_message = "missing or unknown access token"


class Forbidden(RequestError):
    """403: a page of another site is behind the request, and ``cors_origins`` does not let it in."""

    status, error_type = 403, "permission_error"
    default_message = "not allowed from another site"


class NotFound(RequestError):
    """404: nothing under the reserved prefix ``/-/sse-proxy/`` has this name."""

    status, error_type = 404, "not_found_error"
    default_message = "not found"


class RequestTooLarge(RequestError):
    """413: the body is over ``max_request_bytes``."""

    status, error_type = 413, "request_too_large"
    default_message = "the request body is too large"


class Refused(SSEProxyError):
    """503: full or draining; another replica, or a little later, will do."""

    status, error_type = 503, "overloaded_error"
    outcome = Outcome.REJECTED
    reached_upstream = False
    retry_after = 1
    default_message = "the proxy is at its limit of streams"


class UpstreamError(SSEProxyError):
    """The upstream failed."""

    status, error_type = 502, "api_error"
    default_message = "the upstream failed"


class ConnectFailed(UpstreamError):
    """502: no connection could be made, so the request was never sent."""

    reached_upstream = False
    retry_after = 1
    default_message = "the upstream refused the connection"


class ConnectTimeout(UpstreamError):
    """504: no connection within ``connect_timeout_seconds``."""

    status, error_type = 504, "timeout_error"
    outcome = Outcome.CONNECT_TIMEOUT
    reached_upstream = False
    retry_after = 1
    default_message = "connecting to the upstream took too long"


class UpstreamClosed(UpstreamError):
    """502: the connection ended before the response did."""

    default_message = "the upstream closed the connection before its answer was complete"


class UpstreamProtocolError(UpstreamError):
    """502: what came back is not HTTP, or not the stream that was asked for."""

    default_message = "the upstream sent an answer that cannot be understood"


class UpstreamReported(UpstreamError):
    """The upstream's own error event, told on with its own status where that is a 4xx or 5xx."""

    def __init__(self, message: str = "", *, status: int = 502, body: bytes | None = None) -> None:
        super().__init__(message)
        self._status = status if 400 <= status <= 599 else 502
        self.body = body  #: its JSON error document as it came; None when there was none to pass on

    @property
    def http_status(self) -> int:
        """The upstream's own 4xx or 5xx, else 502."""
        return self._status


class Truncated(UpstreamError):
    """502: the body ended without the dialect's terminal signal."""

    outcome = Outcome.UPSTREAM_TRUNCATED
    default_message = "the upstream ended its stream before the answer was complete"


class EventTooLarge(UpstreamError):
    """502: one event (or record) is over ``max_event_bytes``."""

    outcome = Outcome.TOO_LARGE
    default_message = "the upstream sent an event over the size limit"


class FirstEventTimeout(UpstreamError):
    """504: no payload event (non-stream: no response headers) within ``first_event_timeout_seconds``."""

    status, error_type = 504, "timeout_error"
    outcome = Outcome.FIRST_EVENT_TIMEOUT
    default_message = "the upstream sent nothing in time"


class IdleTimeout(UpstreamError):
    """504: no payload event (non-stream: no byte) for ``idle_timeout_seconds``."""

    status, error_type = 504, "timeout_error"
    outcome = Outcome.IDLE_TIMEOUT
    default_message = "the upstream fell silent"


class TotalTimeout(UpstreamError):
    """504: the whole stream took longer than ``total_timeout_seconds``."""

    status, error_type = 504, "timeout_error"
    outcome = Outcome.TOTAL_TIMEOUT
    default_message = "the stream took longer than allowed"


class Drained(SSEProxyError):
    """503: ``drain_seconds`` were over and the stream was still open."""

    status, error_type = 503, "overloaded_error"
    outcome = Outcome.DRAINED
    retry_after = 1
    default_message = "the proxy is shutting down"


class ClientLeft(SSEProxyError):
    """Nobody is there to be told; ends up in metrics and the log only."""

    status = 499
    outcome = Outcome.CLIENT_DISCONNECTED
    default_message = "the client left"


class ClientDisconnected(ClientLeft):
    """The client closed its connection."""


class ClientStalled(ClientLeft):
    """The client read nothing for ``client_stall_timeout_seconds`` while there was something to send."""

    outcome = Outcome.CLIENT_STALLED
    default_message = "the client stopped reading"
