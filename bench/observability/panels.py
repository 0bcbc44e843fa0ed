"""What a dashboard consists of: rows of panels, panels of queries. Values only; `grafana` makes its JSON of them.

A query names what it selects from by `METRICS`, which holds the dashboard's variables, and the window of a `rate` by
Grafana's own ``$__rate_interval`` (never shorter than four scrapes); ``$__range`` is the whole time that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["METRICS", "NAMESPACE", "Kind", "Panel", "Query", "Row", "quantiles", "selected", "total"]

#: The label matchers of every query. All of them match series without the label too when "All" is chosen, so that the
#: dashboard also works outside Kubernetes.
METRICS = 'namespace=~"$namespace",job=~"$job",pod=~"$pod"'
#: The matchers for another program's metrics, whose job and pods are its own.
NAMESPACE = 'namespace=~"$namespace"'


class Kind(StrEnum):
    """Grafana's name of a panel's type."""

    BARS = "bargauge"
    HEATMAP = "heatmap"
    LINES = "timeseries"
    NUMBER = "stat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One PromQL expression. *legend* is Grafana's template; *buckets*: the result is a histogram's, by ``le``."""

    expr: str
    legend: str = ""
    buckets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        unit: Grafana's id of a unit: ``s``, ``percentunit``, ``bytes``, ``short``, …
        about: What it shows and what to make of it; Grafana shows it beside the title.
        width: Of Grafana's 24 columns.
        stacked: Lines are areas on top of one another.
        good_above, bad_above: Where the colour changes to green or red; None: it does not.
        colours: Of series, by legend.
    """

    title: str
    kind: Kind
    unit: str
    queries: tuple[Query, ...]
    about: str
    width: int = 8
    stacked: bool = False
    good_above: float | None = None
    bad_above: float | None = None
    colours: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Panels under a common heading; *folded* ones are queried only when they are opened."""

    title: str
    panels: tuple[Panel, ...]
    folded: bool = False


def selected(name: str, *matchers: str) -> str:
    """The series *name* of what the variables choose, and of *matchers* besides."""
    return f"{name}{{{','.join((METRICS, *matchers))}}}"


def quantiles(
    histogram: str, *matchers: str, of: tuple[str, ...] = ("0.5", "0.95", "0.99"), window: str = "$__rate_interval"
) -> tuple[Query, ...]:
    """A query for each quantile of *histogram*, over all that is chosen."""
    buckets = selected(f"{histogram}_bucket", *matchers)
    return tuple(
        Query(
            expr=f"histogram_quantile({quantile}, sum by (le) (rate({buckets}[{window}])))",
            legend=f"p{float(quantile) * 100:g}",
        )
        for quantile in of
    )


def total(name: str, *matchers: str, by: str = "", window: str = "$__rate_interval") -> str:
    """What the counter *name* grew per second over all that is chosen, or for each value of the label *by*."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({selected(name, *matchers)}[{window}]))"
