"""Whether events come when they are written, or are held back on the way. Pure.

Of a probe it is known when each event was written. A machine that is busy delays some of them too, so a verdict needs
both: a delay that a reader would notice, and far fewer arrivals than there were writes. Of any other stream only the
arrivals are known, and what they can tell is told as no more than that. A heartbeat that came in between shows that
nothing is held back from where it was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .case import Case
from .findings import Finding, Severity
from .hops import blamed, seeming
from .probed import Probed
from .stream import Arrived

__all__ = ["held_back", "judge_flow", "judge_pace"]

#: What a reader notices, and more than a busy machine takes for granted.
_NOTICED_SECONDS = 0.4
#: Half of the events this late, and in groups, are no accident either.
_WAITING_SECONDS = 0.06
#: How late the first event of a group is where the kernel waits for a full packet.
_CORK_SECONDS = (0.12, 0.3)
#: An answer that was there sooner may just be short.
_QUICK_SECONDS = 0.5
#: Of fewer events one can tell nothing.
_ENOUGH_EVENTS = 5
#: Events that follow each other closer than this are one burst.
_BURST_SECONDS = 0.05
#: So many events in each burst, and such pauses between them, are no model's pace.
_A_BURST = 4
_PAUSE_SECONDS = 0.1
_SHOWN_BURSTS = 8

_FIX = "response buffering off, in the hop that does it; ask each hop in turn, from the server outwards, to find it"


def held_back(probed: Probed) -> bool:
    """Whether events of a probe came in far fewer pieces than they were written in, and late."""
    arrivals = len({step.read for step in probed.steps})
    return max(probed.held_back()) >= _NOTICED_SECONDS and arrivals <= len(probed.steps) / 2


def judge_flow(case: Case, padded: Case | None = None) -> Iterator[Finding]:
    """Findings about a probe; *padded* is one of many bytes, which shows the size of the buffer."""
    probed = case.probed
    if probed is None:
        return
    if not held_back(probed):
        yield from _grouped(probed)
        return
    arrivals = len({step.read for step in probed.steps})
    first = probed.held_back()[0]
    span = probed.steps[-1].offset - probed.steps[0].offset
    evidence: dict[str, object] = {
        "events": len(probed.steps),
        "arrivals": arrivals,
        "written_over_seconds": round(span, 3),
        "first_late_seconds": round(first, 3),
    }
    pieces = "all at once" if arrivals == 1 else f"in {arrivals} pieces"
    seen = (
        f"{len(probed.steps)} events were written over {span:.1f} s and arrived {pieces}, the first {first:.1f} s late"
    )
    if padded is not None and padded.probed is not None:
        seen += _buffer(padded.probed, evidence)
    yield _buffered(case, Severity.ERROR, seen, evidence)


def _grouped(probed: Probed) -> Iterator[Finding]:
    """Findings about events that wait for a moment for one another, over and over again."""
    late = sorted(probed.held_back())
    usual, arrivals = late[len(late) // 2], len({step.read for step in probed.steps})
    longest = late[len(late) * 9 // 10]  # what is longer still is this machine's own doing, as a rule
    if usual < _WAITING_SECONDS or arrivals > len(probed.steps) / 2:
        return
    # A corked TCP socket waits 200 ms for a full packet. HAProxy corks by default, and leaves no name in any header.
    corked = _CORK_SECONDS[0] <= longest <= _CORK_SECONDS[1]
    culprit, knob = blamed("grouped", [seeming("HAProxy")] if corked else [])
    yield Finding(
        id="grouped",
        severity=Severity.WARNING,
        seen=f"{len(late)} events arrived in {arrivals} pieces, most up to {longest:.2f} s late: a hop waits for "
        "packets to fill up",
        culprit=culprit,
        fix=knob or "TCP_NODELAY, or no delay for small writes, in the hop that waits",
        evidence={"events": len(late), "arrivals": arrivals, "usual_late_seconds": round(usual, 3)},
    )


def _buffer(padded: Probed, evidence: dict[str, object]) -> str:
    """What a probe of many bytes tells of the buffer."""
    size = evidence["held_bytes"] = padded.held_bytes()
    is_whole = len({step.read for step in padded.steps}) <= 2
    return (
        f"; of many bytes, {'all ' if is_whole else 'up to '}{size} were held back{' to the end' if is_whole else ''}"
    )


@dataclass(slots=True)
class _Burst:
    """Events that came without a pause."""

    first_at: float
    last_at: float
    events: int = 0
    size: int = 0


def judge_pace(case: Case) -> Iterator[Finding]:
    """Findings about any other stream, by when its bytes came."""
    events, answer = case.stream.events, case.answer
    if case.probed is not None or len(events) < _ENOUGH_EVENTS:
        return
    bursts = _bursts(events)
    first = bursts[0]
    evidence: dict[str, object] = {
        "events": len(events),
        "bursts": len(bursts),
        "burst_bytes": [burst.size for burst in bursts[:_SHOWN_BURSTS]],
        "first_seconds": round(first.first_at, 3),
    }
    if len(bursts) == 1:
        if first.first_at <= _QUICK_SECONDS and first.last_at - first.first_at <= _BURST_SECONDS:
            yield Finding(
                id="too-quick",
                severity=Severity.NOTE,
                seen=f"all {len(events)} events came at once after {first.first_at:.2f} s, too soon to tell whether "
                "they were held back",
                fix="ask for a longer answer",
                evidence=evidence,
            )
        elif first.last_at - first.first_at <= _BURST_SECONDS:
            seen = f"all {len(events)} events came at once, {first.first_at:.1f} s after the request"
            if answer.head_at < first.first_at - _NOTICED_SECONDS:
                seen += f" and {first.first_at - answer.head_at:.1f} s after the head"
            yield _paced(case, Severity.ERROR, seen, bursts, evidence)
    elif len(events) >= _A_BURST * len(bursts) and _usual_pause(bursts) >= _PAUSE_SECONDS:
        sizes = ", ".join(str(burst.size) for burst in bursts[:_SHOWN_BURSTS])
        seen = f"{len(events)} events came in {len(bursts)} bursts (of {sizes} bytes), as if a buffer had to fill up"
        yield _paced(case, Severity.WARNING, seen, bursts, evidence)


def _paced(case: Case, severity: Severity, seen: str, bursts: Sequence[_Burst], evidence: dict[str, object]) -> Finding:
    """A verdict on *bursts*, which is a note where heartbeats came in between: then they may have been made so."""
    flushed = case.answer.ended_at - _BURST_SECONDS  # whoever holds back hands on the rest at the end
    between = [beat for beat in case.stream.beats if beat.at < flushed and _is_apart(beat.at, bursts)]
    if not between:
        return _buffered(case, severity, seen, evidence)
    several = len(between) > 1
    return Finding(
        id="buffered",
        severity=Severity.NOTE,
        seen=f"{seen}; but {len(between)} heartbeat{'s' if several else ''} came in between, so from where "
        f"{'they are' if several else 'it is'} made nothing is held back",
        fix="nothing, if the server makes its events so; else look for a buffer between it and whoever sends the "
        "heartbeats",
        evidence={**evidence, "heartbeats_between": len(between)},
    )


def _is_apart(at: float, bursts: Sequence[_Burst]) -> bool:
    """Whether what came then came with none of *bursts*, before or after."""
    return all(not burst.first_at - _BURST_SECONDS <= at <= burst.last_at + _BURST_SECONDS for burst in bursts)


def _buffered(case: Case, severity: Severity, seen: str, evidence: dict[str, object]) -> Finding:
    culprit, knob = blamed("buffered", case.hops)
    return Finding(id="buffered", severity=severity, seen=seen, culprit=culprit, fix=knob or _FIX, evidence=evidence)


def _bursts(events: Sequence[Arrived]) -> list[_Burst]:
    bursts: list[_Burst] = []
    for event in events:
        if not bursts or event.at - bursts[-1].last_at > _BURST_SECONDS:
            bursts.append(_Burst(event.at, event.at))
        bursts[-1].events += 1
        bursts[-1].size += event.size
        bursts[-1].last_at = event.at
    return bursts


def _usual_pause(bursts: Sequence[_Burst]) -> float:
    """The median of the pauses between *bursts*, of which there are at least two."""
    pauses = sorted(later.first_at - earlier.last_at for earlier, later in pairwise(bursts))
    return pauses[len(pauses) // 2]
