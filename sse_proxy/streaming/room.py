"""The error of a stream that has to hold more than there is room for in ``max_buffer_bytes``."""

from __future__ import annotations

from ..errors import Outcome, SSEProxyError

__all__ = ["BufferFull"]


class BufferFull(SSEProxyError):
    """503: the proxy's buffers are full, and this stream's event, which is no small one, has not come to its end.

    Its outcome is that of an event over ``max_event_bytes``: for what there was room for, this one was too large.
    """

    status = 503
    outcome = Outcome.TOO_LARGE
    error_type = "overloaded_error"
    default_message = "the proxy has no room for an event of this size now"
