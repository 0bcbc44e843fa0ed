"""What is told of a stream that is over: its numbers to the metrics, one line to the log."""

from __future__ import annotations

from starlette.types import Scope

from ..core.headers import first
from ..logs import log_stream
from ..metrics.base import Metrics
from .response import Response

__all__ = ["report"]


def report(response: Response, scope: Scope, metrics: Metrics) -> None:
    """Tell of *response*, if it was a stream, or might have become one."""
    transfer = response.transfer
    if not transfer.is_stream:
        return
    numbers = transfer.report(response.outcome, silence=response.silence)
    metrics.closed(numbers)
    now, client_id = transfer.clock(), first(scope["headers"], b"x-request-id")
    log_stream(
        numbers,
        request_id=scope.get("sse_proxy.request_id") or (client_id or b"").decode("latin-1") or None,
        route=scope["sse_proxy.route"],
        status=transfer.client.status,
        last_event_age=now - transfer.pacer.last_event,
        last_write_age=now - transfer.pacer.last_write,
    )
