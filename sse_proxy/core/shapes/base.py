"""What an output shape is: any API's answer, told in the events of one API that the client knows.

Chosen by ``output`` of a route. A shape is made for one stream; the pipeline feeds it what `Dialect.deltas` has found.
"""

from __future__ import annotations

from typing import Literal, Protocol

from ..dialects import Delta, StreamState, Voice
from ..sse import Event

__all__ = ["Output", "Shape"]

Output = Literal["native", "openai", "tokens"]


class Shape(Protocol):
    """One stream's output."""

    #: How heartbeats and errors are told.
    voice: Voice
    #: What `voice` is told of the stream: ours, not the upstream's.
    state: StreamState

    def write(self, deltas: list[Delta]) -> list[Event]:
        """The events for what one event of the upstream has added; none where there is nothing to tell."""

    def end(self, upstream: StreamState) -> list[Event]:
        """The events that end a whole answer, its usage and the terminator included; called once."""
