"""A real Prometheus scrapes real proxies through everything that happens: the panels show it, and the alerts fire.

The installation runs once, for all tests here: `bench.observability.scenario` in `bench.observability.lab`. The rules
are those that ship, but for their patience (``for``), which promtool's scenarios in tests/alerts hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.observability.lab import Lab, lab
from bench.observability.panels import Panel
from bench.observability.prometheus import ALERTS, Series, expanded
from bench.observability.rows import ROWS
from bench.observability.scenario import KINDS, everything
from bench.observability.waiting import until

from .conftest import require_component

_PANELS = {panel.title: panel for row in ROWS for panel in row.panels}
_EXPRESSIONS = {query.expr for panel in _PANELS.values() for query in panel.queries}
#: What half a minute can bring about; the two others need a longer wait, or that nothing is there.
_PROVOKED = {
    "SSEProxyClientDisconnectsHigh",
    "SSEProxyDown",
    "SSEProxyEventLoopLagHigh",
    "SSEProxyFileDescriptorsNearLimit",
    "SSEProxyReplayEvictions",
    "SSEProxyReplayStoreErrors",
    "SSEProxyResumeMissRatioHigh",
    "SSEProxyStreamFailureBudgetBurn",
    "SSEProxyStreamsRejected",
    "SSEProxyStreamsStalled",
    "SSEProxyUpstreamTruncations",
}
_NOT_PROVOKED = {"SSEProxyAbsent", "SSEProxyTimeToFirstEventHigh"}
#: `drained` is counted when the process ends, `client_stalled` may be told apart from a client that left, or not.
_OUTCOMES = {
    *("completed", "client_disconnected", "upstream_error", "upstream_truncated", "connect_timeout"),
    *("first_event_timeout", "idle_timeout", "total_timeout", "too_large", "rejected", "stopped"),
}
_RUNBOOKS = Path(__file__).resolve().parent.parent / "docs" / "runbooks"
_LIMIT_SECONDS = 150.0

pytestmark = pytest.mark.timeout(240)  # the first test pays for the installation


@dataclass
class Findings:
    """What Prometheus had in the end."""

    #: By expression, over the whole run.
    series: dict[str, list[Series]] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    #: By metric that a rule asks for: how many series there are.
    inputs: dict[str, float] = field(default_factory=dict)
    outcomes: set[str] = field(default_factory=set)
    #: Of one process, at the end.
    most_series: float = 0.0
    #: By query of a runbook that Prometheus does not take: what it says.
    misunderstood: dict[str, str] = field(default_factory=dict)

    def firing(self) -> set[str]:
        return {alert["labels"]["alertname"] for alert in self.alerts if alert["state"] == "firing"}

    def has_data(self, expr: str) -> bool:
        return any(series.points for series in self.series[expr])

    def shows_something(self, panel: Panel) -> bool:
        points = (point for query in panel.queries for series in self.series[query.expr] for point in series.points)
        return any(value > 0 for _, value in points)

    def complete(self) -> bool:
        return (
            self.firing() >= _PROVOKED
            and all(self.has_data(expr) for expr in _EXPRESSIONS)
            and all(self.shows_something(panel) for panel in _PANELS.values())
        )


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """The run."""
    return asyncio.run(_run(require_component("prometheus"), tmp_path_factory.mktemp("lab")))


async def _run(program: str, directory: Path) -> Findings:
    rules = re.sub(r"for: \d+[mh]", "for: 0s", ALERTS.read_text())
    found = Findings()
    async with lab(program, directory, KINDS, rules=rules) as running, everything(running):

        async def seen() -> bool:
            await _look(running, found)
            return found.complete()

        with contextlib.suppress(TimeoutError):  # the tests say what is missing
            await until(seen, _LIMIT_SECONDS)
        await _look_at_rules(running, found)
    return found


async def _look(running: Lab, found: Findings) -> None:
    prometheus, now = running.prometheus, time.time()
    found.alerts = await prometheus.alerts()
    for expr in _EXPRESSIONS:
        asked = expanded(expr, window="10s", whole="5m")
        found.series[expr] = await prometheus.over(asked, running.began, now, 1.0)


async def _look_at_rules(running: Lab, found: Findings) -> None:
    prometheus = running.prometheus
    found.rules = await prometheus.rules()
    names = {
        name for rule in found.rules for name in re.findall(r"(?:job:|sse_proxy_|process_)[\w:]+|\bup\b", rule["query"])
    }
    for name in names:
        counted = await prometheus.instant(f"count(last_over_time({name}[5m]))")
        found.inputs[name] = sum(series.points[-1][1] for series in counted)
    ended = await prometheus.instant("max by (outcome) (max_over_time(sse_proxy_streams_total[5m])) > 0")
    found.outcomes = {series.labels["outcome"] for series in ended}
    scraped = await prometheus.instant('max(max_over_time(scrape_samples_scraped{job="sse-proxy"}[5m]))')
    found.most_series = scraped[0].points[0][1]
    for page in sorted(_RUNBOOKS.glob("*.md")):
        for query in re.findall(r"```promql\n(.*?)```", page.read_text(), re.DOTALL):
            try:
                await prometheus.instant(query)
            except ValueError as error:
                found.misunderstood[query] = str(error)


def test_the_run_has_streams_of_every_ending(findings: Findings) -> None:
    """The metrics tell of each way to end that the traffic was meant to take."""
    assert _OUTCOMES - findings.outcomes == set()


@pytest.mark.parametrize(
    "expr",
    [
        pytest.param(query.expr, id=f"{title} {index}")
        for title, panel in _PANELS.items()
        for index, query in enumerate(panel.queries)
    ],
)
def test_every_query_of_the_dashboard_returns_data(findings: Findings, expr: str) -> None:
    """As Grafana asks it, with everything chosen, it has at least one number."""
    assert findings.has_data(expr)


@pytest.mark.parametrize("title", _PANELS)
def test_every_panel_shows_something(findings: Findings, title: str) -> None:
    """At least one of its series is above zero at some time, after a run in which everything happened."""
    assert findings.shows_something(_PANELS[title])


def test_every_rule_is_evaluated(findings: Findings) -> None:
    """Prometheus reports no error for any rule."""
    assert [(rule["name"], rule.get("lastError")) for rule in findings.rules if rule["health"] != "ok"] == []
    assert _PROVOKED | _NOT_PROVOKED == {rule["name"] for rule in findings.rules if rule["type"] == "alerting"}


def test_every_metric_that_a_rule_asks_for_is_there(findings: Findings) -> None:
    """Those of rules that did not fire, too: each metric, and each recorded one, has series."""
    assert findings.inputs
    assert [name for name, count in findings.inputs.items() if not count] == []


@pytest.mark.parametrize("name", sorted(_PROVOKED))
def test_the_alert_fires(findings: Findings, name: str) -> None:
    """What it is about has happened, so it fires."""
    assert name in findings.firing()


def test_the_words_of_alerts_have_no_gaps(findings: Findings) -> None:
    """Every template in a summary or a description was filled in."""
    texts = [text for alert in findings.alerts for text in alert["annotations"].values()]
    assert texts
    assert [text for text in texts if re.search(r"\{\{|<no value>|error expanding|\binstance\b:? *$|  ", text)] == []


def test_every_query_of_a_runbook_is_understood(findings: Findings) -> None:
    """Whoever is on call pastes them, and Prometheus takes each."""
    assert findings.misunderstood == {}


def test_a_process_keeps_to_its_budget_of_series(findings: Findings) -> None:
    """docs/observability.md promises fewer than 600, whatever happens."""
    assert 495 < findings.most_series < 600


def test_alerts_of_a_deployment_name_no_process(findings: Findings) -> None:
    """What concerns all replicas comes once, with the labels that Alertmanager routes by."""
    burning = [each["labels"] for each in findings.alerts if each["labels"]["alertname"].endswith("BudgetBurn")]
    assert {"1h", "6h", "3d"} == {labels["window"] for labels in burning}
    assert {frozenset({"alertname", "severity", "window", "namespace", "job"})} == {frozenset(each) for each in burning}
