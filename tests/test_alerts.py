"""The alert rules load, fire where they should and not beside it, and each has a page that tells what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.observability.prometheus import ALERTS
from bench.observability.rows_level import FAILED, OBJECTIVE, VALID

from .conftest import require_component
from .exported_metrics import exported, selections

_PROJECT = Path(__file__).resolve().parent.parent
_SCENARIOS = sorted((_PROJECT / "tests" / "alerts").glob("*.yaml"))
_RUNBOOKS = _PROJECT / "docs" / "runbooks"
_RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
_ALERTS = [rule for rule in _RULES if "alert" in rule]
_NAMES = sorted({rule["alert"] for rule in _ALERTS})
#: Labels that Prometheus or its operator add to what they scrape.
_OF_TARGETS = {"namespace", "job", "pod", "instance", "container", "endpoint", "service", "node"}


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require_component("promtool"), *arguments], capture_output=True, text=True, timeout=100, check=False
    )


def test_the_rules_are_valid() -> None:
    """`promtool check rules` finds every rule and nothing wrong."""
    done = _promtool("check", "rules", str(ALERTS))
    assert done.returncode == 0, done.stderr
    assert f"{len(_RULES)} rules found" in done.stdout


@pytest.mark.parametrize("scenario", _SCENARIOS, ids=lambda path: path.stem)
def test_the_alert_fires_in_its_scenario_and_not_beside_it(scenario: Path) -> None:
    """`promtool test rules` sees it fire with these labels and words, and stay silent in the healthy neighbours."""
    done = _promtool("test", "rules", str(scenario))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", _NAMES)
def test_each_alert_has_a_scenario_where_it_fires_and_one_where_it_does_not(name: str) -> None:
    """Of the series of one group the alert comes, and another group of series never raises it."""
    fires: set[str] = set()
    silent: set[str] = set()
    for scenario in _SCENARIOS:
        for group in yaml.safe_load(scenario.read_text())["tests"]:
            expected = [check["exp_alerts"] for check in group["alert_rule_test"] if check["alertname"] == name]
            if expected:
                (fires if any(expected) else silent).add(group["name"])
    assert fires
    assert silent


@pytest.mark.parametrize("name", _NAMES)
def test_each_alert_tells_how_bad_it_is_and_where_to_read_on(name: str) -> None:
    """It has a severity, a summary, a description, and the address of a page that exists."""
    for rule in (rule for rule in _ALERTS if rule["alert"] == name):
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description", "runbook_url"} == rule["annotations"].keys()
        assert f"docs/runbooks/{name}.md" == rule["annotations"]["runbook_url"]
    headings = re.findall(r"^## (.*)$", (_RUNBOOKS / f"{name}.md").read_text(), re.MULTILINE)
    assert ["Meaning", "Impact", "Diagnosis", "Mitigation"] == headings


def test_there_is_no_runbook_without_its_alert() -> None:
    """A page that no alert leads to would never be read, and never be right."""
    assert _NAMES == sorted(page.stem for page in _RUNBOOKS.glob("*.md"))


_ASKED = [
    *((f"{rule.get('alert', rule.get('record'))} {index}", rule["expr"]) for index, rule in enumerate(_RULES)),
    *(
        (f"{page.stem} {index}", query)
        for page in sorted(_RUNBOOKS.glob("*.md"))
        for index, query in enumerate(re.findall(r"```promql\n(.*?)```", page.read_text(), re.DOTALL))
    ),
]


@pytest.mark.parametrize("expr", [pytest.param(expr, id=name) for name, expr in _ASKED])
def test_every_expression_asks_for_what_is_exported(expr: str) -> None:
    """Rules and runbooks: metrics, and labels that are selected or grouped by, are among the proxy's."""
    recorded = {rule["record"] for rule in _RULES if "record" in rule}
    assert set(re.findall(r"\bjob:\w+:\w+", expr)) <= recorded
    found = selections(re.sub(r"\bjob:\w+:\w+", "", expr))
    assert found or re.search(r"\b(?:job:|vllm:|up\b)", expr)
    grouped = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expr) for label in labels.split(",")}
    for name, labels in found:
        assert labels - _OF_TARGETS <= exported()[name]
    if found:
        assert grouped - _OF_TARGETS <= {label for name, _ in found for label in exported()[name]}


def test_recording_rules_are_named_level_metric_operations() -> None:
    """Level, metric without `_total`, operations with their window, as Prometheus's practices have it."""
    names = [rule["record"] for rule in _RULES if "record" in rule]
    assert [name for name in names if not re.fullmatch(r"job:sse_proxy_[a-z_]+:[a-z0-9_]+?\d+[mhd]", name)] == []
    assert [name for name in names if "_total" in name] == []


def test_the_dashboard_counts_failures_as_the_rules_do() -> None:
    """What a failed stream is, what counts at all, and the objective are the same in both."""
    expr = next(rule["expr"] for rule in _RULES if rule.get("record", "").endswith("streams:ratio_rate5m"))
    assert {f"{{{FAILED}}}", f"{{{VALID}}}"} == set(re.findall(r"\{.*?\}", expr))
    burn = [rule["expr"] for rule in _ALERTS if rule["alert"] == "SSEProxyStreamFailureBudgetBurn"]
    assert {f"{1 - OBJECTIVE:g}"} == {
        share for expr in burn for share in re.findall(r"\* ([0-9.]+)$", expr, re.MULTILINE)
    }
