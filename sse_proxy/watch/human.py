"""A stream for people: a line for each mark, with its time and the gap before it, and what it came to at the end.

`Raw` has a line for each read in place of the marks.
"""

from __future__ import annotations

from ..core.headers import first
from .marks import Ending, Head, Kind, Mark, Verdict
from .tally import Summary
from .view import Line, Piece
from .words import as_bytes, as_seconds, cells, counted, fitted, printable

__all__ = ["Human", "Raw"]

#: A gap worth a colour, and one that hops in front begin to cut at.
_LONG_SECONDS, _TOO_LONG_SECONDS = 1.0, 30.0
#: Of a body that is no stream, so much is shown.
_EXCERPT_CHARACTERS = 2000


class Human:
    """For people; *width*: lines are cut to this many characters, None for never."""

    def __init__(self, width: int | None = None) -> None:
        self._width = width

    def head(self, head: Head, request: str) -> list[Line]:
        told = {name: first(head.headers, name.encode()) for name in ("content-type", "content-encoding", "location")}
        words = ["", head.http_version, (told.pop("content-type") or b"no content type").decode("latin-1")]
        words += [f"{name} {value.decode('latin-1')}" for name, value in told.items() if value is not None]
        style = ("green",) if 200 <= head.status < 300 else ("red",)
        return [
            [Piece(printable(request), ("bold",))],
            [
                Piece(printable(f"{head.status} {head.reason}".rstrip()), style),
                Piece(printable(", ".join([*words, f"after {as_seconds(head.t)}"]))),
            ],
        ]

    def chunk(self, chunk: bytes, t: float, gap: float) -> list[Line]:  # noqa: ARG002  the protocol's
        return []

    def mark(self, mark: Mark) -> list[Line]:
        line = _times(mark.t, mark.gap)
        word, style = _WORDS[mark.kind]
        line.append(Piece(f"  {word:8}", style))
        said, said_style = _said(mark)
        defects = f"  defect: {_named(mark.repairs)}" if mark.repairs else ""
        given = f"  id {printable(mark.id)}" if mark.id is not None else ""
        used = sum(cells(piece.text) for piece in line) + cells(given + defects)
        line.append(Piece(fitted(said, None if self._width is None else max(10, self._width - used)), said_style))
        line += [Piece(given, ("dim",)), Piece(defects, ("yellow",))]
        return [[piece for piece in line if piece.text]]

    def end(self, summary: Summary, body: bytes) -> list[Line]:
        lines: list[Line] = []
        if body:
            shown = printable(body.decode(errors="replace"), keeps_lines=True)
            lines.append([Piece(fitted(shown.rstrip(), _EXCERPT_CHARACTERS))])
        if summary.text:
            lines.append([Piece("text ", ("bold",)), Piece(printable(summary.text, keeps_lines=True))])
        lines.append(_verdict(summary.ending, summary.dialect))
        if summary.ending.verdict not in {Verdict.HTTP_ERROR, Verdict.NO_STREAM}:
            lines.append([Piece(_figures(summary))])
        if summary.usage:
            counts = ", ".join(f"{name} {number}" for name, number in summary.usage.items())
            lines.append([Piece(f"tokens: {counts}")])
        if summary.repairs:
            lines.append([Piece(f"defects, which the proxy repairs: {_named(summary.repairs)}", ("yellow",))])
        return lines


_WORDS: dict[Kind, tuple[str, tuple[str, ...]]] = {
    Kind.EVENT: ("event", ("green",)),
    Kind.PING: ("ping", ("cyan",)),
    Kind.COMMENT: ("comment", ("cyan",)),
    Kind.ERROR: ("error", ("red",)),
}

_VERDICTS = {
    Verdict.COMPLETED: "completed",
    Verdict.UPSTREAM_ERROR: "failed: the server told an error",
    Verdict.UPSTREAM_TRUNCATED: "truncated",
    Verdict.TOO_LARGE: "failed: an event is too large",
    Verdict.GARBLED: "failed: the framing cannot be repaired",
    Verdict.HTTP_ERROR: "no stream: the status is not 2xx",
    Verdict.NO_STREAM: "no stream",
    Verdict.STOPPED: "stopped",
}


def _times(t: float, gap: float) -> Line:
    style = ("red",) if gap >= _TOO_LONG_SECONDS else ("yellow",) if gap >= _LONG_SECONDS else ("dim",)
    return [Piece(f"{t:9.3f}"), Piece(f" {f'+{gap:.3f}':>9}", style)]


def _said(mark: Mark) -> Piece:
    """What an event says: of the answer where that is known, else its type and data."""
    if mark.kind is Kind.EVENT:
        parts = [f'"{printable(mark.text)}"'] if mark.text else []
        parts += [f'thought "{printable(mark.reasoning)}"'] if mark.reasoning else []
        parts += [f"tool {printable(piece)}" for piece in mark.tools]
        parts += [f"finish {printable(mark.finish)}"] if mark.finish else []
        if parts:
            return Piece(" ".join(parts), ("bold",))
    words = [printable(mark.event)] if mark.event else []
    words += [f"retry {mark.retry}"] if mark.retry is not None else []
    return Piece(" ".join([*words, printable(mark.data)]), ())


def _named(repairs: dict[str, int]) -> str:
    return ", ".join(name if times == 1 else f"{name} {times}" for name, times in sorted(repairs.items()))


def _verdict(ending: Ending, dialect: str) -> Line:
    unsure = ending.verdict is Verdict.STOPPED or (ending.is_whole and not ending.verified)
    style = ("yellow",) if unsure else ("green",) if ending.is_whole else ("red",)
    words = [_VERDICTS[ending.verdict]]
    if ending.is_whole:
        words.append(
            f"the answer is whole, as {dialect} tells" if ending.verified else "nothing tells whether that was all"
        )
    if ending.detail:
        words.append(printable(ending.detail))
    return [Piece(words[0], style), Piece("".join(f": {word}" for word in words[1:]))]


def _figures(summary: Summary) -> str:
    ttft = summary.ttft_seconds
    between = summary.longest_event_gap_seconds
    words = [
        "no event" if ttft is None else f"ttft {as_seconds(ttft)}",
        counted(summary.events, "event"),
        counted(summary.heartbeats, "heartbeat"),
        as_bytes(summary.bytes_in),
        f"in {as_seconds(summary.duration_seconds)}",
        f"longest silence {as_seconds(summary.longest_gap_seconds)}",
    ]
    if between is not None:
        words.append(f"longest gap between events {as_seconds(between)}")
    return ", ".join(words)


class Raw(Human):
    """The bytes as they came: a line for each read, with its time; line ends and what is no ASCII escaped."""

    def chunk(self, chunk: bytes, t: float, gap: float) -> list[Line]:
        size = Piece(f" {len(chunk):6} B  ", ("dim",))
        return [[*_times(t, gap), size, Piece(printable(chunk.decode(errors="surrogateescape")))]]

    def mark(self, mark: Mark) -> list[Line]:  # noqa: ARG002  the protocol's
        return []

    def end(self, summary: Summary, body: bytes) -> list[Line]:  # noqa: ARG002  its bytes have been shown
        return super().end(summary, b"")
