"""What the client of a rewritten stream is told: canonical events, or a shape's, with or without ids of ours."""

from __future__ import annotations

from dataclasses import replace

from ..errors import SSEProxyError
from .dialects import Dialect, StreamState, Voice
from .dialects.state import JSONObject
from .numbering import Numbering
from .shapes.base import Shape
from .sse import Event, encode

__all__ = ["Teller"]


class Teller:
    """The output of one stream.

    Args:
        voice: How the client is spoken to; a shape brings its own.
        state: What is known of the upstream's stream.
        shape: Tells the answer in another API's words; None in the upstream's own.
        numbering: Gives every event an id, unless it yields to those of the first one, or of the dialect; None leaves
            them as they are.

    Attributes:
        voice: How the client is spoken to.
    """

    __slots__ = ("_ended", "_may_yield", "_numbering", "_shape", "_state", "voice")

    def __init__(self, voice: Voice, state: StreamState, shape: Shape | None, numbering: Numbering | None) -> None:
        self.voice = voice if shape is None else shape.voice
        self._state = state
        self._shape = shape
        self._numbering = numbering
        #: Nothing was told yet, and the first event decides whose ids the others have.
        self._may_yield = numbering is not None and numbering.yields
        #: The shape has told the end.
        self._ended = False

    @property
    def told(self) -> StreamState:
        """What `voice` is to be told of the stream."""
        return self._state if self._shape is None else self._shape.state

    @property
    def has_shape(self) -> bool:
        """Whether the upstream's own events are told in other words, its ending too."""
        return self._shape is not None

    @property
    def keeps_events(self) -> bool:
        """Whether the upstream's events, where they are canonical, are told as they are, but for the ids."""
        return self._shape is None

    def tell(self, event: Event, payload: JSONObject, dialect: Dialect, *, failed: bool) -> bytes:
        """The bytes for one payload event, which the state knows of; *failed*: an error was told before it."""
        if self._shape is None:
            if self._may_yield:
                self._may_yield = False
                self._choose_ids(has_own=dialect.numbers_events or event.id is not None)
            return self._in_own_words(event)
        if failed or self._ended:
            return b""  # all that a client of the shape can understand was said
        if self._state.error is not None:
            return self.voice.error_frame(self._state.error, self._shape.state)
        out = b"".join(map(encode, self._shape.write(dialect.deltas(event, payload, self._state))))
        return out + self.ending() if self._state.terminated else out

    def _choose_ids(self, *, has_own: bool) -> None:
        if has_own and self._numbering is not None:
            self._numbering.give_way()
            self._numbering = None

    def _in_own_words(self, event: Event) -> bytes:
        """The upstream's event; WHATWG HTML § 9.2.6 takes id and retry from a block without data too."""
        if self.voice.record is not None:
            return self.voice.record(event)
        if self._numbering is not None:
            event = replace(event, id=None)
        if not self._state.wants_ids_apart or (event.id is None and event.retry is None):
            return encode(event)
        fields = encode(replace(event, data=b"", event=b"")).removesuffix(b"data: \n\n")
        return fields + b"\n" + encode(replace(event, id=None, retry=None))

    def ending(self) -> bytes:
        """What ends a whole answer in the shape's words, once; nothing without a shape. Not numbered yet."""
        if self._shape is None or self._ended:
            return b""
        self._ended = True
        return b"".join(map(encode, self._shape.end(self._state)))

    def error(self, error: SSEProxyError) -> bytes:
        """The in-stream error for *error*, numbered."""
        return self.numbered(self.voice.error_frame(error, self.told))

    def numbered(self, blocks: bytes) -> bytes:
        """*blocks*, whole canonical events, as they go out."""
        return blocks if self._numbering is None else self._numbering.apply(blocks)
