"""The rows of what a client asks: nonsense, wrong lengths, and what is odd but right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sse_proxy.errors import Outcome

from .cells import Cell, NoCell
from .client_rows import NO_HEAD, WELL, answers_well, client_fault, only
from .expect import left, refused, whole
from .messages import CELL, Kind, body_of_request, chunked, head_of_request, request
from .steps import Ask, Await, Close, Flood, Hang, Read, Reset, Send, Step

__all__ = ["request_cells"]


def request_cells() -> Iterator[Cell | NoCell]:
    """All of them."""
    yield from _nonsense()
    yield from _lengths()
    yield from _unusual()


def _nonsense() -> Iterator[Cell | NoCell]:
    """Garbage, and too much."""
    for phase, data in (
        ("in place of its headers", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        ("in its headers", head_of_request(Kind.STREAM, CELL)[:60] + b"\x00: \x01\r\n\r\n"),
    ):
        fault = client_fault("sends garbage", phase)
        yield Cell(
            fault=fault, kind=Kind.STREAM, world=WELL, client=(Send(data), Read()),
            expected=refused(400),
        )  # fmt: skip
        yield from only(fault, Kind.STREAM, NO_HEAD)
    fault = client_fault("sends too much", "in its headers")
    head = b"POST /v1 HTTP/1.1\r\nX-Much: " + b"m" * 200_000
    yield Cell(fault=fault, kind=Kind.STREAM, world=WELL, client=(Send(head), Read()), expected=refused(400))
    yield from only(fault, Kind.STREAM, NO_HEAD)
    for kind in Kind:
        yield from _bad_bodies(kind)


def _bad_bodies(kind: Kind) -> Iterator[Cell]:
    head = head_of_request(kind, CELL, framing=b"Transfer-Encoding: chunked")
    steps: tuple[Step, ...] = (Send(head + b'5\r\n{"a":\r\nno chunk\r\n\r\n'), Read())
    expected = refused(400)
    yield Cell(
        fault=client_fault("sends garbage", "as a chunk"), kind=kind, world=WELL, upstream=((Hang(),),), client=steps,
        expected=expected,
    )  # fmt: skip
    announced = head_of_request(kind, CELL, framing=b"Content-Length: 99000000")
    yield Cell(
        fault=client_fault("sends too much", "as it announces"), kind=kind, world=WELL,
        client=(Send(announced), Read()), expected=refused(413),
    )  # fmt: skip
    steps = (Send(head), Flood(chunked(b" " * 500_000), times=60), Read())
    # Over `inspect_request_bytes` nobody knows any more what it asks for: it may be a stream.
    outcomes = () if kind is Kind.UPLOAD else (Outcome.REJECTED,)
    yield Cell(
        fault=client_fault("sends too much", "in chunks"), kind=kind, world=WELL, upstream=((Hang(),),), client=steps,
        expected=replace(refused(413, requests=1), outcomes=outcomes),
    )  # fmt: skip


def _lengths() -> Iterator[Cell]:
    """It lies about the length, or leaves a chunk unfinished."""
    for kind in Kind:
        body = body_of_request(kind)[:40]
        requests = int(kind is Kind.UPLOAD)
        expected = left(kind, requests=requests, is_stream=False)
        expected = expected if requests else replace(expected, cancels=None)
        wait: tuple[Step, ...] = (Await("arrived"),) if requests else ()
        longer = head_of_request(kind, CELL, framing=b"Content-Length: 500")
        yield Cell(
            fault=client_fault("promises more than it sends"), kind=kind, world=WELL, upstream=((Hang(),),),
            client=(Send(longer + body), *wait, Close()), expected=expected,
        )  # fmt: skip
        cut = head_of_request(kind, CELL, framing=b"Transfer-Encoding: chunked")
        yield Cell(
            fault=client_fault("truncates a chunk"), kind=kind, world=WELL, upstream=((Hang(),),),
            client=(Send(cut + b"64\r\n" + body), *wait, Close()), expected=expected,
        )  # fmt: skip
        surplus = Send(request(kind, CELL) + b"what is this\r\n\r\n")
        # Where one ends and the other begins is not as the client said, so neither is taken for good.
        answered = replace(refused(400), requests=None)
        yield Cell(
            fault=client_fault("sends more than it promises"), kind=kind, world=WELL, upstream=answers_well(kind),
            client=(surplus, Read()), expected=answered,
        )  # fmt: skip


def _unusual() -> Iterator[Cell]:
    """What HTTP allows, and programs get wrong."""
    for kind in Kind:
        small = body_of_request(kind)[:3000]
        chunks = head_of_request(kind, CELL, framing=b"Transfer-Encoding: chunked") + chunked(small)
        ways: dict[tuple[str, str], tuple[Step, ...]] = {
            ("sends trailers", ""): (Send(chunks + b"0\r\nX-Checksum: 1\r\n\r\n"), Read()),
            ("expects 100", "before its body"): (Send(head_of_request(kind, CELL, fields=b"Expect: 100-continue\r\n")),
                                                 Await("interim"), Send(body_of_request(kind)), Read()),
            ("says “Connection: close”", ""): (Ask(kind, b"Connection: close\r\n"), Read()),
            ("closes its idle connection", "after the answer"): (Ask(kind), Read(), Close()),
            ("resets its idle connection", "after the answer"): (Ask(kind), Read(), Reset()),
        }  # fmt: skip
        for (does, phase), steps in ways.items():
            yield Cell(
                fault=client_fault(does, phase), kind=kind, world=WELL, upstream=answers_well(kind), client=steps,
                expected=whole(kind),
            )  # fmt: skip
        yield Cell(
            fault=client_fault("says “Connection: close”", "with another request behind it"), kind=kind, world=WELL,
            upstream=answers_well(kind),
            client=(Ask(kind, b"Connection: close\r\n"), Ask(kind), Read(2)),
            expected=whole(kind),
        )  # fmt: skip
