"""What the three runs have found: as JSON in ``build/bench/soak/``, and as sections of ``docs/soak.md``."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..machine import describe
from ..resume.places import places
from ..resume.tables import goal, table
from . import kill, storm
from .census import kib_an_hour, most_kib_an_hour
from .expected import Fault, Verdict
from .found import Found, Side
from .storm import quantiles

__all__ = ["keep", "of_kill", "of_soak", "of_storm", "write"]

_MOST_FAULTS = 20
_VERDICTS = (Verdict.WHOLE, Verdict.TOLD, Verdict.CUT, Verdict.LEFT)


def keep(directory: Path, name: str, section: str, figures: object) -> None:
    """Write down the *section* and the *figures* of the run *name*, with the day and the machine."""
    machine = describe(places())
    day = dt.datetime.now(tz=dt.UTC).date().isoformat()
    told = f"{day}, {machine['CPU']}; {machine['memory']}; {machine['system']}; Python {machine['Python']}; commit "
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.md").write_text(f"{section}\n{told}{machine['commit']}.\n")
    (directory / f"{name}.json").write_text(
        json.dumps({"machine": machine, "day": day, name: figures}, indent=1) + "\n"
    )


def write(directory: Path, page: Path) -> list[str]:
    """Put the sections that *directory* has between their marks in *page*; returns their names.

    Raises:
        ValueError: the page has no marks for one of them.
    """
    text, names = page.read_text(), []
    for name in ("soak", "storm", "kill"):
        section = directory / f"{name}.md"
        if not section.exists():
            continue
        marks = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end -->)", re.DOTALL)
        found = section.read_text().strip()
        # Not as a template of `re`: a backslash in the text is one.
        pieces = marks.split(text)
        count = len(pieces) // 3
        text = f"{pieces[0]}{pieces[1]}\n{found}\n\n{pieces[2]}{pieces[3]}" if count == 1 else text
        if count != 1:
            raise ValueError(f"{page}: expected one block between marks for {name}, found {count}")
        names.append(name)
    page.write_text(text)
    return names


def of_soak(found: Found) -> tuple[str, dict[str, object]]:
    """The section and the figures of a soak."""
    plan = found.plan
    disturbed = ", ".join(f"{count} × {name}" for name, count in sorted(found.disturbances.items()))
    text = (
        f"{found.seconds / 60:.0f} minutes, {plan.load} clients at work at any time, seed {plan.seed}. "
        f"Disturbances of everybody: {disturbed or 'none'}.\n\n"
    )
    text += table(["", *(f"kept in {side.proxy.name}" for side in found.sides)], _soak_rows(found.sides)) + "\n"
    seen: Counter[tuple[Fault, Verdict]] = Counter()
    for side in found.sides:
        for (_, fault, verdict), count in side.books.seen.items():
            seen[fault, verdict] += count
    text += _verdicts(seen) + "\n"
    text += "".join(_soak_goals(side) for side in found.sides)
    return text, {"seconds": found.seconds, "plan": _figures(plan), "sides": [_side(side) for side in found.sides]}


def _soak_rows(sides: Sequence[Side]) -> list[list[object]]:
    def row(name: str, *cells: object) -> list[object]:
        return [name, *cells]

    def each(name: str, tell: str, *values: float) -> list[object]:
        return row(name, *(format(value, tell) for value in values))

    books = [side.books for side in sides]
    return [
        each("errands", ",d", *(book.seen.total() for book in books)),
        each("requests", ",d", *(book.requests for book in books)),
        each("events counted by the proxy", ",d", *(sum(book.events.values()) for book in books)),
        each("events compared one by one by the clients", ",d", *(book.client_events for book in books)),
        row("events sent that the client did not get, by ending", *(_counts(book.lost_events) for book in books)),
        each("heartbeats seen", ",d", *(book.heartbeats for book in books)),
        row("outcomes", *(_counts(_outcomes(book.outcomes)) for book in books)),
        each("dialects with outcomes", "d", *(len({dialect for dialect, _ in book.outcomes}) for book in books)),
        each("CPU, s", ".0f", *(side.cpu_seconds for side in sides)),
        each("RSS at the first sample, MiB", ".1f", *(side.memory[0][1] / 1024 for side in sides)),
        each("RSS at the last, MiB", ".1f", *(side.memory[-1][1] / 1024 for side in sides)),
        each("slope of RSS, second half, KiB an hour", "+,.0f", *(kib_an_hour(side.memory) for side in sides)),
    ]


def _outcomes(outcomes: Counter[tuple[str, str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (_, outcome), count in outcomes.items():
        found[outcome] += count
    return found


def _soak_goals(side: Side) -> str:
    books, name = side.books, side.proxy.name
    most = most_kib_an_hour(side.memory)
    text = goal(
        f"{name}: nothing missing, doubled, foreign, silently cut, uncounted or left behind: {books.fault_count} wrong",
        is_met=not books.fault_count,
    )
    slope = kib_an_hour(side.memory)
    text += goal(f"{name}: RSS grows by {slope:+,.0f} KiB an hour, at most {most:,.0f}", is_met=slope <= most)
    return text + "".join(f"  - {fault}\n" for fault in books.faults[:_MOST_FAULTS])


def _side(side: Side) -> dict[str, object]:
    books = side.books
    return {
        "name": side.proxy.name,
        "errands": books.seen.total(),
        "requests": books.requests,
        "events": sum(books.events.values()),
        "outcomes": {f"{dialect} {outcome}": count for (dialect, outcome), count in sorted(books.outcomes.items())},
        "lost_events": dict(books.lost_events),
        "kib_an_hour": kib_an_hour(side.memory),
        "most_kib_an_hour": most_kib_an_hour(side.memory),
        "memory": side.memory,
        "fault_count": books.fault_count,
        "faults": books.faults,
    }


def of_storm(seen: storm.Weather) -> tuple[str, dict[str, object]]:
    """The section and the figures of a storm."""
    plan, books = seen.plan, seen.books
    hit = seen.hit.total() - seen.hit[Fault.NONE]
    mean = sum(seen.alive) / len(seen.alive)
    first, late = quantiles(seen.place.first_seconds), quantiles(seen.place.late_seconds)
    grown = max(seen.memory_kib) - seen.empty_kib
    rows: list[tuple[str, str]] = [
        ("streams at a time: mean, least", f"{mean:,.0f}, {min(seen.alive):,}"),
        ("faults", f"{hit:,}: {hit / seen.seconds / mean * 100:.2f} % of the streams a second"),
        ("by kind", _counts(Counter({fault.value: count for fault, count in seen.hit.items()}))),
        ("outcomes of all streams, the end included", _counts(_outcomes(books.outcomes))),
        ("events compared one by one", f"{seen.events:,}"),
        ("time to first event, p50 and p99, ms", f"{first[0] * 1e3:.1f}, {first[1] * 1e3:.1f}"),
        ("heartbeats that came late, p50 and p99, ms", f"{late[0] * 1e3:.1f}, {late[1] * 1e3:.1f}"),
        ("heartbeats measured", f"{len(seen.place.late_seconds):,}"),
        (
            "event loop lag, p50 and p99 (bucket), ms",
            f"≤ {seen.lag_seconds[0] * 1e3:g}, ≤ {seen.lag_seconds[1] * 1e3:g}",
        ),
        ("RSS, most", f"{max(seen.memory_kib) / 1024:.0f} MiB; {grown / max(seen.alive):.1f} KiB a stream"),
        ("CPU of the proxy, its core", f"{seen.proxy_cpu * 100:.0f} %"),
        ("CPU of upstream and clients, theirs", f"{seen.upstream_cpu * 100:.0f} % + {seen.loader_cpu * 100:.0f} %"),
    ]
    text = f"{plan.streams:,} streams for {seen.seconds / 60:.0f} minutes, seed {plan.seed}.\n\n" + table(
        ["", ""], rows
    )
    told: Counter[tuple[Fault, Verdict]] = Counter()
    for (_, fault, verdict), count in books.seen.items():
        told[fault, verdict] += count
    text += "\n" + _verdicts(told) + "\n"
    silent = sum(count for (_, verdict), count in told.items() if verdict is Verdict.SILENT)
    text += goal(f"truncations that nobody was told of: {silent}", is_met=not silent)
    text += goal(
        f"clients, log and metrics agree on every stream: {books.fault_count} do not", is_met=not books.fault_count
    )
    text += "".join(f"  - {fault}\n" for fault in books.faults[:_MOST_FAULTS])
    figures = {"seconds": seen.seconds, "plan": _figures(plan), "rows": dict(rows), "alive": seen.alive}
    return text, figures | {"memory_kib": seen.memory_kib, "faults": books.faults}


def _verdicts(seen: Counter[tuple[Fault, Verdict]]) -> str:
    others = [verdict for verdict in Verdict if verdict not in _VERDICTS and any(key[1] is verdict for key in seen)]
    shown = (*_VERDICTS, *others)
    rows = [
        (fault.value, *(f"{seen[fault, verdict]:,}" if seen[fault, verdict] else "" for verdict in shown))
        for fault in Fault
        if any(key[0] is fault for key in seen)
    ]
    return table(["what went wrong", *(verdict.value for verdict in shown)], rows)


def of_kill(plan: kill.Plan, tolls: Sequence[kill.Toll]) -> tuple[str, dict[str, object]]:
    """The section and the figures of the kills."""
    text = (
        f"{plan.readers} readers each, {plan.tokens} tokens at {plan.rate:g} a second (without end where streams "
        f"are not kept); the process is killed {plan.kill_after_seconds:g} s after all have begun and is there again "
        f"{plan.away_seconds:g} s later. Seed {plan.seed}.\n\n"
    )
    head = ["killed", "tokens written", "lost", "doubled", "left out", "how readers ended", "line lost after, ms"]
    rows = [
        (
            toll.title,
            f"{toll.written:,}",
            f"{toll.written - toll.read:,}",
            toll.doubled,
            toll.skipped,
            _counts(toll.told),
            _soon(toll.noticed_seconds),
            "–" if toll.kept is None else f"{toll.replayed:,} of {toll.kept:,}",
        )
        for toll in tolls
    ]
    text += table([*head, "events replayed by every replica"], rows) + "\n"
    for toll in tolls:
        wrong = kill.is_met(toll, plan)
        text += goal("; ".join(wrong) or f"{toll.title}: nobody left in silence, nothing doubled", is_met=not wrong)
    return text, {"plan": _figures(plan), "tolls": [_figures(toll) for toll in tolls]}


def _soon(seconds: Sequence[float]) -> str:
    if not seconds:
        return "–"
    median, most = quantiles(list(seconds))[0], max(seconds)
    return f"{median * 1e3:.0f} (most {most * 1e3:.0f}), {len(seconds)} readers"


def _figures(record: object) -> dict[str, object]:
    return {name: getattr(record, name) for name in getattr(record, "__slots__", ())}


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counter.most_common()) or "none"
