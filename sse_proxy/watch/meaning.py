"""What one event says, in words that all APIs share."""

from __future__ import annotations

from typing import TypedDict

from ..core.dialects import GENERIC, Delta, Dialect, StreamState, ToolCall
from ..core.dialects.state import JSONObject
from ..core.documents import json_object
from ..core.framers.event_stream import Framer
from ..core.sse import Event
from .marks import Kind

__all__ = ["NOTHING_MEANT", "Meaning", "kind_of", "meaning_of"]

_NOTHING = frozenset({b"", b" "})


class Meaning(TypedDict):
    """The fields of a `Mark` that tell of the answer."""

    text: str
    reasoning: str
    tools: tuple[str, ...]
    finish: str | None


NOTHING_MEANT = Meaning(text="", reasoning="", tools=(), finish=None)


def kind_of(event: Event, dialect: Dialect, state: StreamState) -> Kind:
    """What kind of mark *event* is; *state* is that of its stream."""
    payload = json_object(event.data) or {}
    alone = StreamState(started=True, retold=True)
    dialect.inspect(event, payload, alone)
    if alone.error is not None:
        return Kind.ERROR
    if dialect.is_ping(event) or event.data in _NOTHING or _is_noop(event, payload, dialect, state):
        return Kind.PING
    return Kind.EVENT


def meaning_of(event: Event, dialect: Dialect, state: StreamState) -> Meaning:
    """What *event* adds to the first answer; called once for each event of a stream, since *state* may count.

    Nothing for a generic stream: what in its payloads is text, nobody knows.
    """
    deltas: list[Delta] = []
    if dialect is not GENERIC:
        deltas = [delta for delta in dialect.deltas(event, json_object(event.data) or {}, state) if delta.index == 0]
    return Meaning(
        text="".join(delta.text for delta in deltas),
        reasoning="".join(delta.reasoning for delta in deltas),
        tools=tuple(piece for delta in deltas for call in delta.tool_calls for piece in _pieces(call)),
        finish=next((delta.finish for delta in deltas if delta.finish), None),
    )


def _pieces(call: ToolCall) -> list[str]:
    return [piece for piece in (call.name, call.arguments) if piece]


def _is_noop(event: Event, payload: JSONObject, dialect: Dialect, state: StreamState) -> bool:
    """Whether *event* is the API's no-op: a type and lists as in the one that the proxy would write.

    Its other fields (id, model, a sequence number) are those of whoever has written it.
    """
    written = dialect.noop(state)
    if written is None:
        return False
    noop = Framer(max_event_bytes=len(written), joins_json=False).feed(written)[0]
    return (event.event, _substance(payload)) == (noop.event, _substance(json_object(noop.data) or {}))


def _substance(payload: JSONObject) -> JSONObject:
    return {key: value for key, value in payload.items() if key == "type" or isinstance(value, (list, dict))}
