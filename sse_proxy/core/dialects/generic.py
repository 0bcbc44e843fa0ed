"""Any other event stream: nothing is known of its payloads, so nothing in them is touched.

It completes when its body ends cleanly. An error is a named ``error`` event and then an aborted connection, since a
clean end would pass a cut stream off as whole (reference: formats.md § C).
"""

from __future__ import annotations

from dataclasses import replace

from ...errors import SSEProxyError
from ..sse import Event
from .base import Dialect, JSONObject, StreamState, compact

__all__ = ["GENERIC", "generic_with_terminal"]


def _inspect(_event: Event, _payload: JSONObject, _state: StreamState) -> None:
    """A generic event has no meaning here."""


def _error_body(error: SSEProxyError) -> bytes:
    return compact({"error": {"message": str(error), "type": error.error_type, "code": error.code}})


def _error_frame(error: SSEProxyError, _state: StreamState) -> bytes:
    return b"event: error\ndata: " + _error_body(error) + b"\n\n"


GENERIC = Dialect(
    name="generic",
    json=False,
    inspect=_inspect,
    comment=b": ping\n\n",
    error_body=_error_body,
    error_frame=_error_frame,
    aborts_after_error=True,
    completes_at_end=True,
)


def generic_with_terminal(marker: str) -> Dialect:
    """`GENERIC` for an application that ends its streams with *marker*, an event's type or its whole data.

    A stream of its that ends without the marker counts as truncated.
    """
    wanted = marker.encode()

    def inspect(event: Event, _payload: JSONObject, state: StreamState) -> None:
        if wanted in (event.event, event.data):
            state.finished = state.terminated = True

    return replace(GENERIC, inspect=inspect, markers=(wanted,), completes_at_end=False)
