"""The rows of what a client does wrong, phase by phase; its upstream is well, and waits where the cell needs that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sse_proxy.errors import ClientStalled

from ..streaming import chunk
from .cells import Cell, Fault, NoCell
from .client_requests import request_cells
from .client_rows import NO_HEAD, WELL, answers_well, client_fault, only
from .expect import Expected, Moment, left, refused, whole
from .messages import CELL, Kind, body_of_request, chunked, head_of_request, pieces, request
from .steps import Ask, Await, Close, Deaf, Flood, HalfClose, Hang, Read, Reset, Send, Step, Trickle

__all__ = ["client_cells"]

_SMALL_BUFFER_BYTES = 4096


def client_cells() -> Iterator[Cell | NoCell]:
    """All of them."""
    yield from _early()
    yield from _leaving()
    yield from _half_closing()
    yield from _not_reading()
    yield from _stalling()
    yield from request_cells()
    for does in ("refuses", "sends 1xx", "answers 413 early"):
        for kind in Kind:
            fault = Fault(part="client", does=does)
            yield NoCell(fault=fault, kind=kind, reason="a client is not connected to, and answers nothing")


_NOTHING = Expected(statuses=(), ending="none", is_complete=False, counted=(), requests=0)


def _early() -> Iterator[Cell | NoCell]:
    """Before there is a request."""
    head = head_of_request(Kind.STREAM, CELL)
    for does, way in (("resets", Reset()), ("closes", Close())):
        for phase, sent in (("once connected", b""), ("in its headers", head[:60])):
            fault = client_fault(does, phase)
            steps: tuple[Step, ...] = (Send(sent), way) if sent else (way,)
            yield Cell(fault=fault, kind=Kind.STREAM, world=WELL, client=steps, expected=_NOTHING)
            yield from only(fault, Kind.STREAM, NO_HEAD)
        fault = client_fault(does, "in its body")
        for kind in Kind:
            body = body_of_request(kind)
            steps = (Send(head_of_request(kind, CELL) + body[: len(body) // 2]), Await("arrived"), way)
            if kind is not Kind.UPLOAD:  # held until it is known what it asks for
                steps = (*steps[:1], way)
            expected = left(kind, requests=int(kind is Kind.UPLOAD), is_stream=False)
            expected = expected if kind is Kind.UPLOAD else replace(expected, cancels=None)
            yield Cell(fault=fault, kind=kind, world=WELL, upstream=((Hang(),),), client=steps, expected=expected)


_SLOW: dict[str, tuple[str, Moment]] = {
    "before the answer": ("", Moment.NOTHING),
    "before the first event": ("rest_of_head", Moment.HEAD),
    "between events": ("first", Moment.SOME),
    "in an event": ("half", Moment.SOME),
}


def _leaving() -> Iterator[Cell]:
    """It resets or closes the connection while the upstream is at work."""
    for does, way in (("resets", Reset()), ("closes", Close())):
        for phase, (piece, moment) in _SLOW.items():
            for kind in Kind:
                yield _leaves(does, way, phase, kind, piece, moment)


def _leaves(does: str, way: Step, phase: str, kind: Kind, piece: str, moment: Moment) -> Cell:
    steps: tuple[Step, ...] = (Send(pieces(kind).until(piece)), Hang()) if piece else (Hang(),)
    # The head of a stream is held until its first event; that of any other answer is with the client.
    begun = moment >= (Moment.SOME if kind is Kind.STREAM else Moment.HEAD)
    wait = Await("seen") if moment >= Moment.SOME else Await("head" if begun else "arrived")
    return Cell(
        fault=client_fault(does, phase), kind=kind, world=WELL, upstream=(steps,),
        client=(Ask(kind), wait, way), expected=left(kind, moment=moment if begun else Moment.NOTHING),
    )  # fmt: skip


def _half_closing() -> Iterator[Cell]:
    """It says that it will say nothing more: as nginx does, the proxy takes that for its leaving."""
    for phase, (piece, moment) in list(_SLOW.items())[::2]:
        for kind in Kind:
            cell = _leaves("half-closes", HalfClose(), phase, kind, piece, moment)
            yield cell


def _not_reading() -> Iterator[Cell]:
    """It takes nothing more, while there is something to send."""
    for kind in Kind:
        data = chunked(chunk("m" * 4000)) if kind is Kind.STREAM else chunked(b" " * 4000)
        for phase, pause in (("a fast answer", 0.0), ("a slow answer", 0.6)):
            start = pieces(kind).until("first")
            yield Cell(
                fault=client_fault("stops reading", phase), kind=kind, world="hasty",
                upstream=((Send(start), Await("seen"), Flood(data, pause)),),
                client=(Ask(kind), Await("seen"), Deaf()),
                receive_buffer_bytes=_SMALL_BUFFER_BYTES,
                # A slow answer does not fill the buffers: it is the kernel that gives up, without a word.
                expected=replace(left(kind, ClientStalled, Moment.SOME), ending="open" if pause else "cut"),
            )  # fmt: skip


def _stalling() -> Iterator[Cell | NoCell]:
    """It says nothing more, and stays."""
    head = head_of_request(Kind.STREAM, CELL)
    for phase, sent in (("once connected", b""), ("in its headers", head[:60])):
        fault = client_fault("stalls", phase)
        yield Cell(fault=fault, kind=Kind.STREAM, world="hasty", client=(Send(sent), Read()), expected=_NOTHING)
        yield from only(fault, Kind.STREAM, NO_HEAD)
    for kind in Kind:
        body = body_of_request(kind)
        sent = head_of_request(kind, CELL) + body[: len(body) // 2]
        # What the upstream has had a part of may not be sent again.
        expected = refused(400) if kind is not Kind.UPLOAD else replace(refused(400, requests=1), may_retry=False)
        yield Cell(
            fault=client_fault("stalls", "in its body"), kind=kind, world="hasty", client=(Send(sent), Read()),
            upstream=((Hang(),),), expected=expected,
        )  # fmt: skip
        yield from _trickling(kind)


def _trickling(kind: Kind) -> Iterator[Cell]:
    whole_request = request(kind, CELL)
    does = "trickles one byte a second"
    head = len(head_of_request(kind, CELL))
    steps: tuple[Step, ...] = (
        Send(whole_request[: head - 4]),
        Trickle(b"\r\n\r\n"),
        Send(whole_request[head:]),
        Read(),
    )
    yield Cell(
        fault=client_fault(does, "in its headers"), kind=kind, world="hasty", upstream=answers_well(kind), client=steps,
        expected=whole(kind),
    )  # fmt: skip
    steps = (Send(whole_request[:-6]), Trickle(whole_request[-6:]), Read())
    # A JSON body is held until it is known what it asks for, and has `idle_timeout_seconds` altogether.
    expected = whole(kind) if kind is Kind.UPLOAD else refused(400)
    yield Cell(
        fault=client_fault(does, "in its body"), kind=kind, world="hasty", upstream=answers_well(kind), client=steps,
        expected=expected,
    )  # fmt: skip
