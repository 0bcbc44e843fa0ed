"""What one input of the fuzzer stands for: a few bytes that choose, and the body behind them.

Every input is a case and every case an input, so the fuzzer may change any byte of either half.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from sse_proxy.core.dialects import DIALECTS, GENERIC, Dialect, StreamState
from sse_proxy.core.dialects.generic import generic_with_terminal
from sse_proxy.core.framers import Framing
from sse_proxy.core.negotiation import agreed_framing
from sse_proxy.core.numbering import Numbering
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.shapes import Output, shape_for
from sse_proxy.core.sniff import SNIFF_BYTES, Kind, sniff

__all__ = ["BETWEEN_EVENTS", "CODINGS", "FIRST_CODING", "HEAD_BYTES", "ROWS", "Case", "head"]

ROWS: dict[str, Dialect] = {
    **{row.name: row for row in (*DIALECTS, GENERIC)},
    "terminal": generic_with_terminal("done"),
}
_NAMES = tuple(ROWS)
CODINGS = ("gzip", "deflate", "br", "zstd")

#: Row, framing, output, flags, limit, two for the split, content coding.
HEAD_BYTES = 8
#: What the body's framing is: most often the row's own, sometimes what the proxy would find, or any.
_FRAMINGS: tuple[Framing | None, ...] = (None,) * 8 + tuple(Framing)
_SNIFFED = len(_FRAMINGS)
#: None only watches.
_OUTPUTS: tuple[Output | None, ...] = ("native", "native", "native", "openai", "tokens", None)
_LIMITS = (1 << 20, 1 << 20, 1 << 20, 1 << 20, 4096, 256, 90, 30)
#: Splits have a number; those from this one on are between events.
BETWEEN_EVENTS = 0x100
_NUMBERED, _APART, _RECOGNISES, _NAMED_ERRORS = 1, 2, 4, 8
_CHOICES = (1, 1, 0, 2)
_EVENT_END, _LINE_END = re.compile(rb"(?<=\n\n)"), re.compile(rb"(?<=\n)")
#: The last byte of a head from which on it tells a content coding.
FIRST_CODING = 256 - len(CODINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One stream of one upstream, its client, and how the network cuts it."""

    name: str
    framing: Framing
    output: Output | None
    flags: int
    limit: int
    split: int
    #: The body is not a stream but the input of this decoder.
    coding: str | None
    body: bytes

    @classmethod
    def of(cls, data: bytes) -> Case:
        """The case that *data* stands for."""
        row, framing, output, flags, limit, high, low, coding = data[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0")
        body = data[HEAD_BYTES:]
        name = _NAMES[row % len(_NAMES)]
        return cls(
            name=name,
            framing=_framing(framing % (_SNIFFED + 1), ROWS[name], body),
            output=_OUTPUTS[output % len(_OUTPUTS)],
            flags=flags,
            limit=_LIMITS[limit % len(_LIMITS)],
            split=high << 8 | low,
            coding=CODINGS[coding - FIRST_CODING] if coding >= FIRST_CODING else None,
            body=body,
        )

    @property
    def row(self) -> Dialect:
        """What the upstream speaks."""
        return ROWS[self.name]

    @property
    def rewrites(self) -> bool:
        """Whether the client gets canonical SSE."""
        return self.output is not None

    @property
    def numbered(self) -> bool:
        """Whether events are given ids."""
        return self.rewrites and bool(self.flags & _NUMBERED)

    @property
    def apart(self) -> bool:
        """Whether those stand in blocks of their own."""
        return self.numbered and bool(self.flags & _APART)

    @property
    def recognises(self) -> bool:
        """Whether the first event may tell the dialect."""
        return bool(self.flags & _RECOGNISES) and self.framing is not Framing.TEXT

    def pipeline(self) -> Pipeline:
        """A fresh one, as a response would have it."""
        shape = None
        if self.output == "openai" or self.output == "tokens":  # noqa: PLR1714  narrows the type
            shape = shape_for(self.output, identity={"id": "c"})
        return Pipeline(
            self.row,
            state=StreamState(
                choices=_CHOICES[self.flags >> 4 & 3], wants_named_errors=bool(self.flags & _NAMED_ERRORS)
            ),
            max_event_bytes=self.limit,
            rewrite=self.rewrites,
            framing=self.framing,
            voice=None if self.rewrites else self.row.native or self.row,
            shape=shape,
            numbering=Numbering("0" * 32, apart=self.apart) if self.numbered else None,
            recognises=self.recognises,
        )

    def pieces(self) -> list[bytes]:
        """The body as the network cuts it: in a few places, between events, or everywhere."""
        random = Random(self.split)
        body = self.body
        match self.split >> 8 & 7:
            case 1 | 2:
                end = _EVENT_END if self.framing is Framing.SSE else _LINE_END
                return [piece for piece in end.split(body) if piece]
            case 3:
                size = random.choice((1, 2, 3, 7, 16, 64)) if len(body) <= 600 else 512
                return [body[at : at + size] for at in range(0, len(body), size)]
        places = {random.randrange(len(body) + 1) for _ in range(random.randrange(1, 9))}
        edges = sorted({0, len(body), *places})
        return [body[start:end] for start, end in pairwise(edges)]


def _framing(choice: int, row: Dialect, body: bytes) -> Framing:
    if choice == _SNIFFED:
        promised = Framing.SSE if len(body) % 2 else None
        found = agreed_framing(promised, sniff(body[:SNIFF_BYTES], promised) or Kind.OTHER, textual=True)
    else:
        found = _FRAMINGS[choice]
    if found is Framing.TEXT and row.json:
        found = None  # that is refused before it comes to a pipeline
    return found or row.framing


def head(
    name: str,
    *,
    framing: Framing | None = None,
    output: Output | None = "native",
    flags: int = 0,
    limit: int = _LIMITS[0],
    split: int = 0,
    coding: str | None = None,
) -> bytes:
    """The first bytes of an input, in front of its body; *framing* None is the row's own."""
    return bytes(
        (
            _NAMES.index(name),
            _FRAMINGS.index(framing),
            _OUTPUTS.index(output),
            flags,
            _LIMITS.index(limit),
            *divmod(split, 256),
            0 if coding is None else FIRST_CODING + CODINGS.index(coding),
        )
    )
