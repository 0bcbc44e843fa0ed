"""The rows of what lies between: the network, the resolver, TLS, and the store of kept streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from sse_proxy import errors

from ..streaming import chunk
from .cells import Cell, Fault, NoCell
from .expect import Expected, Moment, failed, left, whole
from .messages import Kind, chunked, pieces, unchunked
from .relay import Manner
from .steps import Ask, Await, Close, Cut, Deaf, Do, Flood, Hang, Read, Reset, Send, Step

__all__ = ["NAME", "dns_cells", "kernel_cells", "network_cells", "store_cells", "tls_cells"]

#: Of the upstream, where the world scripts its resolution.
NAME = "llm.test"

_BEGUN = Await("seen")


def _ask(kind: Kind, *before: Step, fields: bytes = b"") -> tuple[Step, ...]:
    return (*before, Ask(kind, fields), Read())


def _well(kind: Kind) -> tuple[tuple[Step, ...], ...]:
    return ((Send(pieces(kind).whole), Close()),)


def _paused(kind: Kind, *meanwhile: Step) -> tuple[tuple[Step, ...], ...]:
    """A whole answer, in the middle of which *meanwhile* is done."""
    said = pieces(kind)
    rest = said.whole[len(said.until("first")) :]
    return ((Send(said.until("first")), _BEGUN, *meanwhile, Send(rest), Close()),)


def network_cells() -> Iterator[Cell]:
    """What may be slow, and cut anywhere, without anything being wrong."""
    late = Manner(latency_seconds=0.1, jitter_seconds=0.1)
    for where, world in (("to the upstream", "front"), ("to the client", "porch")):
        for kind in Kind:
            small = Manner(piece_bytes=1 if kind is not Kind.UPLOAD else 1400)
            for does, manner in (("delays every segment by 100 to 200 ms", late), ("splits into single bytes", small)):
                # An upload in pieces of 100 ms would take a minute and prove no more.
                slow = manner.latency_seconds / (10 if kind is Kind.UPLOAD else 1)
                fault = Fault(part="network", does=does, phase=where)
                yield Cell(
                    fault=fault,
                    kind=kind,
                    world=world,
                    upstream=_well(kind),
                    expected=whole(kind),
                    manner=replace(manner, latency_seconds=slow),
                )


def kernel_cells() -> Iterator[Cell]:
    """The kernel's own means; see `kernel`."""
    for kind in Kind:
        flood = chunked(chunk("m" * 4000)) if kind is Kind.STREAM else chunked(b" " * 4000)
        start = pieces(kind).until("first")
        rows: tuple[tuple[str, str, tuple[tuple[Step, ...], ...], tuple[Step, ...], Expected], ...] = (
            ("drops every packet", "connecting", (), (Do("drop connecting"), *_ask(kind)),
             failed(kind, errors.ConnectTimeout, requests=0)),
            ("drops every packet", "from the upstream, between events", (
                (Send(start), _BEGUN, Do("drop upstream"), Hang()),),
             _ask(kind), replace(failed(kind, errors.IdleTimeout, Moment.SOME), cancels=None)),
            ("drops every packet", "to the client, between events", (
                (Send(start), _BEGUN, Do("drop client"), Flood(flood)),),
             (*_ask(kind)[:-1], _BEGUN, Deaf()), replace(left(kind, errors.ClientStalled, Moment.SOME), ending="open")),
            ("resets (ss -K)", "the upstream's connection, between events",
             ((Send(start), _BEGUN, Do("reset upstream"), Hang()),), _ask(kind),
             replace(failed(kind, errors.UpstreamClosed, Moment.SOME), cancels=None)),
            ("resets (ss -K)", "the client's connection, between events",
             ((Send(start), _BEGUN, Do("reset client"), Hang()),), _ask(kind), left(kind, moment=Moment.SOME)),
            ("is throttled to 8 KB/s (tbf)", "", _paused(kind, Do("throttle")), _ask(kind), whole(kind)),
        )  # fmt: skip
        for does, phase, upstream, client, expected in rows:
            fault = Fault(part="network", does=does, phase=phase)
            yield Cell(
                fault=fault, kind=kind, world="kernel", upstream=upstream, client=client, expected=expected,
                receive_buffer_bytes=4096 if "client" in phase and "drops" in does else 0,
            )  # fmt: skip


def _names(**script: object) -> Step:
    return Do("names " + json.dumps({NAME: script}))


