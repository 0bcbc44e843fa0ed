"""The rows of what an upstream answers: nonsense, wrong lengths, too early an end, and what is odd but right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sse_proxy import errors

from ..streaming import DONE, chunk
from .cells import Cell
from .expect import Expected, Moment, failed, reported, whole
from .messages import Kind, Pieces, chunked, pieces, sized, unchunked
from .steps import Await, Close, Hang, Reset, Send, Step
from .upstream_rows import said_until, upstream_cell

__all__ = ["answer_cells"]


def answer_cells() -> Iterator[Cell]:
    """All of them."""
    yield from _nonsense()
    yield from _lengths()
    yield from _in_good_order()
    yield from _unusual()


def _nonsense() -> Iterator[Cell]:
    """Garbage, and too much."""
    error = errors.UpstreamProtocolError
    for kind in Kind:
        said = pieces(kind)
        garbage: dict[str, tuple[bytes, Moment]] = {
            "in place of its headers": (
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no HTTP\r\n\r\n",
                Moment.NOTHING,
            ),
            "in its headers": (said.half_head + b"pe\r\n:\x00nonsense\r\n\r\n", Moment.NOTHING),
        }
        for phase, (data, moment) in garbage.items():
            yield upstream_cell(
                "sends garbage", phase, kind, "patient", (Send(data), Hang()), failed(kind, error, moment, cancels=True)
            )
        steps = (*said_until(kind, "first"), Send(b"no chunk\r\n"), Hang())
        yield upstream_cell(
            "sends garbage", "as a chunk", kind, "patient", steps, failed(kind, error, Moment.SOME, cancels=True)
        )
        yield _noise(kind, said)
        head = b"HTTP/1.1 200 OK\r\nX-Much: " + bytes(70_000).replace(b"\0", b"m") + b"\r\n\r\n"
        expected = failed(kind, error, cancels=True)
        yield upstream_cell("sends too much", "in its headers", kind, "patient", (Send(head), Hang()), expected)
        yield _surplus(kind)
    yield from _large()


def _noise(kind: Kind, said: Pieces) -> Cell:
    noise = bytes(range(1, 256)) * 3
    if kind is Kind.STREAM:
        steps: tuple[Step, ...] = (Send(said.head + chunked(noise) + said.end), Close())
        expected = failed(kind, errors.Truncated, Moment.HEAD)
    else:  # an ordinary answer is nobody's to look into
        steps = (Send(said.until("finish") + chunked(noise) + said.end), Close())
        expected = Expected(statuses=(200,), ending="whole", tokens=2, is_complete=False, counted=(200,))
    return upstream_cell("sends garbage", "as events", kind, "patient", steps, expected)


def _surplus(kind: Kind) -> Cell:
    steps = (Send(pieces(kind, fields=b"").whole + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"), Hang())
    return upstream_cell("sends too much", "behind its answer", kind, "patient", steps, whole(kind))


def _large() -> Iterator[Cell]:
    does, phase = "sends too much", "in one event"
    event = b"data: " + b"m" * 100_000
    steps = (*said_until(Kind.STREAM, "first"), Send(chunked(event)), Hang())
    expected = failed(Kind.STREAM, errors.EventTooLarge, Moment.SOME, cancels=True)
    yield upstream_cell(does, phase, Kind.STREAM, "patient", steps, expected)
    for kind in (Kind.JSON, Kind.UPLOAD):
        said = pieces(kind)
        steps = (Send(said.head + chunked(b" " * 100_000) + said.whole[len(said.head) :]), Close())
        yield upstream_cell(does, phase, kind, "patient", steps, whole(kind))


def _lengths() -> Iterator[Cell]:
    """It lies about the length, or leaves a chunk unfinished."""
    for kind in Kind:
        steps: tuple[Step, ...] = (Send(sized(kind, length_is_off_by=50)), Close())
        # Nothing that the client of a stream needs is missing: its terminal signal and its terminator have come.
        expected = failed(kind, errors.UpstreamClosed, Moment.ALL)
        yield upstream_cell("promises more than it sends", "", kind, "patient", steps, expected)
        yield _too_short(kind)
        steps = (*said_until(kind, "first"), Send(b"64\r\n" + chunk("token 9 ")[:20]), Close())
        yield upstream_cell(
            "truncates a chunk", "", kind, "patient", steps, failed(kind, errors.UpstreamClosed, Moment.SOME)
        )


def _in_good_order() -> Iterator[Cell]:
    """The framing is whole, or there is none: only the content could tell that something is missing."""
    for kind in Kind:
        said = pieces(kind)
        passed_on = Expected(statuses=(200,), ending="whole", is_complete=False, counted=(200,))
        truncated = failed(kind, errors.Truncated, Moment.SOME)
        expected = truncated if kind is Kind.STREAM else passed_on
        steps: tuple[Step, ...] = (*said_until(kind, "first"), Send(said.end), Close())
        yield upstream_cell("ends before its end", "in good order", kind, "patient", steps, expected)
        bare = said.head.replace(b"Transfer-Encoding: chunked\r\n", b"") + unchunked(said.first)
        phase = "in a body that only the end of the connection ends"
        yield upstream_cell("closes", phase, kind, "patient", (Send(bare), Await("seen"), Close()), expected)
        expected = failed(kind, errors.UpstreamClosed, Moment.SOME)
        yield upstream_cell("resets", phase, kind, "patient", (Send(bare), Await("seen"), Reset()), expected)


def _too_short(kind: Kind) -> Cell:
    missing = len(chunk("", finish="stop") + DONE) if kind is Kind.STREAM else 20
    steps = (Send(sized(kind, length_is_off_by=-missing)), Hang())
    if kind is Kind.STREAM:
        expected = replace(failed(kind, errors.Truncated, Moment.SOME, cancels=True), tokens=2)
    else:  # its own length is what tells that an ordinary answer is whole
        expected = Expected(statuses=(200,), ending="whole", is_complete=False, counted=(200,), cancels=True)
    return upstream_cell("sends more than it promises", "", kind, "patient", steps, expected)


def _unusual() -> Iterator[Cell]:
    """What HTTP allows, and programs get wrong."""
    trailers = b"0\r\nX-Checksum: 1\r\nX-Other: 2\r\n\r\n"
    for kind in Kind:
        said = pieces(kind)
        yield upstream_cell(
            "sends trailers", "", kind, "patient", (Send(said.until("finish") + trailers), Close()), whole(kind)
        )
        for status in (b"100 Continue", b"102 Processing", b"103 Early Hints"):
            steps = (Send(b"HTTP/1.1 %s\r\nLink: </a>\r\n\r\n" % status), Send(said.whole), Close())
            yield upstream_cell(
                f"sends {status[:3].decode()}", "before its answer", kind, "patient", steps, whole(kind)
            )
        early = (
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b'Content-Length: 24\r\n\r\n{"error":{"code":"own"}}'
        )
        expected = reported(413, kind)
        reads = 65_536 if kind is Kind.UPLOAD else 0
        yield upstream_cell("answers 413 early", "", kind, "patient", (Send(early), Close()), expected, reads=reads)
