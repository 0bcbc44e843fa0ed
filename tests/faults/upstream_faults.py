"""The rows of what an upstream does wrong, phase by phase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sse_proxy import errors

from .cells import Cell, Fault, NoCell
from .expect import Expected, Moment, failed, whole
from .messages import Kind, pieces
from .relay import Manner
from .steps import Ask, Close, Deaf, HalfClose, Hang, Keep, Read, Reset, Send, Step, Trickle
from .upstream_answers import answer_cells
from .upstream_rows import said_until, upstream_cell

__all__ = ["upstream_cells"]

#: Phases of an answer: name → the last piece that is sent before the fault, and what the client has by then.
_PHASES: dict[str, tuple[str, Moment]] = {
    "before its headers": ("", Moment.NOTHING),
    "in its headers": ("half_head", Moment.NOTHING),
    "before the first event": ("rest_of_head", Moment.HEAD),
    "between events": ("first", Moment.SOME),
    "in an event": ("half", Moment.SOME),
    "before the end": ("finish", Moment.ALL),
}


def upstream_cells() -> Iterator[Cell | NoCell]:
    """All of them."""
    yield from _connecting()
    yield from _ending()
    yield from _stalling()
    yield from answer_cells()
    yield from _reused()


def _connecting() -> Iterator[Cell]:
    for kind in Kind:
        yield upstream_cell("refuses", "", kind, "refused", (), failed(kind, errors.ConnectFailed, requests=0))
        yield upstream_cell(
            "black-holes", "connecting", kind, "deaf", (), failed(kind, errors.ConnectTimeout, requests=0)
        )
        for welcome, does in (("reset", "resets"), ("close", "closes")):
            # Whether that is noticed before or after the request was written is for the kernel to say.
            expected = replace(failed(kind, errors.UpstreamClosed, requests=0), retry_is_open=True)
            yield upstream_cell(
                does, "once connected", kind, "front", (), expected,
                manner=Manner(welcome=welcome),  # type: ignore[arg-type]  # one of its literals
            )  # fmt: skip
        noise = Manner(welcome="noise", noise=b"220 mail.example ESMTP\r\n")
        expected = replace(failed(kind, errors.UpstreamProtocolError, requests=0), retry_is_open=True)  # as above
        yield upstream_cell("sends garbage", "once connected", kind, "front", (), expected, manner=noise)


def _ending() -> Iterator[Cell | NoCell]:
    """It ends the connection, in either way."""
    ways: tuple[tuple[str, Step], ...] = (("resets", Reset()), ("half-closes", HalfClose()), ("closes", Close()))
    for does, way in ways:
        for phase, (piece, moment) in _PHASES.items():
            for kind in Kind:
                expected = failed(kind, errors.UpstreamClosed, moment)
                yield upstream_cell(does, phase, kind, "patient", (*said_until(kind, piece), way), expected)
        unread = failed(Kind.UPLOAD, errors.UpstreamClosed)
        yield upstream_cell(does, "in the upload", Kind.UPLOAD, "patient", (way,), unread, reads=65_536)
        for kind in (Kind.STREAM, Kind.JSON):
            yield _small(does, kind)


def _small(does: str, kind: Kind) -> NoCell:
    fault = Fault(part="upstream", does=does, phase="in the upload")
    return NoCell(fault=fault, kind=kind, reason="the request fits into one segment: see “before its headers”")


def _stalling() -> Iterator[Cell | NoCell]:
    """It says nothing more, and stays."""
    for phase, (piece, moment) in _PHASES.items():
        for kind in Kind:
            first = moment is Moment.NOTHING or (kind is Kind.STREAM and moment is Moment.HEAD)
            error = errors.FirstEventTimeout if first else errors.IdleTimeout
            expected = failed(kind, error, moment, cancels=True)
            yield upstream_cell("stalls", phase, kind, "hasty", (*said_until(kind, piece), Hang()), expected)
    yield upstream_cell(
        "stalls", "in the upload", Kind.UPLOAD, "hasty", (Deaf(),),
        failed(Kind.UPLOAD, errors.IdleTimeout, cancels=True), reads=65_536,
    )  # fmt: skip
    for kind in (Kind.STREAM, Kind.JSON):
        yield _small("stalls", kind)
    yield from _promised()
    yield from _trickling()


def _promised() -> Iterator[Cell | NoCell]:
    phase = "after the proxy has begun the response"
    promised = failed(Kind.STREAM, errors.FirstEventTimeout, cancels=True, promised=True)
    yield upstream_cell("stalls", phase, Kind.STREAM, "promised", (Hang(),), promised)
    for kind in (Kind.JSON, Kind.UPLOAD):
        fault = Fault(part="upstream", does="stalls", phase=phase)
        yield NoCell(fault=fault, kind=kind, reason="only streams are begun before their upstream's answer")


def _trickling() -> Iterator[Cell]:
    for kind in Kind:
        said = pieces(kind)
        slow = (Trickle(said.until("first")), Hang())
        expected = failed(kind, errors.FirstEventTimeout, cancels=True)
        yield upstream_cell("trickles one byte a second", "from its headers on", kind, "hasty", slow, expected)
    does, phase = "trickles one byte a second", "from the first event on"
    steps: tuple[Step, ...] = (Send(pieces(Kind.STREAM).head), Trickle(pieces(Kind.STREAM).first))
    expected = failed(Kind.STREAM, errors.FirstEventTimeout, Moment.HEAD, cancels=True)
    yield upstream_cell(does, phase, Kind.STREAM, "hasty", steps, expected)
    for kind in (Kind.JSON, Kind.UPLOAD):
        # Each byte is a sign of life of an answer that is no stream.
        said = pieces(kind)
        start = said.until("first")
        steps = (
            Send(start),
            Trickle(said.whole[len(start) : len(start) + 8]),
            Send(said.whole[len(start) + 8 :]),
            Close(),
        )
        yield upstream_cell(does, phase, kind, "hasty", steps, whole(kind))


def _reused() -> Iterator[Cell]:
    """The second request on a connection that was kept."""
    for kind in Kind:
        kept = (Send(pieces(kind, fields=b"").whole), Keep())
        closing = (Send(pieces(kind).whole), Close())
        twice = whole(kind, answers=2)
        part: tuple[tuple[str, str, tuple[tuple[Step, ...], ...], Expected], ...] = (
            ("closes an idle connection", "as the next request is written", (kept, (Close(),)),
             failed(kind, errors.UpstreamClosed, requests=2, before=1)),
            ("resets an idle connection", "as the next request is written", (kept, (Reset(),)),
             failed(kind, errors.UpstreamClosed, requests=2, before=1)),
            ("closes an idle connection", "before the next request", ((kept[0], Close()), closing), twice),
            ("says “Connection: close”", "while the next request waits", (closing, closing), twice),
        )  # fmt: skip
        for does, phase, scripts, expected in part:
            yield Cell(
                fault=Fault(part="upstream", does=does, phase=phase), kind=kind, world="pool", upstream=scripts,
                client=_twice(kind, pipelined="waits" in phase), expected=expected,
            )  # fmt: skip


def _twice(kind: Kind, *, pipelined: bool) -> tuple[Step, ...]:
    again = Ask(kind)
    return (again, again, Read(2)) if pipelined else (again, Read(1), again, Read(2))