_HERE, _DEAD, _HOLE = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def dns_cells() -> Iterator[Cell]:
    """What a resolver answers."""
    refused, late = errors.ConnectFailed, errors.ConnectTimeout
    rows: tuple[tuple[str, str, Step, type[errors.SSEProxyError] | None], ...] = (
        ("refuses", "", _names(error="EAI_FAIL"), refused),
        ("knows no such name", "", _names(error="EAI_NONAME"), refused),
        ("fails for now", "", _names(error="EAI_AGAIN"), refused),
        ("black-holes", "", _names(seconds=120, addresses=[_HERE]), late),
        ("is slow", "a second", _names(seconds=1, addresses=[_HERE]), None),
        ("sends garbage", "", _names(addresses=["no address"]), refused),
        (
            "sends too much",
            "fifty dead addresses before one that lives",
            _names(addresses=[_DEAD] * 50 + [_HERE]),
            None,
        ),
        ("gives a dead address first", "it refuses", _names(addresses=[_DEAD, _HERE]), None),
        ("gives a dead address first", "it drops", _names(addresses=[_HOLE, _HERE]), None),
        ("gives only dead addresses", "they refuse", _names(addresses=[_DEAD, _DEAD]), refused),
        ("gives only dead addresses", "they drop", _names(addresses=[_HOLE]), late),
    )
    for kind in Kind:
        for does, phase, names, error in rows:
            yield Cell(
                fault=Fault(part="DNS", does=does, phase=phase), kind=kind, world="dns", upstream=_well(kind),
                client=_ask(kind, names), expected=whole(kind) if error is None else failed(kind, error, requests=0),
            )  # fmt: skip
        again = Ask(kind)
        steps = (_names(addresses=[_DEAD]), again, Read(1), _names(addresses=[_HERE]), again, Read(2))
        expected = whole(kind)
        outcomes = (errors.Outcome.UPSTREAM_ERROR, *expected.outcomes) if kind is Kind.STREAM else ()
        yield Cell(
            fault=Fault(part="DNS", does="changes its answer", phase="between two requests"), kind=kind, world="dns",
            upstream=_well(kind), client=steps,
            expected=replace(expected, statuses=(502, 200), counted=(502, 200), outcomes=outcomes),
        )  # fmt: skip


def tls_cells() -> Iterator[Cell]:
    """The upstream's TLS; which server is connected to is for the first step to say."""
    refused = errors.ConnectFailed
    rows: tuple[tuple[str, str, str, type[errors.SSEProxyError]], ...] = (
        ("has a certificate of an unknown authority", "", "stranger", refused),
        ("has an expired certificate", "", "expired", refused),
        ("has a certificate of another name", "", "other name", refused),
        ("sends an alert", "as it wants a certificate of ours", "wants certificate", errors.UpstreamClosed),
        ("sends an alert", "as it has no version of TLS that we take", "old", refused),
        ("sends garbage", "plain HTTP", "plain", refused),
        ("stalls", "in the handshake", "stalls", errors.ConnectTimeout),
        ("resets", "in the handshake", "resets", refused),
        ("closes", "in the handshake", "closes", refused),
    )
    for kind in Kind:
        for does, phase, server, error in rows:
            # TLS 1.3 asks for our certificate behind our side of the handshake, so anything may have been sent by then.
            yield Cell(
                fault=Fault(part="TLS", does=does, phase=phase), kind=kind, world="tls", upstream=_well(kind),
                client=_ask(kind, Do(server)), expected=failed(kind, error, requests=0),
            )  # fmt: skip
        yield from _tls_endings(kind)


def _tls_endings(kind: Kind) -> Iterator[Cell]:
    start = pieces(kind).until("first")
    bare = pieces(kind).head.replace(b"Transfer-Encoding: chunked\r\n", b"") + unchunked(pieces(kind).first)
    cut = failed(kind, errors.UpstreamClosed, Moment.SOME)
    rows: tuple[tuple[str, str, bytes, Step, Expected], ...] = (
        ("resets", "between events", start, Reset(), cut),
        ("closes without close_notify", "between events", start, Cut(), cut),
        ("closes without close_notify", "in a body that only the end of the connection ends", bare, Cut(), cut),
        ("closes without close_notify", "behind the answer", pieces(kind).whole, Cut(), whole(kind)),
    )  # fmt: skip
    for does, phase, sent, way, expected in rows:
        wait: tuple[Step, ...] = () if "behind" in phase else (_BEGUN,)
        yield Cell(
            fault=Fault(part="TLS", does=does, phase=phase), kind=kind, world="tls",
            upstream=((Send(sent), *wait, way),), client=_ask(kind, Do("good")), expected=expected,
        )  # fmt: skip


_STORE_FAULTS = (
    *("refuses", "resets", "half-closes", "black-holes", "trickles one byte a second"),
    *("sends garbage", "sends too much"),
)


def store_cells() -> Iterator[Cell | NoCell]:
    """The Redis of kept streams: whatever it does, the stream flows; only that it can be resumed may be lost."""
    kind = Kind.STREAM
    fields = b"X-SSE-Resume: on\r\n"
    for does in _STORE_FAULTS:
        yield Cell(
            fault=Fault(part="store", does=does, phase="before the stream"), kind=kind, world="store",
            upstream=_well(kind), client=(*_ask(kind, Do(does), fields=fields), Do("heal")),
            expected=replace(whole(kind), has=("x-sse-resume: unavailable",)),
        )  # fmt: skip
        yield Cell(
            fault=Fault(part="store", does=does, phase="in the stream"), kind=kind, world="store",
            upstream=_paused(kind, Do(does)), client=(Do("heal"), *_ask(kind, fields=fields), Do("heal")),
            expected=replace(whole(kind), has=("x-stream-id:",)),
        )  # fmt: skip
        for phase in ("before the stream", "in the stream"):
            for other in (Kind.JSON, Kind.UPLOAD):
                fault = Fault(part="store", does=does, phase=phase)
                yield NoCell(fault=fault, kind=other, reason="only streams are kept: the store is not asked")
