"""The dashboard drawn with matplotlib (dependency group ``bench``), from what Prometheus returned to its own queries.

As close to Grafana's look as is of use: the same panels, titles, units, places and colours. What a panel shows is never
chosen here; a panel without data is drawn empty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .day import Results
from .grafana import places
from .panels import Kind, Panel, Query, Row
from .prometheus import Series
from .units import shown

__all__ = ["draw", "single_buckets", "used"]

_COLUMNS = 24
_WIDTH_INCHES, _UNIT_INCHES, _HEADING_UNITS = 16.0, 0.34, 1.2
_COLOURS = {
    "green": "#56a64b",
    "text": "#64748b",
    "dark-red": "#8f1a1a",
    "red": "#e02f44",
    "dark-orange": "#b45309",
    "orange": "#ff780a",
    "light-orange": "#ffb357",
    "dark-yellow": "#a98300",
    "blue": "#3274d9",
    "light-blue": "#8ab8ff",
    "super-light-blue": "#c0d8ff",
    "dark-purple": "#5b21b6",
    "purple": "#a352cc",
    "light-purple": "#ca95e5",
}
_OTHERS = ("#56a64b", "#f2cc0c", "#3274d9", "#ff780a", "#e02f44", "#a352cc", "#37872d", "#c4162a", "#1f60c4", "#fa6400")


def draw(results: Results, rows: Sequence[Row], output: Path) -> None:
    """Write a picture of *rows* to *output*."""
    from matplotlib import pyplot as plt  # noqa: PLC0415  takes a second, and only this needs it

    plt.switch_backend("agg")
    plt.rcParams.update({"font.size": 8, "axes.edgecolor": "#cbd5e1", "axes.linewidth": 0.6})
    blocks = [(row, list(places(row.panels, 0))) for row in rows]
    heights = [max(place["y"] + place["h"] for _, place in placed) + _HEADING_UNITS for _, placed in blocks]
    figure = plt.figure(figsize=(_WIDTH_INCHES, sum(heights) * _UNIT_INCHES))
    top = 0.0
    for (row, placed), height in zip(blocks, heights, strict=True):
        figure.text(0.012, 1 - (top + 0.75) / sum(heights), row.title, fontsize=11, fontweight="bold", va="center")
        for panel, place in placed:
            _place(figure, panel, {**place, "y": place["y"] + top + _HEADING_UNITS}, sum(heights), results)
        top += height
    figure.savefig(output, dpi=90, facecolor="white")
    plt.close(figure)


def _place(figure: Any, panel: Panel, place: Mapping[str, float], height: float, results: Results) -> None:
    """Draw *panel* where Grafana has it; the margins hold title, labels and legend."""
    left, bottom = place["x"] / _COLUMNS + 0.045, 1 - (place["y"] + place["h"] - 1.6) / height
    axes = figure.add_axes((left, bottom, place["w"] / _COLUMNS - 0.06, (place["h"] - 2.7) / height))
    axes.set_title(panel.title, fontsize=9, loc="left")
    _DRAWN[panel.kind](axes, panel, results)


def _lines(axes: Any, panel: Panel, results: Results) -> None:
    named = [
        (_legend(query, series), [(at - results.began, value) for at, value in series.points])
        for query, found in zip(panel.queries, results.series[panel.title], strict=True)
        for series in found
        if series.points
    ]
    named = [each for each in named if not panel.stacked or any(value for _, value in each[1])]
    colours = [(panel.colours or {}).get(name) for name, _ in named]
    chosen = [_COLOURS[colour] if colour else _OTHERS[n % len(_OTHERS)] for n, colour in enumerate(colours)]
    if panel.stacked and named:
        times = sorted({at for _, points in named for at, _ in points})
        values = [[dict(points).get(at, 0.0) for at in times] for _, points in named]
        axes.stackplot(times, values, labels=[name for name, _ in named], colors=chosen, alpha=0.75, linewidth=0)
    else:
        for (name, points), colour in zip(named, chosen, strict=True):
            axes.plot(*zip(*points, strict=True), label=name, color=colour, linewidth=1.2)
    _time_axis(axes, results)
    axes.set_ylim(bottom=0)
    _value_axis(axes, panel.unit)
    axes.grid(axis="y", color="#e2e8f0", linewidth=0.6)
    if named:
        legend = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.12), "ncols": 5, "frameon": False, "fontsize": 6.5}
        axes.legend(**legend, handlelength=1.0, columnspacing=0.9, borderpad=0, labelspacing=0.25)


def _legend(query: Query, series: Series) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda name: series.labels.get(name[1], ""), query.legend)


def _time_axis(axes: Any, results: Results) -> None:
    axes.set_xlim(0, results.ended - results.began)
    axes.xaxis.set_major_formatter(lambda seconds, _position: f"{seconds / 60:.0f}:{seconds % 60:02.0f}")
    axes.xaxis.set_major_locator(_ticker().MultipleLocator(60))
    axes.tick_params(length=2, labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _value_axis(axes: Any, unit: str) -> None:
    axes.yaxis.set_major_formatter(lambda value, _position: shown(value, unit))
    if unit == "bytes":  # in steps that are round numbers of KiB or MiB
        highest = max(1.0, axes.get_ylim()[1])
        axes.yaxis.set_major_locator(_ticker().MultipleLocator(2 ** math.ceil(math.log2(highest / 5))))


def _ticker() -> Any:
    from matplotlib import ticker  # noqa: PLC0415  as in `draw`

    return ticker


def single_buckets(found: Sequence[Series]) -> list[tuple[str, dict[float, float]]]:
    """The buckets by their upper edge, each without those below it: Prometheus's are cumulative."""
    ordered = sorted(found, key=lambda series: float(series.labels["le"]))
    below: dict[float, float] = {}
    single = []
    for series in ordered:
        values = dict(series.points)
        single.append((series.labels["le"], {at: max(0.0, value - below.get(at, 0.0)) for at, value in values.items()}))
        below = values
    return single


