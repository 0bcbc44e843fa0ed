"""Any other event stream: nothing is known of its payloads, so nothing in them is touched.

It completes when its body ends cleanly. An error is a named ``error`` event and then an aborted connection, since a
clean end would pass a cut stream off as whole (reference: formats.md § C).
"""

from __future__ import annotations

from dataclasses import replace

from ..documents import json_object
from ..sse import Event
from .base import Dialect, reported_error
from .deltas import Delta
from .native import BLOCK, error_body, named_error
from .state import JSONObject, StreamState

__all__ = ["GENERIC", "generic_with_terminal"]


def _inspect(event: Event, _payload: JSONObject, state: StreamState) -> None:
    """A generic event has no meaning, but where the answer is told in other words: there an error must be one too."""
    if not state.retold:
        return
    document = json_object(event.data) or {}
    if event.event == b"error" or (next(iter(document), "") == "error" and document["error"]):
        state.error = reported_error(document, event.data)


#: Events that say something of the stream and nothing of the answer.
_CONTROL = frozenset({b"done", b"end", b"error", b"ping", b"heartbeat"})
#: Where servers that nobody has defined put their text, in order of preference.
_TEXT_KEYS = ("token", "text", "content", "response", "answer", "delta")


def _deltas(event: Event, _payload: JSONObject, _state: StreamState) -> list[Delta]:
    """The data is text, unless it is an object that holds some."""
    if event.event in _CONTROL or event.data in {b"[DONE]", b""}:
        return []
    document = json_object(event.data) if event.data.startswith(b"{") else None
    if document is None:
        return [Delta(text=event.data.decode(errors="replace"))]
    text = next((value for key in _TEXT_KEYS if isinstance(value := document.get(key), str)), "")
    return [Delta(text=text)] if text else []


GENERIC = Dialect(
    name="generic",
    json=False,
    inspect=_inspect,
    deltas=_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
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
