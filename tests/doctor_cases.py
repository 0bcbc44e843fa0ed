"""Shared parts of the tests of the doctor's judges: answers made up of pieces and times, and what was found in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sse_proxy.core.headers import sse_response_headers
from sse_proxy.doctor.case import Case, case_of
from sse_proxy.doctor.findings import Finding
from sse_proxy.doctor.observed import Answer, End, Read, Request

__all__ = ["CHAT", "SSE", "answer", "case", "ids", "probe", "told"]

#: The headers that streams of ours have.
SSE = tuple((name.decode(), value.decode()) for name, value in sse_response_headers(()))
CHAT = Request(method="POST", url="http://test/v1/chat/completions", body=b'{"stream":true}')

Pieces = Sequence[tuple[float, bytes]]


def answer(
    pieces: Pieces = (),
    *,
    headers: Iterable[tuple[str, str]] = SSE,
    request: Request | None = None,
    chunked: bool = True,
    ended_at: float | None = None,
    **more: Any,
) -> Answer:
    """A whole answer of status 200 whose body came in *pieces*."""
    framing = (("transfer-encoding", "chunked"),) if chunked else ()
    reads = tuple(Read(at, data) for at, data in pieces)
    facts: dict[str, Any] = {
        "status": 200,
        "http_version": "1.1",
        "head_at": reads[0].at if reads else 0.01,
        "end": End.COMPLETE,
        **more,
    }
    return Answer(
        request=request or Request(url="http://test/events"),
        headers=(*headers, *framing),
        reads=reads,
        ended_at=ended_at if ended_at is not None else (reads[-1].at if reads else 0.01),
        **facts,
    )


def case(pieces: Pieces = (), **facts: Any) -> Case:
    """The `Case` of an `answer`."""
    return case_of(answer(pieces, **facts))


def probe(
    times: Sequence[tuple[float, float]],
    *,
    seen: Iterable[tuple[str, str]] = (),
    padding: int = 0,
    ends: bool = True,
    beats: Sequence[float] = (),
    start: dict[str, Any] | None = None,
    **facts: Any,
) -> Case:
    """A probe whose events were written and have arrived at *times*; equal arrivals came in one read.

    *seen*: the request's headers as the proxy saw them. *beats*: when comments arrived, after all events but the last.
    """
    about = {
        "probe": 1, "version": "0", "http_version": "1.1", "heartbeat_seconds": 15, "headers": list(map(list, seen)),
        "answered": list(map(list, SSE)), **(start or {}),
    }  # fmt: skip
    reads: list[tuple[float, bytes]] = []
    for number, (written, arrived) in enumerate(times):
        last = ends and number == len(times) - 1
        if last:
            reads += [(at, b": ping\n\n") for at in beats]
        kind = "start" if number == 0 else "end" if last else "tick"
        extra = about if number == 0 else {"padding": "x" * padding}
        data = json.dumps({"n": number, "offset": written, **extra})
        event = f"event: {kind}\ndata: {data}\n\n".encode()
        if reads and reads[-1][0] == arrived:
            reads[-1] = (arrived, reads[-1][1] + event)
        else:
            reads.append((arrived, event))
    return case(reads, **facts)


def ids(findings: Iterable[Finding]) -> list[str]:
    """Ids of the *findings*, with their severity."""
    return [f"{finding.severity}: {finding.id}" for finding in findings]


def told(findings: Iterable[Finding]) -> Finding:
    """The one finding that there is."""
    (only,) = findings
    return only
