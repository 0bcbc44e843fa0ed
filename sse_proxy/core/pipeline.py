"""The body of one stream response: upstream bytes in, bytes for the client out, and what was learnt on the way.

Chosen once per response: `Pipeline(rewrite=True)` turns records of any framing into canonical SSE and swallows the
upstream's comments and pings, with a `Shape` it also tells them in another API's words; ``rewrite=False``
(``reframe=never``, and clients that expect the server's own framing) forwards every byte as it came and only watches.
All know at any moment whether the answer is complete: a cut stream is never passed off as whole (DESIGN fact 3).

    feed(chunk) → bytes to send      any number of times; how the stream is cut into chunks changes nothing
    flush() → bytes to send          after the last byte
    conclude() → bytes to send       after a clean end; raises `Truncated` when the answer is not whole
    fail(error) → bytes to send      the dialect's in-stream error, after whatever has been sent
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import EventTooLarge, SSEProxyError, Truncated, UpstreamProtocolError
from .dialects import GENERIC, Dialect, StreamState, Voice
from .fast_path import FastPath, whole_events
from .framers import Framing, framer_for
from .framers.event_stream import Framer
from .mending import Mender
from .numbering import Numbering
from .reader import Reader
from .shapes.base import Shape
from .sse import Event, Repairs, count
from .teller import Teller

__all__ = ["Pipeline"]


class Pipeline:
    """One stream's way through the proxy.

    Args:
        dialect: What the upstream speaks.
        state: A fresh one.
        max_event_bytes: Bound of one record.
        rewrite: See the module header.
        framing: Of the upstream's body.
        voice: How the client is spoken to where that is not the dialect's own event stream; a shape brings its own.
        shape: Tells the answer in another API's words; rewriting only.
        numbering: Gives every event an id; rewriting only.
        recognises: Whether the first event of a generic stream may tell the dialect; text has none.

    Attributes:
        state: What is known of the answer.
        repairs: What had to be repaired, by kind.
    """

    __slots__ = (
        "_cut", "_fast", "_framer", "_max_event_bytes", "_may_be_fast", "_reader", "_rewrite", "_shortcut", "_teller",
        "_unsent", "repairs", "state",
    )  # fmt: skip

    def __init__(
        self,
        dialect: Dialect,
        *,
        state: StreamState,
        max_event_bytes: int,
        rewrite: bool = True,
        framing: Framing = Framing.SSE,
        voice: Voice | None = None,
        shape: Shape | None = None,
        numbering: Numbering | None = None,
        recognises: bool = False,
    ) -> None:
        self.state = state
        state.retold = shape is not None
        self.repairs: Repairs = {}
        self._rewrite = rewrite
        self._max_event_bytes = max_event_bytes
        #: What came before the event at which `feed` has raised, in the same chunk.
        self._unsent = b""
        self._cut = False  # the body ended within a record
        # What is only watched is neither repaired nor counted as repaired.
        self._framer = framer_for(
            framing,
            max_event_bytes=max_event_bytes,
            joins_json=dialect.json and rewrite,
            repairs=self.repairs if rewrite else {},
            dataless=dialect.dataless,
        )
        is_sse = framing is Framing.SSE
        mender = Mender(max_event_bytes=max_event_bytes, repairs=self.repairs) if rewrite else None
        recognises = recognises and framing is not Framing.TEXT
        self._reader = Reader(dialect, state, mender, recognises=recognises, only_objects=rewrite and not is_sse)
        self._teller = Teller(voice or dialect, state, shape, numbering)
        self._shortcut = FastPath(dialect, max_event_bytes)
        self._fast = False  # the next chunk may go the fast path
        #: Every event is looked into where the upstream's framing is not the client's, and where all is told anew.
        self._may_be_fast = is_sse and self._teller.keeps_events

    @property
    def dialect(self) -> Dialect:
        """What the upstream speaks, as far as that is known."""
        return self._reader.dialect

    @property
    def voice(self) -> Voice:
        """How the client is spoken to."""
        return self._teller.voice

    @property
    def told(self) -> StreamState:
        """What `voice` is to be told of the stream."""
        return self._teller.told

    @property
    def events(self) -> int:
        """Payload events so far."""
        return self._reader.events

    @property
    def began_with_error(self) -> bool:
        """Whether the very first event was the upstream's error, so that a status can still tell of it."""
        return self._reader.began_with_error

    @property
    def between_events(self) -> bool:
        """Whether a heartbeat may be written now: what the client has ends with a whole event."""
        return self._rewrite or self._framer.between_events

    @property
    def held_bytes(self) -> int:
        """How much is held of an event whose end has not come; asked after each event that is rewritten."""
        return 0 if self._fast else self._framer.held_bytes + self._reader.held_bytes

    @property
    def over(self) -> bool:
        """Whether nothing more is expected: complete, or ended by the upstream's own error."""
        return self.state.finished or self.state.terminated or self.state.error is not None

    def passes(self, chunk: bytes) -> int:
        """How many events *chunk* is, if it needs but to be numbered and nothing is to be learnt from it; else 0."""
        if self._fast and (events := self._shortcut.events(chunk)):
            self._reader.passed(chunk, events)
            return events
        return 0

    def feed(self, chunk: bytes) -> bytes:
        """What the client gets for *chunk*; empty while nothing is complete.

        Raises:
            EventTooLarge: one event is over the limit; `fail` gives out what came before it.
            UpstreamProtocolError: the body breaks its own framing, or the dialect's; as above.
        """
        if self.passes(chunk):
            return self._teller.numbered(chunk)
        if self._rewrite and chunk.endswith(b"\r\n") and self.passes(straight := chunk.replace(b"\r\n", b"\n")):
            count(self.repairs, "line_endings", len(chunk) - len(straight))
            return self._teller.numbered(straight)
        if len(pieces := self._pieces(chunk)) == 1:
            return self._slowly(chunk)
        told: list[bytes] = []
        try:
            told.extend(self._teller.numbered(each) if self.passes(each) else self._slowly(each) for each in pieces)
        except (EventTooLarge, UpstreamProtocolError):
            self._unsent = b"".join(told) + self._unsent
            raise
        return b"".join(told)

    def flush(self) -> bytes:
        """After the last byte: the last event if only its blank line is missing; first, what `feed` has held back."""
        before, self._unsent = self._unsent, b""
        left = self._framer.finish()
        events = list(filter(self._reader.is_whole, left))
        if events and self._rewrite and isinstance(self._framer, Framer):
            count(self.repairs, "missing_final_blank_line")
        told = before + self._reframe(events, b"")
        self._cut = self._cut or self._framer.cut or self._reader.holding or len(events) < len(left)
        return told

    def conclude(self) -> bytes:
        """After `flush`, at a clean end of the body: the terminator where it is missing.

        Raises:
            Truncated: the answer is not whole.
        """
        state, teller = self.state, self._teller
        # Behind the terminator nothing is the answer's.
        ends_well = state.complete or (self.dialect.completes_at_end and not state.owes_end)
        whole = state.terminated or (not self._cut and ends_well)
        if state.error is None and not whole:
            raise Truncated
        if teller.has_shape:
            return teller.numbered(teller.ending()) if state.error is None else b""
        missing = teller.voice.ends_errors if state.error is not None else state.finished
        if state.terminated or not (missing and teller.voice.terminator and self._rewrite):
            return b""
        count(self.repairs, "missing_terminator")
        state.terminated = True
        return teller.numbered(teller.voice.terminator)

    def fail(self, error: SSEProxyError) -> bytes:
        """The in-stream error for *error*, after what closes a record that was left open; empty where nothing can."""
        opened = b"" if self.between_events else self.voice.closes
        return b"" if opened is None else opened + self._unsent + self._teller.error(error)

    def _pieces(self, chunk: bytes) -> list[bytes]:
        """*chunk* cut where one piece may go another way than the next."""
        if self._reader.recognises:  # the first event may change how the lines behind it are read
            return chunk.splitlines(keepends=True)
        return whole_events(chunk, begun=not self._fast) if self._may_be_fast else [chunk]

    def _slowly(self, chunk: bytes) -> bytes:
        self._fast = False
        try:
            records = self._framer.feed(chunk)
        except (EventTooLarge, UpstreamProtocolError):
            self._unsent = self._reframe(self._framer.completed, b"")
            raise
        told = self._reframe(records, chunk)
        if isinstance(self._framer, Framer) and self._reader.foresees(self._framer.pending):
            self._recognised(GENERIC)
        self._fast = self._may_be_fast and self._framer.at_boundary and self._reader.may_look_away
        return told

    def _reframe(self, records: Iterable[Event], chunk: bytes) -> bytes:
        """The correct path: every record is looked into and its events written anew."""
        told: list[bytes] = []
        try:
            for record in records:
                self._read(record, told)
        except (EventTooLarge, UpstreamProtocolError):
            self._unsent = self._teller.numbered(b"".join(told))
            raise
        return self._teller.numbered(b"".join(told)) if self._rewrite else chunk

    def _read(self, record: Event, told: list[bytes]) -> None:
        reader, teller = self._reader, self._teller
        before = reader.dialect
        for event, payload, failed in reader.read(record):
            self._recognised(before)
            if self._rewrite:
                told.append(teller.tell(event, payload, reader.dialect, failed=failed))
        self._recognised(before)  # the record may be held, so that it was no event yet

    def _recognised(self, before: Dialect) -> None:
        """The first record may have told the dialect."""
        found = self._reader.dialect
        if found is before:
            return
        self._shortcut = FastPath(found, self._max_event_bytes)
        if self._teller.voice is before:
            self._teller.voice = found
        if isinstance(self._framer, Framer):
            self._framer.joins_json = found.json and self._rewrite
