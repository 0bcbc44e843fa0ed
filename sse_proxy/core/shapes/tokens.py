"""``output = "tokens"``: ``data: {"token": "…"}`` for each piece of text, then ``event: done``.

What the `EventSource` hook and the fetch reader of the guide expect that this project grew out of. Only the first
answer, and of it only the text: reasoning, tool calls and usage are not told.
"""

from __future__ import annotations

from ..dialects import Delta, StreamState, Voice, compact, dialect_by_name
from ..sse import Event

__all__ = ["TokensShape"]


class TokensShape:
    """A `Shape`."""

    voice: Voice = dialect_by_name("tokens")

    def __init__(self) -> None:
        self.state = StreamState()

    def write(self, deltas: list[Delta]) -> list[Event]:
        texts = [delta.text for delta in deltas if delta.text and delta.index == 0]
        return [Event(data=compact({"token": text})) for text in texts]

    def end(self, upstream: StreamState) -> list[Event]:  # noqa: ARG002  the protocol's
        return [Event(event=b"done", data=b'{"done":true}')]
