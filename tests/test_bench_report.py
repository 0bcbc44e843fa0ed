"""The benchmark's numbers and its page, made from results that nobody measured."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.peers import DIRECT, TITLES
from bench.plan import FULL, Case
from bench.report.compare import Subject, added, added_times, times_of
from bench.report.goals import goals
from bench.report.numbers import Table, figure, number
from bench.report.page import page
from bench.report.plots import bars
from bench.report.words import SECTIONS
from bench.results import Record, Results
from bench.stats import Spread, percentile, ratio, spread

#: CPU µs an event; what the others' figures are made from.
COSTS = {"nginx": 20.0, "envoy": 30.0, "caddy": 40.0, "sse-proxy": 30.0, "litellm": 900.0, "httpx-relay": 100.0}


def figures(case: Case, noise: float) -> dict[str, float]:
    """Return what a case might have found, *noise* times as much as it should be."""
    if case.scenario == "startup":
        return {"ready_seconds": 0.5, "idle_bytes": 70e6, "import_seconds": 0.3, "modules": 700.0}
    cost = COSTS.get(case.peer, 50.0) * noise
    found = {"events_per_second": 1e6 / cost, "first_byte_p50_ms": 1.0 + cost, "first_byte_p99_ms": 2.0 + cost}
    found |= {"delay_p50_ms": 0.1, "delay_p99_ms": 1.0, "jitter_p99_ms": 1.0 + cost}
    found |= {"upstream_cpu_us_per_event": 9.0, "load_cpu_us_per_event": 8.0}
    if case.peer == DIRECT:
        return {**found, "first_byte_p50_ms": 1.0, "first_byte_p99_ms": 2.0, "jitter_p99_ms": 1.0}
    own = {"cpu_us_per_event": cost, "cpu_us_per_open": 7 * cost, "busy_percent": 97.0, "idle_bytes": 50e6}
    return {**found, **own, "ready_seconds": 0.1, "resident_bytes_per_stream": 1024 * cost}


@pytest.fixture
def results() -> Results:
    """A full run of three rounds, each noisier than the one before, all alike for all."""
    return Results(
        date="2026-01-02",
        plan=Results.told(FULL),
        machine={"CPU": "a fast one"},
        versions={"nginx": "1.2.3"},
        absent={},
        records=[
            Record(round=number, case=case, figures=figures(case, noise))
            for number, noise in enumerate((1.0, 1.5, 2.0), start=1)
            for case in FULL.cases
        ],
    )


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 5), (51, 6), (99, 10), (100, 10)])
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    """Nearest rank: so many per cent of the values are not above it."""
    assert expected == percentile([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], percent)


def test_no_values_have_no_percentile() -> None:
    """A measurement without events is a failure, not a 0."""
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_a_spread_is_median_and_range() -> None:
    """Of an even number of rounds it is the middle between two."""
    assert Spread(median=2.5, least=1, most=9, rounds=4) == spread([9, 1, 2, 3])
    assert spread([]) is None


def test_a_ratio_is_taken_within_each_round() -> None:
    """A noisy round is noisy for both; one that only one of them has, tells nothing."""
    assert Spread(median=2.0, least=2.0, most=4.0, rounds=3) == ratio({1: 2, 2: 20, 3: 4, 4: 5}, {1: 1, 2: 10, 3: 1})
    assert ratio({1: 2}, {2: 1}) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"), (0.01234, "0.0123"), (1.0, "1.00"), (12.34, "12.3"), (123.4, "123"), (1234.5, "1,230"),
        (2_345_678, "2,350,000"), (-5.0, "-5.00"), (0.0, "0.00"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value: float | None, expected: str) -> None:
    """More would be noise, fewer would hide what differs."""
    assert expected == number(value)


def test_a_figure_is_told_with_its_range() -> None:
    """In the unit that is asked for; nothing is a dash."""
    assert figure([3.0, 1.0, 2.0], 0.5) == "4.00 (2.00–6.00)"
    assert figure([]) == "–"


def test_a_table_leaves_out_what_is_not_known() -> None:
    """A row of dashes says nothing, and a table without rows is none."""
    table = Table("server", "µs")
    table.row("nginx", "–")
    assert [] == list(table.lines())
    table.row("envoy", "2")
    assert ["| server | µs |", "| --- | --- |", "| envoy | 2 |"] == list(table.lines())


def test_results_are_kept_as_they_are(results: Results, tmp_path: Path) -> None:
    """The page can be made again from the file."""
    results.records.append(Record(round=3, case=FULL.cases[0], fault="it ended"))
    results.save(tmp_path / "new" / "results.json")
    loaded = Results.load(tmp_path / "new" / "results.json")
    assert results == loaded
    assert page(results) == page(loaded)


def test_what_a_server_adds_is_what_is_more_than_without_it(results: Results) -> None:
    """In the same round; a server that adds nothing in it has no ratio."""
    ours = Subject(figure="first_byte_p50_ms", peer="sse-proxy", scenario="load")
    assert {1: 30.0, 2: 45.0, 3: 60.0} == added(results, ours)
    assert Spread(median=1.5, least=1.5, most=1.5, rounds=3) == added_times(results, ours, ours.of("nginx"))
    assert added_times(results, ours, ours.of(DIRECT)) is None
    cpu = replace(ours, figure="cpu_us_per_event")
    assert Spread(median=0.75, least=0.75, most=0.75, rounds=3) == times_of(results, cpu, cpu.of("caddy"))


def test_goals_are_reached_or_missed_by_the_median(results: Results) -> None:
    """Each goal has its figure, its limit, and the verdict that follows from them."""
    told = {goal.figure: (goal.told, goal.found, goal.verdict) for goal in goals(results)}
    at_load = "CPU per event, 100 streams × 20/s: to "
    assert ("≤ 1.6 ×", "1.50 × (1.50–1.50)", "reached") == told[at_load + "nginx"]
    assert ("≤ 0.25 ×", "0.300 × (0.300–0.300)", "**missed**") == told[at_load + "httpx-relay"]
    assert "reached" == told[at_load + "litellm"][2] == told[at_load + "envoy"][2]
    assert ("≤ 20 KiB", "45.0 KiB (30.0–60.0)", "**missed**") == told["memory per open stream at 4,000"]
    assert ("≤ 60 MB", "70.0 MB (70.0–70.0)", "**missed**") == told["memory of the idle process"]
    saturation = told["events per second at saturation, 32 events a write: to envoy"]
    assert ("≥ 1 ×", "1.00 × (1.00–1.00)", "reached") == saturation
    assert "not measured" not in {verdict for _, _, verdict in told.values()}


def test_a_goal_without_figures_is_not_reached(results: Results) -> None:
    """What was not measured is told so."""
    results.records = [record for record in results.records if record.case.peer != "envoy"]
    verdicts = {goal.figure: goal.verdict for goal in goals(results)}
    assert verdicts["CPU per event, 100 streams × 20/s: to envoy"] == "not measured"
    assert "| ≤ 1 × | – | not measured |" in page(results)


def test_the_page_has_every_section_and_every_server(results: Results) -> None:
    """Each with its figures and its ratios to nginx and Envoy, and the plots that go with them."""
    made = page(results)
    reached = sum(goal.verdict == "reached" for goal in goals(results))
    assert f"2026-01-02; {reached} of {len(goals(results))} goals reached." in made
    assert [section.title for section in SECTIONS] == re.findall(r"^## (.*)$", made, re.MULTILINE)[:-1]
    assert [section.plot for section in SECTIONS if section.plot] == re.findall(r"\(benchmarks/(\w+)\.png\)", made)
    assert [] == [title for name, title in TITLES.items() if f"| {title} |" not in made and name != "sse-proxy bridge"]
    assert "| **sse-proxy** | 45.0 (30.0–60.0) | 1.50 | 1.00 | 22,200 |" in made
    assert "| CPU | a fast one |" in made
    assert "| nginx (`proxy_buffering off`) | 1.2.3 |" in made


def test_the_page_tells_what_is_not_in_it(results: Results) -> None:
    """A server that could not be had, a case that failed, and a plan that was not the whole one."""
    results.absent = {"traefik": "not installed"}
    results.plan["name"] = "quick"
    fault = "it ended with code 1:\n  no memory"
    results.records.append(Record(round=2, case=Case(scenario="burst", peer="nginx"), fault=fault))
    made = page(results)
    assert "- Traefik: not installed" in made
    assert "- round 2, burst, nginx, chat, 100 streams: it ended with code 1: no memory" in made
    assert "**A quick run" in made


def test_bars_are_sorted_and_have_their_range(results: Results) -> None:
    """The cheapest is the last, which is drawn on top; who has no such figure has no bar."""
    found = bars(results, "cpu_us_per_event", "load")
    assert ("nginx", 30.0, 20.0, 40.0) == found[-1]
    assert "litellm" == found[0][0]
    assert DIRECT not in {name for name, *_ in found}
