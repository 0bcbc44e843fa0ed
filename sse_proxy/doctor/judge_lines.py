"""What is malformed in a stream, line by line, and its heartbeats. Pure.

A table of the defects that `reading` names: most are those that the proxy repairs (``sse_proxy_repairs_total``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ..core.framers import Framing
from .case import Case
from .findings import Finding, Severity
from .observed import End
from .stream import Defect

__all__ = ["judge_heartbeats", "judge_lines", "known_kinds"]

_REPAIRED = "sse-proxy in front of the server repairs it"

#: What the specification allows and clients of theirs read, but not every hand-written one.
_LEGAL = {
    "bom": "a byte order mark in front",
    "extra_blank_lines": "more than one blank line between events",
    "line_endings": "CR or CRLF line ends",
    "missing_space": "no space after 'data:'",
    "multi_line_data": "one JSON document on several data lines",
    "white_space": "white space around the JSON",
}
#: What loses or garbles events in some clients or in all.
_WRONG = {
    "bare_error": "an error object that is not under 'error', which SDKs do not see",
    "bare_json": "JSON without 'data:' in front",
    "comment_block_with_ids": "a blank line behind a comment in a stream with ids: some SDKs take it for an event",
    "comment_in_data": "a comment within 'data:'",
    "concatenated_json": "several JSON documents in one event",
    "double_data": "'data:' twice in a line",
    "empty_data": "events without data",
    "error_field": "an error in a field 'error:', which readers ignore",
    "invalid_utf8": "bytes that are no UTF-8",
    "line_separators": "U+2028, U+2029 or U+0085, at which some clients cut lines",
    "literal_newlines": r"\n written as two characters",
    "missing_blank_line": "no blank line behind the last event, which an EventSource then drops",
    "missing_event_type": "events without the 'event:' that clients of this API go by",
    "missing_fields": "JSON without 'data:' in what says it is an event stream",
    "single_json": "a whole answer as one event, where a stream was asked for",
    "single_newline": "one newline instead of two between events",
    "split_json": "one JSON document cut into several events",
}


def known_kinds() -> frozenset[str]:
    """The kinds of defects that there are words for."""
    return frozenset({*_LEGAL, *_WRONG})


def judge_lines(case: Case) -> Iterator[Finding]:
    """One finding for what is wrong, and one for what is legal and unusual."""
    defects = dict(case.stream.defects)
    if case.answer.end not in {End.COMPLETE, End.CLOSED}:
        defects.pop("missing_blank_line", None)  # what was cut has no end to be right or wrong
    wrong = [defect for kind, defect in defects.items() if kind not in _LEGAL]
    legal = [defect for kind, defect in defects.items() if kind in _LEGAL]
    if wrong:
        yield _finding("framing", Severity.ERROR, "malformed", wrong)
    if legal:
        yield _finding("unusual-framing", Severity.NOTE, "legal, but not read by every client", legal)


def _finding(name: str, severity: Severity, verdict: str, defects: list[Defect]) -> Finding:
    told = "; ".join(_told(defect) for defect in defects)
    return Finding(
        id=name,
        severity=severity,
        seen=f"{verdict}: {told}",
        fix=_REPAIRED,
        evidence={
            "defects": [
                {"kind": defect.kind, "times": defect.times, "lines": [list(line) for line in defect.lines]}
                for defect in defects
            ]
        },
    )


def _told(defect: Defect) -> str:
    text = _LEGAL.get(defect.kind) or _WRONG.get(defect.kind, defect.kind)
    numbers = ", ".join(str(number) for number, _text in defect.lines)
    where = f" (line {numbers})" if len(defect.lines) == 1 else f" (lines {numbers})" if numbers else ""
    return text + where + (f", {defect.times} times" if defect.times > max(len(defect.lines), 1) else "")


#: What every hop of the table but Fastly (10 seconds, then it cuts, and there is no such silence) lets through.
_LONG_SILENCE_SECONDS = 20.0


def judge_heartbeats(case: Case) -> Iterator[Finding]:
    """Findings about silences, of a stream that is no probe's."""
    if case.probed is not None or not isinstance(case.stream.framing, Framing):
        return
    times = [0.0, case.answer.head_at, *(read.at for read in case.answer.reads), case.answer.ended_at]
    gap, after = max((later - earlier, earlier) for earlier, later in pairwise(times))
    beats = case.stream.beats
    if beats:
        period = _period([beat.at for beat in beats])
        yield Finding(
            id="heartbeats",
            severity=Severity.NOTE,
            seen=f"{len(beats)} heartbeats ({beats[0].text!r})"
            + (f", one about every {period:.1f} s" if period else ""),
            evidence={"heartbeats": len(beats), "period_seconds": period and round(period, 3)},
        )
    if gap >= _LONG_SILENCE_SECONDS:
        what = "before the head of the response" if after < case.answer.head_at else "in the stream"
        yield Finding(
            id="heartbeats-missing",
            severity=Severity.WARNING,
            seen=f"{gap:.1f} s without a byte {what}: hops cut a silent connection, many after 60 s, some after 20",
            fix="heartbeats every 15 s: sse-proxy in front of the server sends them, before its head too",
            evidence={"silence_seconds": round(gap, 3), "after_seconds": round(after, 3)},
        )


def _period(times: list[float]) -> float | None:
    """The usual time between two of *times*; None for fewer than two."""
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    return gaps[len(gaps) // 2] if gaps else None
