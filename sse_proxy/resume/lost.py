"""Why a kept stream cannot be told to its end, as errors for the client; a branch of the tree in ``errors``.

RequestError ── Evicted      410, what the client lacks is not kept any more
             ── NotFound     404, it is not there (any more)
Refused ─────── StoreDown    503, the store is down; another replica, or a little later, may do
UpstreamError ─ OwnerLost    502, the process that produced it is gone: the rest will never come
"""

from __future__ import annotations

from ..errors import NotFound, Refused, RequestError, SSEProxyError, UpstreamError
from ..replay.base import End

__all__ = ["LOST", "Evicted", "OwnerLost", "StoreDown"]


class Evicted(RequestError):
    """410: an event that the client does not have was dropped, for its stream is longer than what is kept."""

    status = 410
    error_type = "not_found_error"
    default_message = "what follows this event is not kept any more"


class StoreDown(Refused):
    """503: the store of the streams does not answer."""

    default_message = "the store of streams cannot be reached"


class OwnerLost(UpstreamError):
    """502: whatever had not been told when the producer went is lost."""

    default_message = "the process that produced this stream is gone"


#: What a reader is told at an end that is none of the stream's own.
LOST: dict[End, type[SSEProxyError]] = {
    End.EVICTED: Evicted,
    End.EXPIRED: NotFound,
    End.OWNER_LOST: OwnerLost,
    End.UNAVAILABLE: StoreDown,
}
