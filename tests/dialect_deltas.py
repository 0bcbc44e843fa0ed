"""What single events of a dialect come to: the input of its rows' tests."""

from __future__ import annotations

import json

from sse_proxy.core.dialects import Delta, Dialect, StreamState
from sse_proxy.core.documents import json_object
from sse_proxy.core.sse import Event

__all__ = ["event", "learnt", "texts", "told"]


def event(document: object, kind: str = "") -> Event:
    """An event of that type; a string is its data as it stands, anything else its JSON document."""
    data = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    return Event(event=kind.encode(), data=data)


def _read(row: Dialect, events: tuple[Event, ...], state: StreamState) -> list[Delta]:
    found: list[Delta] = []
    for record in events:
        unpacked = row.unpack(record)
        payload = json_object(unpacked.data) or {} if row.json else {}
        row.inspect(unpacked, payload, state)
        state.started = True
        found += row.deltas(unpacked, payload, state)
    return found


def told(row: Dialect, *events: Event) -> list[Delta]:
    """What *events* add to the answer."""
    return _read(row, events, StreamState(retold=True))


def texts(row: Dialect, *events: Event) -> str:
    """The text that *events* add to the answer."""
    return "".join(delta.text for delta in told(row, *events))


def learnt(row: Dialect, *events: Event) -> StreamState:
    """What is known after *events*."""
    state = StreamState()
    _read(row, events, state)
    return state
