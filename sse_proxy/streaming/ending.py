"""How a response that went wrong ends, so that no client takes it for whole.

Nothing sent yet: an HTTP status with the dialect's JSON error. A stream that has begun: the dialect's own in-stream
error, its terminator, and a clean end, or an abort where the dialect has no frame that clients raise on. Any other
response that has begun: an abort, which the missing end of its framing gives away (RFC 9112 § 8).
"""

from __future__ import annotations

from ..core.documents import json_object
from ..errors import ClientLeft, Drained, EventTooLarge, Outcome, SSEProxyError, UpstreamReported
from ..errors_http import error_response
from .transfer import Transfer

__all__ = ["natural_outcome", "rest_in_spite_of", "tell"]


def natural_outcome(transfer: Transfer, status: int) -> Outcome | None:
    """How a response ended that came to its own end; None for an ordinary one with a *status* below 500."""
    if not transfer.is_plain:
        state = transfer.pipeline.state if transfer.pipeline is not None else None
        return Outcome.UPSTREAM_ERROR if state is not None and state.error is not None else Outcome.COMPLETED
    return Outcome.UPSTREAM_ERROR if status >= 500 else None


def rest_in_spite_of(error: Exception, transfer: Transfer) -> bytes | None:
    """What ends the stream well, though *error* came when the upstream had said it all; None where it must be told."""
    pipeline, client = transfer.pipeline, transfer.client
    if pipeline is None or not pipeline.over or client.status is None or client.interrupted:
        return None
    if isinstance(error, (ClientLeft, EventTooLarge)):
        return None
    try:
        return pipeline.flush() + pipeline.conclude()
    except SSEProxyError:  # it had begun to say something more
        return None


async def tell(error: Exception, transfer: Transfer) -> None:
    """End the response to *transfer*'s client with *error*."""
    client = transfer.client
    if not isinstance(error, SSEProxyError):
        await client.settled()
        if client.status is None:
            return  # the server, or the application's own error handling, answers with a 500
        error = SSEProxyError("the application failed")
    if isinstance(error, ClientLeft):
        client.drop()
        return
    await client.settled()
    if client.status is None:
        await _answer(error, transfer)
    elif transfer.is_plain:
        client.break_off()
    else:
        await _tell_in_stream(error, transfer)


async def _answer(error: SSEProxyError, transfer: Transfer) -> None:
    start, body = error_response(error, body=_reported(error) or transfer.voice.error_body(error))
    await transfer.client.start(start["status"], start["headers"])
    await transfer.client.write(body["body"], end=True)


def _reported(error: SSEProxyError) -> bytes | None:
    """The upstream's own error document, if it has the shape that an answer must have: an ``error`` object."""
    if not isinstance(error, UpstreamReported) or error.body is None:
        return None
    document = json_object(error.body)
    return error.body if document is not None and isinstance(document.get("error"), dict) else None


async def _tell_in_stream(error: SSEProxyError, transfer: Transfer) -> None:
    client, pipeline, voice = transfer.client, transfer.pipeline, transfer.voice
    if pipeline is not None:
        frame = pipeline.fail(error)
    else:
        frame = voice.error_frame(error, transfer.told)
        if transfer.numbering is not None:
            frame = transfer.numbering.apply(frame)
    # A drained stream always ends cleanly: its client is to come back, not to report a broken line.
    clean = isinstance(error, Drained) or not (voice.aborts_after_error or transfer.facts.variant.needs_abort)
    breaks = not (frame and clean)
    await client.write(frame, end=not breaks)
    if breaks:
        client.break_off()
