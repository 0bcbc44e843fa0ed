"""The streams of a process as a table, and what there is to be said of all of them.

`Rates` knows the poll before, since a stream tells how many events it has had and not how fast they come. What a
stream tells (``/-/streams``) is JSON of another process, perhaps of another version: a field that is missing is blank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .totals import Totals
from .view import Line, Piece
from .words import as_bytes, as_range, as_seconds, cells, counted, fitted, printable

__all__ = ["SORTS", "Rates", "lines_of", "sorted_by"]

Stream = Mapping[str, Any]

#: Silence that is worth a word, and one that hops in front begin to cut at.
_SILENT_SECONDS, _TOO_SILENT_SECONDS = 5.0, 30.0
_ID_CHARACTERS = 8
_GAP = "  "

#: By the name that the user gives: what a stream is sorted by, the largest first.
SORTS = {
    "age": "age_seconds",
    "events": "events",
    "rate": "rate",
    "silence": "last_event_age_seconds",
    "bytes": "bytes_out",
}


class Rates:
    """Events a second of each stream, over the time since the poll before; of a new one, over its life."""

    def __init__(self) -> None:
        #: Time and number of events at the last poll, by id.
        self._before: dict[object, tuple[float, float]] = {}

    def add(self, streams: Sequence[Stream], now: float) -> list[dict[str, Any]]:
        """*streams*, each with its ``rate``; *now*: monotonic seconds."""
        known, self._before = self._before, {row.get("id"): (now, _number(row, "events")) for row in streams}
        return [{**row, "rate": self._rate(row, known.get(row.get("id")), now)} for row in streams]

    @staticmethod
    def _rate(row: Stream, before: tuple[float, float] | None, now: float) -> float:
        events, seconds = _number(row, "events"), _number(row, "age_seconds")
        if before is not None:
            events, seconds = events - before[1], now - before[0]
        return round(events / seconds, 2) if seconds > 0 else 0.0


def sorted_by(streams: Sequence[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    """*streams* in the order of `SORTS`; those that are equal by id, so that none jumps."""
    key = SORTS[sort]
    return sorted(streams, key=lambda row: (-_number(row, key), str(row.get("id"))))


def lines_of(
    streams: Sequence[Stream], totals: Totals, *, address: str, now: float, width: int | None, height: int | None
) -> list[Line]:
    """All that there is to show, in at most *height* lines of *width* columns; None for as many as it takes.

    *now*: Unix time.
    """
    lines = _heading(totals, address, now)
    room = None if height is None else max(1, height - len(lines) - 1)
    rows = list(streams) if room is None or len(streams) <= room else list(streams[: room - 1])
    lines += _table(rows, width)
    if len(rows) < len(streams):
        lines.append([Piece(f"and {len(streams) - len(rows)} more", ("dim",))])
    return [_cut(line, width) for line in lines[:height]]


def _heading(totals: Totals, address: str, now: float) -> list[Line]:
    up = f", up {as_seconds(max(0.0, now - totals.started))}" if totals.started else ""
    state = Piece("draining", ("yellow",)) if totals.draining else Piece("serving", ("green",))
    ended = sum(totals.outcomes.values())
    outcomes = ", ".join(f"{name} {number}" for name, number in totals.outcomes.items())
    figures = [counted(totals.events, "event"), counted(totals.heartbeats, "heartbeat")]
    if totals.repairs:
        figures.append(counted(sum(totals.repairs.values()), "repair"))
    if totals.ttft_p50_seconds is not None and totals.ttft_p95_seconds is not None:
        figures.append(f"ttft p50 {as_range(*totals.ttft_p50_seconds)} p95 {as_range(*totals.ttft_p95_seconds)}")
    if totals.resident_bytes:
        figures.append(f"memory {as_bytes(totals.resident_bytes)}")
    name = f"sse-proxy {totals.version}".rstrip()
    return [
        [Piece(name, ("bold",)), Piece(f" at {address}{up}, "), state],
        [Piece(f"{counted(totals.active, 'stream')} open, {ended} ended{f': {outcomes}' if ended else ''}")],
        [Piece(", ".join(figures))],
        [],
    ]


#: Heading and whether it is a number, which is aligned to the right.
_COLUMNS = (
    ("ID", False), ("ROUTE", False), ("DIALECT", False), ("AGE", True), ("TTFT", True), ("EVENTS", True),
    ("EV/S", True), ("LAST", True), ("BEATS", True), ("SENT", True), ("STATE", False),
)  # fmt: skip
#: Left out one after the other where the terminal is too narrow for all; most routes are named for their dialect.
_DISPENSABLE = ("BEATS", "SENT", "DIALECT", "TTFT")


def _table(streams: Sequence[Stream], width: int | None) -> list[Line]:
    headings = [heading for heading, _right in _COLUMNS]
    rows = [headings, *(_cells(row) for row in streams)]
    widths = [max(cells(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    kept = list(range(len(_COLUMNS)))
    for heading in _DISPENSABLE:
        if width is None or sum(widths[column] + len(_GAP) for column in kept) - len(_GAP) <= width:
            break
        kept.remove(headings.index(heading))
    styles = [("bold",), *(_style(row) for row in streams)]
    return [[Piece(_aligned(row, widths, kept), style)] for row, style in zip(rows, styles, strict=True)]


def _aligned(row: Sequence[str], widths: Sequence[int], kept: Sequence[int]) -> str:
    padded = []
    for column in kept:
        blank = " " * (widths[column] - cells(row[column]))
        padded.append(blank + row[column] if _COLUMNS[column][1] else row[column] + blank)
    return _GAP.join(padded).rstrip()


def _cells(row: Stream) -> list[str]:
    first_event = row.get("ttft_seconds")
    return [
        printable(str(row.get("id") or "-"))[:_ID_CHARACTERS],
        printable(str(row.get("route") or "-")),
        printable(str(row.get("dialect") or "-")),
        as_seconds(_number(row, "age_seconds")),
        "-" if first_event is None else as_seconds(_number(row, "ttft_seconds")),
        f"{_number(row, 'events'):.0f}",
        f"{_number(row, 'rate'):.1f}",
        as_seconds(_number(row, "last_event_age_seconds")),
        f"{_number(row, 'heartbeats'):.0f}",
        as_bytes(int(_number(row, "bytes_out"))),
        _state(row),
    ]


def _state(row: Stream) -> str:
    if row.get("detached"):
        return "detached"
    if not row.get("stream"):
        return "request"
    return "streaming" if row.get("events") else "waiting"


def _style(row: Stream) -> tuple[str, ...]:
    silence = _number(row, "last_event_age_seconds")
    if silence >= _TOO_SILENT_SECONDS:
        return ("red",)
    return ("yellow",) if silence >= _SILENT_SECONDS or row.get("detached") else ()


def _number(row: Stream, name: str) -> float:
    value = row.get(name)
    return value if isinstance(value, (int, float)) else 0


def _cut(line: Line, width: int | None) -> Line:
    if width is None:
        return line
    cut: Line = []
    for piece in line:
        cut.append(Piece(fitted(piece.text, width), piece.style))
        width -= cells(cut[-1].text)
        if width <= 0:
            break
    return cut
