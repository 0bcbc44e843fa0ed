"""One response body as marks: what came, when, what of it our proxy would have repaired, and whether it is whole.

The proxy's own pipeline does the understanding, so that `tail` and the proxy never disagree: what it makes of the body
is read back as plain events. Beside it the body is read as it came, for what the pipeline swallows: comments and pings.
Bytes go in line by line, so that marks stand in the order of the wire.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..core.dialects import GENERIC, StreamState, dialect_of_head
from ..core.framers import Framing
from ..core.framers.event_stream import Framer
from ..core.headers import HeaderList, content_length, first, media_type
from ..core.negotiation import agreed_framing
from ..core.pipeline import Pipeline
from ..core.requests import RequestFacts
from ..core.sniff import SNIFF_BYTES, framing_of_media_type, sniff, sniff_whole
from ..core.sniff import Kind as BodyKind
from ..core.sse import Event, Repairs
from ..errors import EventTooLarge, SSEProxyError, Truncated
from .comments import Comments
from .marks import Ending, Kind, Mark, Verdict
from .meaning import NOTHING_MEANT, Meaning, kind_of, meaning_of

__all__ = ["MAX_EVENT_BYTES", "Decoder"]

#: As the proxy's own default.
MAX_EVENT_BYTES = 33_554_432

_NO_STREAM = {
    BodyKind.HTML: "the body is HTML",
    BodyKind.BINARY: "the body is binary",
    BodyKind.NOTHING: "there is no body",
    BodyKind.OTHER: "the body is no kind of stream",
}


@dataclass(slots=True)
class _Way:
    """The parsers of a body whose framing is known."""

    pipeline: Pipeline
    #: Of what the pipeline gives out, which is canonical.
    told: Framer
    #: Of the body as it came; None for other framings than SSE, whose heartbeats are white space.
    came: Framer | None
    comments: Comments


class Decoder:
    """See the module header.

    Args:
        facts: What was asked for; the head of the response may tell more of the API.
        headers: Of the response, names in any case; its body comes without content coding.
        max_event_bytes: Bound of one event.

    Attributes:
        body: What came before the framing was known; of a body that is no stream, enough to tell what it is.
    """

    def __init__(self, facts: RequestFacts, headers: HeaderList, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        kind = media_type(first(headers, b"content-type"))
        self._facts = facts
        self._dialect = dialect_of_head(headers) or facts.dialect
        self._promised = framing_of_media_type(kind)
        self._textual = kind in {"", "text/plain"}
        self._sized = content_length(headers) is not None
        self._max_event_bytes = max_event_bytes
        self.body = b""
        self._way: _Way | None = None
        self._last_mark = 0.0
        self._size_bytes = 0
        #: Repairs that marks have told of.
        self._told_repairs: Repairs = {}
        #: Repairs outside the pipeline.
        self._own_repairs: Repairs = {}
        self._ending: Ending | None = None

    @property
    def dialect(self) -> str:
        """Name of the API, as far as it is known."""
        return self._dialect.name if self._way is None else self._way.pipeline.dialect.name

    @property
    def usage(self) -> dict[str, int]:
        """Token counts that the server has told, by type."""
        return {} if self._way is None else self._way.pipeline.state.usage

    @property
    def repairs(self) -> Repairs:
        """All defects of the framing so far."""
        return {**self._own_repairs, **({} if self._way is None else self._way.pipeline.repairs)}

    @property
    def over(self) -> bool:
        """Whether nothing more is expected, though the body may not have ended."""
        return self._ending is not None or (self._way is not None and self._way.pipeline.over)

    def feed(self, chunk: bytes, now: float) -> list[Mark]:
        """The marks that *chunk* completes."""
        if self._ending is not None:
            self.body += chunk[: max(0, SNIFF_BYTES - len(self.body))]
            return []
        if self._way is None:
            self.body += chunk
            found = sniff(self.body[:SNIFF_BYTES], self._promised)
            if found is None:
                return []
            self._open(found)
            chunk = self.body
        return self._decode(chunk, now)

    def finish(self, now: float, *, broken: str = "") -> tuple[list[Mark], Ending]:
        """The marks that the end completes, and the verdict; *broken*: why the body did not end as it should."""
        marks: list[Mark] = []
        if self._way is None and self._ending is None:
            if broken and not self.body:
                return marks, Ending(verdict=Verdict.UPSTREAM_TRUNCATED, detail=broken)
            self._open(sniff_whole(self.body, self._promised) if self.body else BodyKind.NOTHING)
            marks = self._decode(self.body, now)
        if self._ending is None and self._way is not None:
            way = self._way
            try:
                marks += self._marks(way, way.pipeline.flush(), now)
            except SSEProxyError as error:
                marks += self._fail(way, error, now)
            else:
                self._ending = _concluded(way.pipeline, broken)
        return marks, self._ending or Ending(verdict=Verdict.NO_STREAM)

    def _open(self, found: Framing | BodyKind) -> None:
        """Choose the parsers, or tell that there is nothing for them."""
        framing = agreed_framing(self._promised, found, textual=self._textual)
        no_text = framing is Framing.TEXT and self._dialect.json
        # Of an API that nobody knows, a document of known length was there as a whole.
        whole = self._sized and self._dialect is GENERIC and framing not in {Framing.SSE, Framing.NDJSON}
        if framing is None or found is BodyKind.NOTHING or no_text or whole:
            kind = found if isinstance(found, BodyKind) else BodyKind.OTHER
            self._ending = Ending(verdict=Verdict.NO_STREAM, detail=_NO_STREAM[kind])
            return
        if framing is Framing.SSE and self._promised is not Framing.SSE:
            self._own_repairs["content_type"] = 1
        elif framing is not Framing.SSE and self._promised is Framing.SSE:
            self._own_repairs["missing_fields"] = 1
        pipeline = Pipeline(
            self._dialect,
            state=StreamState(choices=self._facts.choices),
            max_event_bytes=self._max_event_bytes,
            framing=framing,
            recognises=self._dialect is GENERIC,
        )
        # These only look: the limit is the pipeline's to keep, and what it writes is a little longer.
        limit = 2 * self._max_event_bytes + 65_536
        came = Framer(max_event_bytes=limit) if framing is Framing.SSE else None
        self._way = _Way(pipeline, Framer(max_event_bytes=limit), came, Comments())

    def _decode(self, chunk: bytes, now: float) -> list[Mark]:
        way, marks = self._way, list[Mark]()
        if way is None:
            return marks
        for piece in [chunk] if way.came is None else chunk.splitlines(keepends=True):
            self._size_bytes += len(piece)
            try:
                events = self._marks(way, way.pipeline.feed(piece), now)
            except SSEProxyError as error:
                return marks + self._fail(way, error, now)
            marks += events
            if way.came is not None:
                records = way.came.feed(piece)
                marks += self._heartbeats(way, [] if events else records, piece, now)
        return marks

    def _marks(self, way: _Way, told: bytes, now: float) -> list[Mark]:
        """What the pipeline has *told*, as marks."""
        dialect, state = way.pipeline.dialect, way.pipeline.state
        return [
            self._mark(kind_of(event, dialect, state), event, now, meaning_of(event, dialect, state))
            for event in way.told.feed(told)
        ]

    def _heartbeats(self, way: _Way, records: list[Event], piece: bytes, now: float) -> list[Mark]:
        """What the pipeline has swallowed: the comment that *piece* is, and pings among the *records* that it ends."""
        comment = way.comments.feed(piece)
        found = [] if comment is None else [self._mark(Kind.COMMENT, Event(data=comment), now)]
        dialect, state = way.pipeline.dialect, way.pipeline.state
        pings = (record for record in records if kind_of(dialect.unpack(record), dialect, state) is Kind.PING)
        return found + [self._mark(Kind.PING, record, now) for record in pings]

    def _mark(self, kind: Kind, event: Event, now: float, meaning: Meaning | None = None) -> Mark:
        gap, self._last_mark = now - self._last_mark, now
        size, self._size_bytes = self._size_bytes, 0
        repairs = self.repairs
        new = {name: times - self._told_repairs.get(name, 0) for name, times in repairs.items()}
        self._told_repairs = repairs
        return Mark(
            t=now,
            gap=gap,
            kind=kind,
            size_bytes=size,
            event=event.event.decode(errors="replace"),
            id=None if event.id is None else event.id.decode(errors="replace"),
            retry=event.retry,
            data=event.data.decode(errors="replace"),
            repairs={name: times for name, times in new.items() if times},
            **(meaning or NOTHING_MEANT),
        )

    def _fail(self, way: _Way, error: SSEProxyError, now: float) -> list[Mark]:
        """The marks of what came before *error*, which ends the decoding; the error itself is the verdict's to tell."""
        verdict = Verdict.TOO_LARGE if isinstance(error, EventTooLarge) else Verdict.GARBLED
        self._ending = Ending(verdict=verdict, detail=str(error).replace("the upstream", "the server"))
        frame = way.pipeline.voice.error_frame(error, way.pipeline.told)
        return self._marks(way, way.pipeline.fail(error).removesuffix(frame), now)


def _concluded(pipeline: Pipeline, broken: str) -> Ending:
    try:
        pipeline.conclude()
    except Truncated:
        return Ending(verdict=Verdict.UPSTREAM_TRUNCATED, detail=broken or "the API's terminal signal is missing")
    state = pipeline.state
    if state.error is not None:
        return Ending(verdict=Verdict.UPSTREAM_ERROR, detail=str(state.error))
    if broken and not state.complete:
        return Ending(verdict=Verdict.UPSTREAM_TRUNCATED, detail=broken)
    detail = f"{broken}, but behind the end of the answer" if broken else ""
    return Ending(verdict=Verdict.COMPLETED, verified=state.complete, detail=detail)
