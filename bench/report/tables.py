"""The tables of the page, one function each: its lines, none where nothing was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from ..peers import DIRECT, TITLES
from ..results import Results
from ..stats import spread
from .compare import Subject, added, times_of
from .goals import goals
from .numbers import Table, figure, number, times

__all__ = ["ALL"]

_CPU = "cpu_us_per_event"
_MEMORY = "resident_bytes_per_stream"
_KIB = 1024.0
_MEGABYTE = 1e6
_FORMS = {
    "chat": "pass-through (OpenAI chat)",
    "crlf": "CRLF input, made canonical",
    "ids": "bridge, an `id` in each event",
    "tokens": 'bridge, ids and `{"token"}` events',
}
_HOSES = {"one event a write": (1, False), "32 events a write": (32, False), "32 events a chunk": (32, True)}


def _title(peer: str) -> str:
    return TITLES.get(peer, peer)


def _sorted(results: Results, name: str, scenario: str, *, most_first: bool = False, **situation: object) -> list[str]:
    """The peers of *scenario* by their median of the figure *name*, which all of them but the floor have."""

    def median(peer: str) -> float:
        found = spread(results.values(name, peer, scenario, **situation))
        return found.median if found else 0.0

    return sorted(results.peers(scenario, **situation), key=median, reverse=most_first)


def goal_table(results: Results) -> Iterable[str]:
    """Goals and verdicts."""
    table = Table("figure", "goal", "measured", "")
    for goal in goals(results):
        table.row(goal.figure, goal.told, goal.found, goal.verdict)
    return table.lines()


def cpu(results: Results) -> Iterable[str]:
    """CPU per event at 100 × 20/s."""
    table = Table("server", "CPU µs an event", "× nginx", "× Envoy", "events/s that a core would do at this cost")
    for peer in _sorted(results, _CPU, "load"):
        ours = Subject(figure=_CPU, peer=peer, scenario="load")
        values = results.values(_CPU, peer, "load")
        table.row(
            _title(peer),
            figure(values),
            *_versus(results, ours),
            number(1e6 / found.median) if (found := spread(values)) else "–",
        )
    return table.lines()


def anthropic(results: Results) -> Iterable[str]:
    """CPU per event in Anthropic's form."""
    table = Table("server", "CPU µs an event", "× nginx", "× Envoy")
    for peer in _sorted(results, _CPU, "anthropic"):
        ours = Subject(figure=_CPU, peer=peer, scenario="anthropic")
        table.row(_title(peer), figure(results.values(_CPU, peer, "anthropic")), *_versus(results, ours))
    return table.lines()


def reframing(results: Results) -> Iterable[str]:
    """What our own ways cost."""
    table = Table("sse-proxy", "CPU µs an event", "× pass-through")
    through = Subject(figure=_CPU, peer="sse-proxy", scenario="reframing", situation={"form": "chat"})
    for form, words in _FORMS.items():
        peer = "sse-proxy bridge" if form in {"ids", "tokens"} else "sse-proxy"
        ours = Subject(figure=_CPU, peer=peer, scenario="reframing", situation={"form": form})
        values = results.values(_CPU, peer, "reframing", form=form)
        table.row(words, figure(values), times(times_of(results, ours, through)))
    return table.lines()


def _versus(results: Results, ours: Subject) -> tuple[str, str]:
    """How many times nginx's and Envoy's figure it is."""
    nginx, envoy = (times(times_of(results, ours, ours.of(other))) for other in ("nginx", "envoy"))
    return nginx, envoy


def _added(results: Results, subject: Subject) -> str:
    return "–" if subject.peer == DIRECT else figure(list(added(results, subject).values()))


def first_byte(results: Results) -> Iterable[str]:
    """Time to first byte at load."""
    table = Table("server, at load", "p50 ms", "added", "× nginx", "× Envoy", "p99 ms", "added")
    for peer in _sorted(results, "first_byte_p50_ms", "load"):
        p50, p99 = (
            Subject(figure=name, peer=peer, scenario="load") for name in ("first_byte_p50_ms", "first_byte_p99_ms")
        )
        table.row(
            _title(peer),
            figure(list(p50.by_round(results).values())),
            _added(results, p50),
            *_versus(results, p50),
            figure(list(p99.by_round(results).values())),
            _added(results, p99),
        )
    return table.lines()


def burst(results: Results) -> Iterable[str]:
    """Time to first byte in a burst."""
    table = Table("server, burst of 1,000", "p50 ms", "p99 ms", "added", "× nginx", "× Envoy", "CPU µs an open")
    for peer in _sorted(results, "first_byte_p99_ms", "burst"):
        p99 = Subject(figure="first_byte_p99_ms", peer=peer, scenario="burst")
        table.row(
            _title(peer),
            figure(results.values("first_byte_p50_ms", peer, "burst")),
            figure(list(p99.by_round(results).values())),
            _added(results, p99),
            *_versus(results, p99),
            figure(results.values("cpu_us_per_open", peer, "burst")),
        )
    return table.lines()


