"""A `Report` as lines for people, and as a document for programs. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from ..settings import shown_url
from .case import Case
from .examined import Report
from .findings import Finding, Severity, is_clean
from .observed import End

__all__ = ["Span", "as_document", "as_lines"]

#: Text and the name of its style: a severity, ``dim``, ``bold``, or empty.
Span = tuple[str, str]

_WIDTH = 60
_TEXT_WIDTH = 96
_INDENT = " " * 8
_MAX_EVENTS = 500
#: Headers that are left out, since reports end up in logs.
_SECRET = frozenset({"set-cookie"})
#: How many events in one place of the timeline look like what; the first that is enough.
_MARKS = ((1, "."), (4, "o"))
_MANY = "O"


def as_lines(report: Report) -> Iterator[list[Span]]:
    """The lines of the report, each as spans."""
    case = report.case
    yield [("sse-proxy doctor ", ""), (shown_url(report.url), "bold")]
    yield [(_about(case), "dim")]
    for name, one in report.cases.items():
        yield []
        yield from _timeline(name, one)
    for finding in report.findings:
        yield []
        yield from _finding(finding)
    yield []
    yield [_sum(report.findings)]


def _about(case: Case) -> str:
    answer = case.answer
    what = f"{answer.request.method} {shown_url(answer.request.url)}"
    if case.probed is not None:
        what = f"probe of sse-proxy {case.probed.start.get('version')}"
    hops = f", through {', '.join(hop.name for hop in case.hops)}" if case.hops else ""
    status = f": HTTP/{answer.http_version} {answer.status}" if answer.status else ""
    return f"{what}{hops}{status}"


def _timeline(name: str, case: Case) -> Iterator[list[Span]]:
    end = max(case.answer.ended_at, 0.001)
    arrived = [event.at for event in case.stream.events]
    beats = [beat.at for beat in case.stream.beats]
    if case.probed is not None:
        # The proxy's clock is another one; the quickest event tells by how much they differ at most.
        ahead = min(step.at - step.offset for step in case.probed.steps)
        written = [step.offset + ahead for step in case.probed.steps]
        yield [(f"{name:>8}  written  |", "dim"), (_marks(written, [], end), ""), ("|", "dim")]
        name = ""
    verdict = {End.CUT: "cut", End.LEFT: "not read to its end", End.NONE: "no response"}.get(case.answer.end, "")
    verdict = "cut" if case.is_cut else verdict
    yield [
        (f"{name:>8}  arrived  |", "dim"),
        (_marks(arrived, beats, end), ""),
        ("|", "dim"),
        (f" {end:.1f} s {verdict}".rstrip(), "error" if verdict == "cut" else "dim"),
    ]


def _marks(times: list[float], beats: list[float], end: float) -> str:
    """One character a place: how many events fell there, or a heartbeat."""
    counts, quiet = [0] * _WIDTH, [False] * _WIDTH
    for at in times:
        counts[_place(at, end)] += 1
    for at in beats:
        quiet[_place(at, end)] = True
    return "".join(_mark(count, is_beat=beat) for count, beat in zip(counts, quiet, strict=True))


def _place(at: float, end: float) -> int:
    return min(max(int(at / end * _WIDTH), 0), _WIDTH - 1)


def _mark(count: int, *, is_beat: bool) -> str:
    if not count:
        return "'" if is_beat else " "
    return next((mark for most, mark in _MARKS if count <= most), _MANY)


def _finding(finding: Finding) -> Iterator[list[Span]]:
    culprit = f"  {finding.culprit}" if finding.culprit else ""
    yield [(f"{finding.severity.value:<8}", finding.severity.value), (finding.id, "bold"), (culprit, "")]
    yield from ([(line, "")] for line in _wrapped(finding.seen, _INDENT))
    if finding.fix:
        first, *others = _wrapped(finding.fix, _INDENT + "change: ", _INDENT + " " * len("change: "))
        yield [(_INDENT + "change: ", "dim"), (first.removeprefix(_INDENT + "change: "), "")]
        yield from ([(line, "")] for line in others)


def _wrapped(text: str, first: str, others: str | None = None) -> list[str]:
    return textwrap.wrap(
        text, _TEXT_WIDTH, initial_indent=first, subsequent_indent=first if others is None else others,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _sum(findings: list[Finding]) -> Span:
    counts = [(severity, sum(f.severity is severity for f in findings)) for severity in Severity]
    told = ", ".join(f"{count} {severity.value}{'' if count == 1 else 's'}" for severity, count in counts if count)
    if is_clean(findings):
        return ("nothing is wrong" + (f" ({told})" if told else ""), "clean")
    return (told, "error")


def as_document(report: Report) -> dict[str, Any]:
    """The report, ready for JSON; ids of findings and names of fields are stable."""
    case = report.case
    return {
        "url": shown_url(report.url),
        "clean": is_clean(report.findings),
        "mode": "request" if case.probed is None else "probe",
        "hops": [hop.name for hop in case.hops],
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity.value,
                "seen": finding.seen,
                "culprit": finding.culprit or None,
                "fix": finding.fix or None,
                "evidence": dict(finding.evidence),
            }
            for finding in report.findings
        ],
        "streams": {name: _stream(one) for name, one in report.cases.items()},
    }


def _stream(case: Case) -> dict[str, Any]:
    answer, stream = case.answer, case.stream
    written = {} if case.probed is None else {step.number: step.offset for step in case.probed.steps}
    steps = () if case.probed is None else case.probed.steps
    offsets = [step.offset for step in steps] if written else [None] * len(stream.events)
    return {
        "url": shown_url(answer.request.url),
        "status": answer.status or None,
        "http_version": answer.http_version or None,
        "headers": [list(pair) for pair in answer.headers if pair[0] not in _SECRET],
        "end": "cut" if case.is_cut else answer.end.value,
        "ended_seconds": round(answer.ended_at, 4),
        "head_seconds": round(answer.head_at, 4) if answer.status else None,
        "body_bytes": len(answer.body),
        "dialect": stream.dialect.name,
        "events": [
            {"written_seconds": offset, "arrived_seconds": round(event.at, 4), "read": event.read, "bytes": event.size}
            for event, offset in zip(stream.events[:_MAX_EVENTS], offsets, strict=False)
        ],
        "heartbeats": [round(beat.at, 4) for beat in stream.beats[:_MAX_EVENTS]],
    }
