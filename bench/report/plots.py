"""The plots, drawn with matplotlib (dependency group ``bench``) from the results alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..peers import DIRECT
from ..results import Results
from ..stats import spread

__all__ = ["bars", "draw"]

_OURS, _OTHERS, _SECOND = "#c2410c", "#94a3b8", "#cbd5e1"
_CPU = "cpu_us_per_event"
_KIB = 1024.0
Bar = tuple[str, float, float, float]


def bars(results: Results, figure: str, scenario: str, **situation: object) -> list[Bar]:
    """Name, median, least and most of each server that has *figure*, the smallest median last."""
    found = []
    for peer in results.peers(scenario, **situation):
        values = spread(results.values(figure, peer, scenario, **situation))
        if values is not None:
            found.append((peer, values.median, values.least, values.most))
    return sorted(found, key=lambda bar: -bar[1])


def draw(results: Results, directory: Path) -> None:
    """Write each plot that there are figures for to *directory*."""
    from matplotlib import pyplot as plt  # noqa: PLC0415  takes a second, and only this needs it

    plt.switch_backend("agg")
    directory.mkdir(parents=True, exist_ok=True)
    for name, plot in _PLOTS.items():
        drawn = plot(plt, results)
        if drawn is not None:
            drawn.savefig(directory / f"{name}.png", dpi=110, bbox_inches="tight")
            plt.close(drawn)


def _horizontal(axes: Any, found: list[Bar], title: str, *, log: bool) -> None:
    names = [bar[0] for bar in found]
    medians = [bar[1] for bar in found]
    errors = [[bar[1] - bar[2] for bar in found], [bar[3] - bar[1] for bar in found]]
    colours = [_OURS if name.startswith("sse-proxy") else _SECOND if name == DIRECT else _OTHERS for name in names]
    drawn = axes.barh(names, medians, xerr=errors, color=colours, error_kw={"ecolor": "#475569", "capsize": 2})
    axes.bar_label(
        drawn, labels=[f"{median:,.3g}" if median < 1000 else f"{median:,.0f}" for median in medians], padding=4
    )
    axes.margins(x=0.18)
    if log:
        axes.set_xscale("log")
        # Bars begin at a power of ten, so that those of one plot can be compared at all.
        axes.set_xlim(left=10 ** math.floor(math.log10(min(medians)) - 0.2))
        axes.xaxis.set_major_formatter(lambda value, _position: f"{value:,.10g}")
        axes.xaxis.set_minor_formatter(lambda _value, _position: "")
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _panels(plt: Any, panels: list[tuple[list[Bar], str]], *, log: bool) -> Any:
    panels = [panel for panel in panels if panel[0]]
    if not panels:
        return None
    height = 1.0 + 0.32 * max(len(found) for found, _ in panels)
    drawn, axes = plt.subplots(1, len(panels), figsize=(6 * len(panels), height), squeeze=False)
    for each, (found, title) in zip(axes[0], panels, strict=True):
        _horizontal(each, found, title, log=log)
    drawn.tight_layout()
    return drawn


def _cpu(plt: Any, results: Results) -> Any:
    return _panels(plt, [(bars(results, _CPU, "load"), "CPU µs per event, 100 streams × 20/s (log scale)")], log=True)


def _first_byte(plt: Any, results: Results) -> Any:
    at_load = bars(results, "first_byte_p50_ms", "load")
    burst = bars(results, "first_byte_p99_ms", "burst")
    titles = ("time to first byte at load, p50 ms (log scale)", "burst of 1,000 opens, p99 ms (log scale)")
    return _panels(plt, [(at_load, titles[0]), (burst, titles[1])], log=True)


def _saturation(plt: Any, results: Results) -> Any:
    panels = [
        (
            bars(results, "events_per_second", "saturation", burst=burst, together=together),
            f"events/s, {words} (log scale)",
        )
        for words, burst, together in (
            ("one event a write", 1, False),
            ("32 events a write", 32, False),
            ("32 events a chunk", 32, True),
        )
    ]
    return _panels(plt, panels, log=True)


def _growth(plt: Any, results: Results) -> Any:
    peers = results.peers("growth")
    if not peers:
        return None
    drawn, (left, right) = plt.subplots(1, 2, figsize=(12, 4))
    for peer in peers:
        _line(left, results, peer, _CPU, 1.0, least_streams=0)
        _line(right, results, peer, "resident_bytes_per_stream", _KIB, least_streams=1000)
    for axes, title in ((left, "CPU µs per event by open streams"), (right, "KiB of memory per open stream")):
        axes.set_xscale("log")
        axes.set_xticks(_levels(results), [f"{level:,}" for level in _levels(results)])
        axes.set_xticks([], minor=True)
        axes.set_ylim(bottom=0)
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    drawn.tight_layout()
    return drawn


def _levels(results: Results) -> list[int]:
    return sorted({record.case.streams for record in results.records if record.case.scenario == "growth"})


def _line(axes: Any, results: Results, peer: str, figure: str, unit: float, *, least_streams: int) -> None:
    points = [
        (level, found.median / unit)
        for level in _levels(results)
        if level >= least_streams and (found := spread(results.values(figure, peer, "growth", streams=level)))
    ]
    emphasis = {"color": _OURS, "linewidth": 2.5} if peer == "sse-proxy" else {"linewidth": 1.5}
    axes.plot([point[0] for point in points], [point[1] for point in points], marker="o", label=peer, **emphasis)


_PLOTS: dict[str, Callable[[Any, Results], Any]] = {
    "cpu": _cpu,
    "first_byte": _first_byte,
    "growth": _growth,
    "saturation": _saturation,
}
