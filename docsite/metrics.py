"""The page of metrics, from the series that the exporter makes in a registry of its own."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from sse_proxy.core.dialects import DIALECTS, GENERIC
from sse_proxy.core.probing import PROBE
from sse_proxy.core.repair_kinds import REPAIR_KINDS
from sse_proxy.core.target import HOME
from sse_proxy.metrics.base import Resumed
from sse_proxy.metrics.prometheus import PrometheusMetrics
from sse_proxy.metrics.series import MAX_LABEL_SETS, OTHER
from sse_proxy.outcome import Outcome
from sse_proxy.resume.endpoints import STREAMS

from .markdown import code, document, listed, prose, table
from .source import member_comments

__all__ = ["outcomes_page", "page"]

_NAMES = [dialect.name for dialect in (*DIALECTS, GENERIC)]


def page() -> str:
    """docs/reference/metrics.md."""
    registry = CollectorRegistry()
    PrometheusMetrics(registry)
    collectors = list(_collectors(registry))
    return document(
        "Metrics",
        "What `/metrics` on the admin port has of ours. How to scrape it, how many series it is, dashboard and alerts: "
        "[Metrics, dashboard, alerts](../observability.md).",
        table(("metric", "type", "labels", "meaning"), map(_row, collectors)),
        "Besides, in one process without `PROMETHEUS_MULTIPROC_DIR`: `process_*` and `python_*` of prometheus-client.",
        "## Labels",
        f"The sets are closed. A second lock: above {MAX_LABEL_SETS} label sets of one metric, `{OTHER}` is counted.",
        table(("label", "values"), _labels(registry)),
        "## Buckets",
        "Upper bounds in seconds; `+Inf` besides.",
        table(("histogram", "bounds"), _buckets(collectors)),
        "## Repairs",
        table(("`kind`", "what came, and what the client gets"), _repairs()),
        "## Answers to who comes back",
        table(("`result`", "meaning"), [(code(key), text) for key, text in _resumed()]),
    )


def outcomes_page() -> str:
    """docs/reference/outcomes.md."""
    meanings = member_comments(Outcome)
    return document(
        "Outcomes",
        "How a stream ends: the label `outcome` of `sse_proxy_streams_total`, the field `outcome` of its log line, "
        "and the "
        "`code` of the [error](errors.md) that its client gets.",
        table(("outcome", "when"), [(code(item.value), prose(meanings[item.name])) for item in Outcome]),
        "What to look at when one of them grows: [the runbook](../runbooks/SSEProxyStreamFailureBudgetBurn.md).",
    )


def _collectors(registry: CollectorRegistry) -> Iterator[MetricWrapperBase]:
    """The metrics of *registry* in the order of their making; the registry's own list is by name."""
    seen: set[int] = set()
    for collector in registry._names_to_collectors.values():  # noqa: SLF001 -- there is no other way to their labels
        if isinstance(collector, MetricWrapperBase) and id(collector) not in seen:
            seen.add(id(collector))
            yield collector


def _row(collector: MetricWrapperBase) -> tuple[str, str, str, str]:
    [family, *_] = collector.describe()
    name = family.name + ("_total" if family.type == "counter" else "")
    labels = collector._labelnames  # noqa: SLF001 -- as above
    return code(name), family.type, listed(sorted(labels)), family.documentation


def _labels(registry: CollectorRegistry) -> Iterator[tuple[str, str]]:
    known: dict[str, set[str]] = {}
    for family in registry.collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                known.setdefault(label, set()).add(value)
    yield "`code`", "the status of the answer; 499: the client left before it began"
    yield "`dialect`", listed(sorted(_NAMES))
    yield "`direction`", listed(sorted(known["direction"]))
    yield "`kind`", "those of [Repairs](#repairs)"
    yield "`mode`", listed(sorted(known["mode"]))
    yield "`outcome`", "those of [Outcomes](outcomes.md)"
    yield "`result`", "those of [Answers to who comes back](#answers-to-who-comes-back)"
    routes = (
        f"a dialect's name; `resume` (`/-/sse-proxy/{STREAMS}`); `{PROBE}`; `{HOME}`; `gate`: answered before the app; "
        f"`{OTHER}`"
    )
    yield "`route`", routes
    yield "`type`", f"{listed(sorted(known['type']))} from the start; `cached_input`, `reasoning_output` where told"
    yield "`version`", "the package's"


def _buckets(collectors: list[MetricWrapperBase]) -> Iterator[tuple[str, str]]:
    for collector in collectors:
        if (bounds := getattr(collector, "_upper_bounds", None)) is not None:
            [family, *_] = collector.describe()
            yield code(family.name), ", ".join(f"{bound:g}" for bound in bounds[:-1])


def _repairs() -> Iterator[tuple[str, str]]:
    for kind, meaning in REPAIR_KINDS.items():
        yield code(kind), prose(meaning)


def _resumed() -> Iterator[tuple[str, str]]:
    comments = member_comments(Resumed)
    for item in Resumed:
        yield item.value, prose(comments[item.name])
