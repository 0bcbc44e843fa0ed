"""What is told of a response that is over: its numbers to the metrics, one line to the log, all of it to the trace."""

from __future__ import annotations

from starlette.types import Scope

from ..core.headers import first
from ..logs import log_stream
from ..metrics.base import Metrics
from ..tracing.base import Trace
from .response import Response

__all__ = ["report"]


def report(response: Response, scope: Scope, metrics: Metrics, trace: Trace) -> None:
    """Tell of *response*: to *trace* in any case, else only if it was a stream, or might have become one.

    Where the *scope* holds ``sse_proxy.told``, a callable, that gets the `StreamReport`, too.
    """
    transfer = response.transfer
    if not transfer.is_stream:
        trace.answered(transfer.facts, response.outcome, numbers=None, model="")
        return
    numbers = transfer.report(response.outcome, silence=response.silence)
    exemplar = trace.exemplar(scope["headers"])
    metrics.closed(numbers, exemplar)
    trace.answered(transfer.facts, response.outcome, numbers=numbers, model=_model(response))
    if (told := scope.get("sse_proxy.told")) is not None:
        told(numbers)
    now, client_id = transfer.clock(), first(scope["headers"], b"x-request-id")
    log_stream(
        numbers,
        request_id=scope.get("sse_proxy.request_id") or (client_id or b"").decode("latin-1") or None,
        route=scope["sse_proxy.route"],
        trace_id=None if exemplar is None else exemplar["trace_id"],
        status=transfer.client.status,
        last_event_age=now - transfer.pacer.last_event,
        last_write_age=now - transfer.pacer.last_write,
    )


def _model(response: Response) -> str:
    """What the upstream calls its model, where its dialect has taken note of that."""
    pipeline = response.transfer.pipeline
    model = "" if pipeline is None else pipeline.state.identity.get("model")
    return model if isinstance(model, str) else ""