def jitter(results: Results) -> Iterable[str]:
    """How late events come."""
    table = Table("server", "delay p50 ms", "delay p99 ms", "jitter p99 ms", "added")
    for peer in _sorted(results, "jitter_p99_ms", "load"):
        subject = Subject(figure="jitter_p99_ms", peer=peer, scenario="load")
        table.row(
            _title(peer),
            *(figure(results.values(name, peer, "load")) for name in ("delay_p50_ms", "delay_p99_ms", "jitter_p99_ms")),
            _added(results, subject),
        )
    return table.lines()


def _levels(results: Results) -> list[int]:
    return sorted({record.case.streams for record in results.records if record.case.scenario == "growth"})


def growth(results: Results) -> Iterable[str]:
    """CPU per event by the number of streams."""
    levels = _levels(results)
    table = Table("server, CPU µs an event at", *(f"{level:,} streams" for level in levels), "4,000 × 100")
    for peer in results.peers("growth"):
        at = [Subject(figure=_CPU, peer=peer, scenario="growth", situation={"streams": level}) for level in (4000, 100)]
        cells = [figure(results.values(_CPU, peer, "growth", streams=level)) for level in levels]
        table.row(_title(peer), *cells, times(times_of(results, *at)))
    return table.lines()


def memory(results: Results) -> Iterable[str]:
    """Memory per open stream by the number of streams."""
    levels = [level for level in _levels(results) if level >= 1000]
    table = Table("server, KiB a stream at", *(f"{level:,} streams" for level in levels), "4,000 × nginx", "× Envoy")
    for peer in results.peers("growth"):
        at = {
            level: Subject(figure=_MEMORY, peer=peer, scenario="growth", situation={"streams": level})
            for level in (*levels, 4000)
        }
        cells = [figure(list(at[level].by_round(results).values()), _KIB) for level in levels]
        table.row(_title(peer), *cells, *_versus(results, at[4000]))
    return table.lines()


def saturation(results: Results, words: str) -> Iterable[str]:
    """Events per second with one way of writing, and how busy the server's core was."""
    count, together = _HOSES[words]
    situation: dict[str, object] = {"burst": count, "together": together}
    table = Table(f"server, {words}", "events/s", "× nginx", "× Envoy", "its core was busy")
    for peer in _sorted(results, "events_per_second", "saturation", most_first=True, **situation):
        ours = Subject(figure="events_per_second", peer=peer, scenario="saturation", situation=situation)
        busy = spread(results.values("busy_percent", peer, "saturation", **situation))
        told = figure(list(ours.by_round(results).values()))
        table.row(_title(peer), told, *_versus(results, ours), f"{busy.median:.0f} %" if busy else "–")
    return table.lines()


def startup(results: Results) -> Iterable[str]:
    """How long servers take to answer, and what they weigh with nothing to do."""
    table = Table("server", "ready after, s", "idle, MB")
    for peer in _sorted(results, "idle_bytes", "load"):
        ready, idle = (results.values(name, peer, "load") for name in ("ready_seconds", "idle_bytes"))
        table.row(_title(peer), figure(ready), figure(idle, _MEGABYTE))
    return table.lines()


def imports(results: Results) -> Iterable[str]:
    """What our own start consists of."""
    table = Table("sse-proxy", "")
    for words, name, unit in (
        ("from start to ready, s", "ready_seconds", 1.0),
        ("idle, MB", "idle_bytes", _MEGABYTE),
        ("imports, s (as `-X importtime` tells, which slows them down)", "import_seconds", 1.0),
        ("modules imported", "modules", 1.0),
    ):
        table.row(words, figure(results.values(name, "sse-proxy", "startup"), unit))
    return table.lines()


def costs(results: Results) -> Iterable[str]:
    """What the other side of the measurement costs."""
    table = Table("CPU µs an event, without a proxy", "")
    for words, name in (("fake upstream", "upstream_cpu_us_per_event"), ("load generator", "load_cpu_us_per_event")):
        table.row(words, figure(results.values(name, DIRECT, "load")))
    return table.lines()


ALL: dict[str, Callable[[Results], Iterable[str]]] = {
    "goals": goal_table,
    "cpu": cpu,
    "anthropic": anthropic,
    "reframing": reframing,
    "first byte": first_byte,
    "burst": burst,
    "jitter": jitter,
    "growth": growth,
    "memory": memory,
    **{words: partial(saturation, words=words) for words in _HOSES},
    "startup": startup,
    "imports": imports,
    "costs": costs,
}
