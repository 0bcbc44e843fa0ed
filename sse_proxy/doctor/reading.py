"""An `Answer`'s bytes as events, each with the time at which it was whole, and what was malformed, by line.

The readers are those of the proxy (`core.framers`, `core.mending`, `core.reader`), so what is told here as a defect is
what the proxy would repair. Lines are counted from 1, as an editor counts those of the decoded body. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from ..core.decoding import decoder_for
from ..core.dialects import GENERIC, Dialect, dialect_for, dialect_of_head
from ..core.documents import json_object
from ..core.framers import Framing, RecordFramer, framer_for
from ..core.framers.event_stream import Framer
from ..core.headers import first, media_type
from ..core.mending import Mender
from ..core.negotiation import agreed_framing
from ..core.reader import Reader
from ..core.sniff import SNIFF_BYTES, Kind, framing_of_media_type, sniff, sniff_whole
from ..core.sse import Event, Repairs
from ..errors import EventTooLarge, UpstreamProtocolError
from .observed import Answer, Request
from .stream import Arrived, Beat, Stream

__all__ = ["read_stream"]

_MAX_EVENT_BYTES = 33_554_432
#: Of a line whose end has not come, so much is remembered.
_KEPT_BYTES = 320

#: Found when an event is whole, at its blank line, and told at its first line.
_OF_EVENTS = frozenset({
    "bare_error", "comment_in_data", "concatenated_json", "double_data", "empty_data", "invalid_utf8",
    "line_separators", "literal_newlines", "missing_event_type", "multi_line_data", "single_json", "split_json",
    "white_space",
})  # fmt: skip

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")


def read_stream(answer: Answer) -> Stream:
    """What the body of *answer* says."""
    pieces: list[tuple[float, int, bytes]] = []
    broken = ""
    try:
        pieces.extend(_decoded(answer))
    except UpstreamProtocolError as error:
        broken = str(error)
    dialect = _dialect(answer)
    promised = framing_of_media_type(media_type(first(answer.raw_headers, b"content-type")))
    framing = _framing(b"".join(piece for _, _, piece in pieces), promised)
    stream = Stream(framing=framing, dialect=dialect, broken=broken)
    if promised is Framing.SSE and isinstance(framing, Framing) and framing is not Framing.SSE:
        stream.note("missing_fields")
    if isinstance(framing, Framing):
        reading = _Reading(stream, framing)
        reading.run(pieces)
    return stream


def _decoded(answer: Answer) -> Iterator[tuple[float, int, bytes]]:
    """Time, number of the read, and plain bytes of each piece of the body.

    Raises:
        UpstreamProtocolError: the content coding is unknown or corrupt.
    """
    decoder = decoder_for(first(answer.raw_headers, b"content-encoding") or b"")
    for number, read in enumerate(answer.reads):
        plain = read.data if decoder is None else b"".join(decoder.feed(read.data))
        if plain:
            yield read.at, number, plain


def _dialect(answer: Answer) -> Dialect:
    request = answer.request
    parts = urlsplit(request.url)
    found = dialect_for(
        request.method, unquote(parts.path), parts.query.encode(), _raw(request), json_object(request.body) or {}
    )
    return found if found is not GENERIC else dialect_of_head(answer.raw_headers) or GENERIC


def _raw(request: Request) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in request.headers]


def _framing(body: bytes, promised: Framing | None) -> Framing | Kind:
    found = sniff(body[:SNIFF_BYTES], promised)
    if found is None:
        found = sniff_whole(body, promised)
    return agreed_framing(promised, found, textual=False) or found


class _Reading:
    """One body's way to events."""

    def __init__(self, stream: Stream, framing: Framing) -> None:
        self._stream = stream
        self._repairs: Repairs = {}
        dialect = stream.dialect
        self._framer: RecordFramer = framer_for(
            framing,
            max_event_bytes=_MAX_EVENT_BYTES,
            joins_json=dialect.json and dialect is not GENERIC,
            repairs=self._repairs,
            dataless=dialect.dataless,
        )
        mender = Mender(max_event_bytes=_MAX_EVENT_BYTES, repairs=self._repairs)
        self._reader = Reader(dialect, stream.state, mender, recognises=True, only_objects=False)
        self._has_lines = framing is Framing.SSE
        self._line = 0
        self._after_cr = False
        self._comment_open = False
        #: The beginning of a line whose end has not come yet.
        self._begun = b""
        self._size = 0
        self._counted: Repairs = {}
        #: Where the event began that is being read; of several that are one document, the first.
        self._block: tuple[int, bytes] | None = None

    def run(self, pieces: list[tuple[float, int, bytes]]) -> None:
        """Read them all, and then the end."""
        at, number = 0.0, 0
        try:
            for at, number, piece in pieces:
                for part in _LINE.findall(piece) if self._has_lines else [piece]:
                    self._feed(part, at, number)
            self._finish(at, number)
        except (EventTooLarge, UpstreamProtocolError) as error:
            self._stream.broken = (
                self._stream.broken or f"line {self._line + 1}: {error}" if self._has_lines else str(error)
            )
        self._stream.dialect = self._reader.dialect

    def _feed(self, part: bytes, at: float, number: int) -> None:
        self._size += len(part)
        framer, reader = self._framer, self._reader
        self._take(framer.feed(part), at, number)
        if isinstance(framer, Framer):
            if reader.foresees(framer.pending) or (reader.dialect.json and reader.dialect is not GENERIC):
                framer.joins_json = True  # now that the first event has told the API
            self._note_line(part, at)
        else:
            self._note_repairs(0, "")

    def _finish(self, at: float, number: int) -> None:
        left = self._framer.finish()
        if left and self._has_lines:
            text = left[-1].data.decode(errors="replace")
            self._stream.note("missing_blank_line", line=self._line + bool(self._begun), text=text)
        self._take(left, at, number)
        self._note_repairs(self._line, "")

    def _take(self, events: list[Event], at: float, number: int) -> None:
        for event in events:
            if self._reader.dialect.is_ping(event):
                self._stream.beats.append(Beat(at, (event.event or event.data).decode(errors="replace")[:40]))
                continue
            for _read in self._reader.read(event):
                pass  # folded into the state
            self._stream.events.append(Arrived(at=at, read=number, size=self._size, event=event))
            self._size = 0

    def _note_line(self, part: bytes, at: float) -> None:
        """Count lines, and see what the framer does not tell: comments, and what they end with."""
        if self._after_cr and part == b"\n":  # the other half of the line end before
            self._after_cr = False
            return
        self._after_cr = part.endswith(b"\r")
        line = self._begun + part
        if not part.endswith((b"\r", b"\n")):
            self._begun = line[:_KEPT_BYTES]
            return
        self._begun = b""
        self._line += 1
        text = line.rstrip(b"\r\n")
        if self._block is None and text and not text.startswith(b":"):
            self._block = (self._line, text)
        self._note_repairs(self._line, text.decode(errors="replace"))
        if not text and not self._reader.holding:  # else a document goes on in the next event
            self._block = None
        if text.startswith(b":"):
            self._stream.beats.append(Beat(at, text.decode(errors="replace")[:40]))
        elif not text and self._comment_open and self._stream.state.has_ids:
            self._stream.note("comment_block_with_ids", line=self._line, text="")
        self._comment_open = text.startswith(b":")

    def _note_repairs(self, line: int, text: str) -> None:
        for kind, times in self._repairs.items():
            if kind == "missing_event_type" and not self._has_lines:
                continue  # nothing has fields there
            if (more := times - self._counted.get(kind, 0)) > 0:
                where = (line, text)
                if kind in _OF_EVENTS and self._block is not None:
                    where = (self._block[0], self._block[1].decode(errors="replace"))
                self._stream.note(kind, more, *where)
                self._counted[kind] = times
