"""How streams end: cut by whom, after which silence or time, or never finished by the server. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from .case import Case
from .findings import Finding, Severity
from .hop import Kind
from .hops import SEEMS, blamed, cutters
from .observed import End
from .probed import Probed

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
        seen = f"cut {after:.1f} s after the request, after {silence:.1f} s of silence"
        return _limit(case, "idle-cut", silence, seen)
    if case.held_to_end >= _LONG_SILENCE_SECONDS:
        return _cut_with_bytes(case)
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


def _cut_with_bytes(case: Case) -> Finding:
    """Of a cut that brought what had been held back: whether it came of a silence, nobody can tell."""
    after, held, events = case.answer.ended_at, case.held_to_end, len(case.stream.events)
    limited = any(cut.kind is Kind.IDLE for hop in case.hops for cut in hop.cuts)
    if limited:
        culprit, knob = _suspects(held, frozenset({Kind.IDLE, Kind.TOTAL}), case)
        culprit = culprit if culprit.endswith(SEEMS) else culprit + SEEMS
    else:
        culprit, knob = _suspects(after, frozenset({Kind.TOTAL}), case)
    return Finding(
        id="cut",
        severity=Severity.ERROR,
        seen=f"cut {after:.1f} s after the request, after {events} events; the last bytes came with the cut, after "
        f"{held:.1f} s without one: a hop may have held them back, so for how long the server was silent is not known",
        culprit=culprit,
        fix=(
            f"{knob}, if a limit was reached; else" if knob else "a longer idle (read) timeout in the hop that cuts, or"
        )
        + " see the log of the server: it may have died. Once nothing is held back, ask again: then it can be told",
        evidence={"seconds": round(after, 3), "held_seconds": round(held, 3), "events": events},
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


def judge_idle(silent: Case, beating: Case, paced: Case | None = None) -> Iterator[Finding]:
    """Findings about two probes with a silence of the same length: one in which nothing was sent, one with comments.

    *paced* is one without a silence, which helps to tell how long events are on their way.
    """
    if not silent.is_cut or silent.probed is None:
        if beating.probed is not None and beating.probed.ended and not beating.stream.beats:
            yield _swallowed()
        return
    silence = _silence_of(silent.probed, silent.answer.ended_at, [beating.probed, paced.probed if paced else None])
    both = beating.is_cut and abs(silent.answer.ended_at - beating.answer.ended_at) < max(1.0, silence * 0.1)
    if both:
        yield _total(silent)
        return
    period = silent.probed.heartbeat_seconds
    saved = 0 < period < silence and not beating.is_cut
    seen = f"a silent stream was cut after {silence:.1f} s"
    if saved:
        seen += f"; the proxy's heartbeats come before that, every {period:g} s"
    elif not beating.is_cut:
        seen += (
            f", before the proxy's heartbeat, every {period:g} s" if period else ", and the proxy sends no heartbeats"
        )
    found = _limit(silent, "idle-cut", silence, seen)
    if saved:
        found = replace(
            found, severity=Severity.NOTE, fix=f"nothing while heartbeats come before that; else {found.fix}"
        )
    yield found
    if beating.probed is not None and beating.probed.ended and not beating.stream.beats:
        yield _swallowed()


def _silence_of(silent: Probed, ended_at: float, others: Iterable[Probed | None]) -> float:
    """Seconds from when the last event of *silent* was written to its end.

    When it arrived says nothing: a hop that holds back hands it on with the cut. How long events are on their way if
    they are not held back, the quickest of all probes tells.
    """
    way = min(probed.quickest for probed in (silent, *others) if probed is not None)
    return ended_at - way - silent.steps[-1].offset


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


def _limit(case: Case, finding: str, silence: float, seen: str) -> Finding:
    culprit, knob = _suspects(silence, frozenset({Kind.IDLE}), case)
    return Finding(
        id=finding,
        severity=Severity.ERROR,
        seen=seen,
        culprit=culprit,
        fix=knob or _RAISE_IDLE,
        evidence={"seconds": round(silence, 3), "after_seconds": round(case.answer.ended_at, 3)},
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
