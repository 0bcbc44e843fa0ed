"""What the proxy really exports, for the tests of what names its metrics: the dashboard, the rules, the documents."""

from __future__ import annotations

import re
from functools import cache

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from sse_proxy.metrics.base import StreamReport
from sse_proxy.metrics.prometheus import PrometheusMetrics
from sse_proxy.outcome import Outcome

__all__ = ["exported", "families", "selections"]

_SELECTION = re.compile(r"\b((?:sse_proxy_|process_)[a-z_]+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


@cache
def families() -> dict[str, tuple[str, str, frozenset[str], int]]:
    """By name: type, help, labels and number of series before anything happened, of all that has our prefix."""
    metrics = PrometheusMetrics()
    fresh = {family.name: len(family.samples) for family in _parsed(metrics)}
    # Series whose labels nobody can foresee are there only once something has happened.
    metrics.request("other", 200)
    metrics.opened()
    metrics.closed(StreamReport(dialect="generic", outcome=Outcome.COMPLETED, repairs={"bom": 1}))
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: (
            family.type,
            family.documentation,
            frozenset(label for sample in family.samples for label in sample.labels),
            fresh.get(family.name, 0),
        )
        for family in _parsed(metrics)
        if family.name.startswith("sse_proxy_")
    }


@cache
def exported() -> dict[str, frozenset[str]]:
    """The names of all series with their labels, of the process's own metrics too."""
    metrics = PrometheusMetrics()
    found: dict[str, frozenset[str]] = {}
    for family in _parsed(metrics):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, frozenset()) | frozenset(sample.labels)
    return found | {name: labels for name, (kind, _, labels, _) in families().items() if kind == "counter"}


def selections(expr: str) -> list[tuple[str, frozenset[str]]]:
    """Every metric of the proxy that the PromQL *expr* selects, with the labels that it selects by."""
    return [(name, frozenset(_LABEL.findall(matchers))) for name, matchers in _SELECTION.findall(expr)]


def _parsed(metrics: PrometheusMetrics) -> list[Metric]:
    return list(text_string_to_metric_families(metrics.render()[0].decode()))
