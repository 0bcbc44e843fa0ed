"""The body of one stream response: upstream bytes in, bytes for the client out, and what was learnt on the way.

Chosen once per response: `Pipeline(rewrite=True)` makes the stream canonical and swallows the upstream's comments and
pings; ``rewrite=False`` (``reframe=never``) forwards every byte as it came and only watches. Both know at any moment
whether the answer is complete, so that a cut stream is never passed off as whole (DESIGN fact 3).

    feed(chunk) → bytes to send      any number of times; how the stream is cut into chunks changes nothing
    flush() → bytes to send          after the last byte
    conclude() → bytes to send       after a clean end; raises `Truncated` when the answer is not whole
    fail(error) → bytes to send      the dialect's in-stream error, after whatever has been sent
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import EventTooLarge, SSEProxyError, Truncated
from .dialects import Dialect, StreamState
from .documents import json_object
from .framer import Framer
from .repair import is_plain_json, repair_payload
from .sse import Event, Repairs, canonical_events, encode, is_complete_json

__all__ = ["Pipeline"]

#: JSON of this size is rarely worth parsing on the event loop; terminal events of Responses are still below it.
_MAX_PARSED_BYTES = 8_388_608


class Pipeline:
    """One stream's way through the proxy.

    Attributes:
        state: What is known of the answer.
        events: Payload events so far.
        repairs: What had to be repaired, by kind.
        began_with_error: The very first event was the upstream's error, so that a status can still tell of it.
    """

    __slots__ = (
        "_dialect", "_fast", "_framer", "_json", "_max_event_bytes", "_rewrite", "_unsent", "began_with_error",
        "events", "repairs", "state",
    )  # fmt: skip

    def __init__(self, dialect: Dialect, *, state: StreamState, max_event_bytes: int, rewrite: bool = True) -> None:
        self.state = state
        self.events = 0
        self.began_with_error = False
        self.repairs: Repairs = {}
        self._dialect = dialect
        self._rewrite = rewrite
        self._json = dialect.json
        self._max_event_bytes = max_event_bytes
        #: What came before an event that is too large, in the same chunk.
        self._unsent = b""
        # What is only watched is neither repaired nor counted as repaired.
        repairs = self.repairs if rewrite else {}
        self._framer = Framer(max_event_bytes=max_event_bytes, joins_json=dialect.json and rewrite, repairs=repairs)
        #: The first event is always looked into, and every event when several answers run side by side.
        self._fast = False

    @property
    def between_events(self) -> bool:
        """Whether a heartbeat may be written now: what the client has ends with a whole event."""
        return self._rewrite or self._framer.between_events

    @property
    def over(self) -> bool:
        """Whether nothing more is expected: complete, or ended by the upstream's own error."""
        return self.state.finished or self.state.terminated or self.state.error is not None

    def feed(self, chunk: bytes) -> bytes:
        """What the client gets for *chunk*; empty while nothing is complete.

        Raises:
            EventTooLarge: one event is over the limit; `fail` gives out what came before it.
        """
        if self._fast and self._framer.at_boundary:
            events = self._canonical(chunk)
            if events:
                self.events += events
                self._keep(chunk)
                return chunk
        try:
            framed = self._framer.feed(chunk)
        except EventTooLarge:
            self._unsent = self._reframe(self._framer.completed, b"")
            raise
        return self._reframe(framed, chunk)

    def flush(self) -> bytes:
        """After the last byte: the last event if only its blank line is missing, nothing of one cut in the middle."""
        events = [event for event in self._framer.finish() if self._is_whole(event)]
        if events and self._rewrite:
            self._count("missing_final_blank_line")
        return self._reframe(events, b"")

    def conclude(self) -> bytes:
        """After `flush`, at a clean end of the body: the terminator where it is missing.

        Raises:
            Truncated: the answer is not whole.
        """
        state, dialect = self.state, self._dialect
        if state.error is not None:
            missing = dialect.ends_errors and not state.terminated
        elif state.complete or dialect.completes_at_end:
            missing = state.finished and not state.terminated
        else:
            raise Truncated
        if not (missing and dialect.terminator and self._rewrite):
            return b""
        self._count("missing_terminator")
        state.terminated = True
        return dialect.terminator

    def fail(self, error: SSEProxyError) -> bytes:
        """The dialect's in-stream error for *error*, preceded by a blank line where an event was left open."""
        opened = b"" if self.between_events else b"\n\n"
        return opened + self._unsent + self._dialect.error_frame(error, self.state)

    def _canonical(self, chunk: bytes) -> int:
        """The fast path: how many events, if all can be forwarded unseen."""
        if len(chunk) > self._max_event_bytes:
            return 0
        for marker in self._dialect.markers:
            if marker in chunk:
                return 0
        events = canonical_events(chunk)
        if events and self._json and not is_plain_json(chunk, events):
            return 0
        return events

    def _reframe(self, events: list[Event], chunk: bytes) -> bytes:
        """The correct path: every event is looked into and written anew."""
        kept: list[bytes] = []
        for event in events:
            for whole in self._repaired(event):
                if self._dialect.is_ping(whole):
                    continue
                self._look(whole)
                kept.append(encode(whole))
        if not self._rewrite:
            return chunk
        return b"".join(kept)

    def _repaired(self, event: Event) -> list[Event]:
        if not self._json:
            return [event]
        payloads = repair_payload(event.data, self.repairs if self._rewrite else {})
        if len(payloads) == 1 and payloads[0] is event.data:
            return [event]
        # An id says that all up to here has arrived: only the last of several may bear it.
        before = [Event(data=payload, event=event.event) for payload in payloads[:-1]]
        return before + [replace(event, data=payload) for payload in payloads[-1:]]

    def _is_whole(self, event: Event) -> bool:
        return not self._json or all(map(is_complete_json, repair_payload(event.data, {})))

    def _look(self, event: Event) -> None:
        self.events += 1
        state = self.state
        if event.id is not None:
            state.has_ids = True
        self._keep(event.data)
        self._dialect.inspect(event, _parse(event.data) if self._json else {}, state)
        if not state.started:
            state.started = True
            self.began_with_error = state.error is not None
        self._fast = state.choices == 1 or not self._dialect.parallel

    def _keep(self, passed: bytes) -> None:
        wanted = self._dialect.keeps
        if wanted is not None and wanted.search(passed):
            self.state.last = passed

    def _count(self, kind: str) -> None:
        self.repairs[kind] = self.repairs.get(kind, 0) + 1


def _parse(data: bytes) -> dict[str, object]:
    if not data.startswith(b"{") or len(data) > _MAX_PARSED_BYTES:
        return {}
    return json_object(data) or {}