def used(buckets: list[tuple[str, dict[float, float]]]) -> list[tuple[str, dict[float, float]]]:
    """*buckets* from the lowest to the highest that ever held anything."""
    found = [index for index, (_, values) in enumerate(buckets) if any(values.values())]
    return buckets[found[0] : found[-1] + 1] if found else []


def _heatmap(axes: Any, panel: Panel, results: Results) -> None:
    buckets = used(single_buckets(results.series[panel.title][0]))
    times = sorted({at for _, values in buckets for at in values})
    if not times:
        return
    cells = [[values.get(at) or float("nan") for at in times] for _, values in buckets]
    extent = (times[0] - results.began, times[-1] - results.began, -0.5, len(buckets) - 0.5)
    axes.imshow(cells, aspect="auto", origin="lower", extent=extent, cmap="Blues", interpolation="nearest", vmin=0)
    axes.set_yticks(range(len(buckets)), [_edge(le, panel.unit) for le, _ in buckets])
    _time_axis(axes, results)


def _edge(le: str, unit: str) -> str:
    return "above" if le == "+Inf" else f"≤ {shown(float(le), unit)}"


def _bars(axes: Any, panel: Panel, results: Results) -> None:
    buckets = used(single_buckets(results.series[panel.title][0]))
    counts = [values[max(values)] if values else 0.0 for _, values in buckets]
    axes.bar(range(len(counts)), counts, color=_COLOURS["blue"])
    axes.set_xticks(range(len(counts)), [_edge(le, "s") for le, _ in buckets], fontsize=6.5)
    axes.yaxis.set_major_formatter(lambda value, _position: shown(value, panel.unit))
    axes.tick_params(length=2, labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _number(axes: Any, panel: Panel, results: Results) -> None:
    axes.axis("off")
    points = [point for found in results.series[panel.title] for series in found for point in series.points]
    text, colour = "no data", _COLOURS["text"]
    if points:
        value = max(points)[1]
        text = shown(value, panel.unit)
        if panel.good_above is not None:
            colour = _COLOURS["green" if value >= panel.good_above else "red"]
        elif panel.bad_above is not None:
            colour = _COLOURS["red" if value >= panel.bad_above else "green"]
    axes.text(0.0, 0.4, text, fontsize=22, color=colour, va="center")


_DRAWN = {Kind.BARS: _bars, Kind.HEATMAP: _heatmap, Kind.LINES: _lines, Kind.NUMBER: _number}
