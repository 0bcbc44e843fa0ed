"""How streams end: cut by whom, after which silence or time, or never finished by the server. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .case import Case
from .findings import Finding, Severity
from .hop import Kind
from .hops import blamed, cutters
from .observed import End

__all__ = ["judge_announced", "judge_end", "judge_idle", "judge_total"]

#: A silence before a cut that is no accident.
_LONG_SILENCE_SECONDS = 4.0
#: As Envoy tells the server how long it gives a response, in milliseconds.
_ENVOY_TIMEOUT = "x-envoy-expected-rq-timeout-ms"

_RAISE_IDLE = "a longer idle (read) timeout in the hop that cuts, or heartbeats more often than that"
_RAISE_TOTAL = "no limit on the whole response in the hop that cuts"


def judge_end(case: Case) -> Iterator[Finding]:
    """Findings about the end of a stream that was not meant to be cut."""
    stream, answer = case.stream, case.answer
    if stream.state.error is not None:
        yield Finding(
            id="in-stream-error",
            severity=Severity.ERROR,
            seen=f"the stream tells of an error: {str(stream.state.error) or 'without words'}",
            fix="see the log of the server",
        )
    if stream.broken:
        yield Finding(
            id="undecodable",
            severity=Severity.ERROR,
            seen=f"the stream cannot be read: {stream.broken}",
            fix="see the framing of the server, or the content coding of the hop in front",
        )
    elif case.is_cut:
        yield _cut(case)
    elif answer.end is not End.LEFT and stream.events and case.probed is None:
        yield from _terminator(case)


def _cut(case: Case) -> Finding:
    after, silence = case.answer.ended_at, case.silence
    if _is_announced(case):
        return _total(case)
    if silence >= _LONG_SILENCE_SECONDS:
        return _limit(case, "idle-cut", f"cut {after:.1f} s after the request, after {silence:.1f} s of silence")
    events = len(case.stream.events)
    seen = f"cut {after:.1f} s after the request, after {events} events, in the middle of the body"
    seen += f" and after {silence:.1f} s of silence" if silence >= 1 else ""
    culprit, knob = _suspects(after, frozenset({Kind.TOTAL}), case)
    return Finding(
        id="cut",
        severity=Severity.ERROR,
        seen=seen,
        culprit=culprit,
        fix=knob or "see the log of the server: it may have died; else a hop has a limit on the whole response",
        evidence={"seconds": round(after, 3), "silence_seconds": round(silence, 3), "events": events},
    )


def _terminator(case: Case) -> Iterator[Finding]:
    stream, dialect = case.stream, case.stream.dialect
    if not stream.complete and stream.state.error is None:
        yield Finding(
            id="truncated",
            severity=Severity.ERROR,
            seen=f"the stream ended without {dialect.name}'s finish signal: most clients take it for a complete answer",
            fix="see the log of the server; sse-proxy tells its clients of such an end as an error",
            evidence={"events": len(stream.events)},
        )
    elif dialect.terminator and not stream.state.terminated and stream.complete:
        yield Finding(
            id="terminator-missing",
            severity=Severity.WARNING,
            seen=f"the answer is complete, but {dialect.terminator.decode().strip()!r} is missing: some clients wait "
            "for it",
            fix="sse-proxy adds it where the answer is known to be complete",
        )


def judge_idle(silent: Case, beating: Case) -> Iterator[Finding]:
    """Findings about two probes with a silence of the same length: one in which nothing was sent, one with comments."""
    if not silent.is_cut or silent.probed is None:
        if beating.probed is not None and beating.probed.ended and not beating.stream.beats:
            yield _swallowed()
        return
    both = beating.is_cut and abs(silent.answer.ended_at - beating.answer.ended_at) < max(1.0, silent.silence * 0.1)
    if both:
        yield _total(silent)
        return
    period = silent.probed.heartbeat_seconds
    saved = 0 < period < silent.silence and not beating.is_cut
    seen = f"a silent stream was cut after {silent.silence:.1f} s"
    if saved:
        seen += f"; the proxy's heartbeats come before that, every {period:g} s"
    elif not beating.is_cut:
        seen += (
            f", before the proxy's heartbeat, every {period:g} s" if period else ", and the proxy sends no heartbeats"
        )
    found = _limit(silent, "idle-cut", seen)
    if saved:
        found = replace(
            found, severity=Severity.NOTE, fix=f"nothing while heartbeats come before that; else {found.fix}"
        )
    yield found
    if beating.probed is not None and beating.probed.ended and not beating.stream.beats:
        yield _swallowed()


def judge_total(ticking: Case) -> Iterator[Finding]:
    """Findings about a long probe that was never silent."""
    if ticking.is_cut:
        yield _total(ticking)


def judge_announced(case: Case) -> Iterator[Finding]:
    """A limit on the whole response that a hop has told the proxy of, whether it has been reached or not."""
    if seconds := _announced_seconds(case):
        yield Finding(
            id="total-limit",
            severity=Severity.WARNING,
            seen=f"Envoy tells the proxy that it ends every response after {seconds:g} s ({_ENVOY_TIMEOUT})",
            culprit="Envoy",
            fix=blamed("total-limit", case.hops)[1],
            evidence={"seconds": seconds},
        )


def _announced_seconds(case: Case) -> float:
    told = (case.probed.header(_ENVOY_TIMEOUT) or "") if case.probed else ""
    return int(told) / 1000 if told.isascii() and told.isdigit() else 0.0


def _is_announced(case: Case) -> bool:
    """Whether the stream ended when a hop had told that it would end it; Envoy then waits for another second."""
    seconds = _announced_seconds(case)
    return seconds > 0 and seconds - 0.5 <= case.answer.ended_at <= seconds + 3


def _swallowed() -> Finding:
    return Finding(
        id="heartbeats-lost",
        severity=Severity.ERROR,
        seen="comments that the proxy wrote into the silence did not arrive: a hop takes them away",
        fix="heartbeat_mode = data, whose heartbeats are events",
    )


def _total(case: Case) -> Finding:
    after = case.answer.ended_at
    seen = f"cut {after:.1f} s after the request, whatever was sent"
    if _is_announced(case):
        culprit, knob = blamed("total-limit", case.hops)
    else:
        culprit, knob = _suspects(after, frozenset({Kind.TOTAL}), case)
    return Finding(
        id="total-cut",
        severity=Severity.ERROR,
        seen=seen,
        culprit=culprit,
        fix=knob or _RAISE_TOTAL,
        evidence={"seconds": round(after, 3)},
    )


def _limit(case: Case, finding: str, seen: str) -> Finding:
    culprit, knob = _suspects(case.silence, frozenset({Kind.IDLE}), case)
    return Finding(
        id=finding,
        severity=Severity.ERROR,
        seen=seen,
        culprit=culprit,
        fix=knob or _RAISE_IDLE,
        evidence={"seconds": round(case.silence, 3), "after_seconds": round(case.answer.ended_at, 3)},
    )


def _suspects(seconds: float, kinds: frozenset[Kind], case: Case) -> tuple[str, str]:
    """Who it may have been, and the knobs: hops that are there, before those that have such a limit by default."""
    found = cutters(seconds, kinds, case.hops)
    there = [(hop, cut) for hop in case.hops for cut in hop.cuts if cut.kind in kinds]
    if there and not any(hop in case.hops for hop, _cut in found):
        found = there[:1]  # its default is another one, but it is the one that is known to be there
    names = list(dict.fromkeys(hop.name for hop, _ in found))
    knobs = list(dict.fromkeys(f"{hop.name}: {cut.knob}" if len(found) > 1 else cut.knob for hop, cut in found))
    return " or ".join(names), "; ".join(knobs)
