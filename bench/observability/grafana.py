"""The dashboard as the JSON that Grafana imports: `dashboard` makes it from the rows, `DASHBOARD` is where it is kept.

Made by our own few lines, since the alternatives were worse: 1,500 lines of JSON kept by hand hide a wrong matcher in
one of forty expressions, and grafonnet is a vendored library in another language. Made with the JSON in the repository
(a test compares), so that whoever only wants the dashboard needs no Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from .panels import Kind, Panel, Query, Row
from .rows import ROWS

__all__ = ["DASHBOARD", "SCHEMA_VERSION", "UID", "as_text", "dashboard", "places"]

DASHBOARD = Path(__file__).resolve().parents[2] / "helm" / "sse-proxy" / "files" / "dashboards" / "sse-proxy.json"
#: Of Grafana 12; newer ones bring a dashboard up to date when they load it.
SCHEMA_VERSION = 42
#: Fixed, so that links to the dashboard outlive its updates.
UID = "sse-proxy"

_COLUMNS = 24
_HEIGHTS = {Kind.NUMBER: 4, Kind.LINES: 8, Kind.HEATMAP: 8, Kind.BARS: 8}
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
Json = dict[str, Any]


def dashboard(rows: Sequence[Row] = ROWS) -> Json:
    """The whole document."""
    return {
        "annotations": {"list": []},
        "description": "Streams through sse-proxy: what users get, how fast, how it ends, and what it costs.",
        "editable": True,
        "graphTooltip": 1,
        "links": [],
        "panels": _laid_out(rows),
        "refresh": "1m",
        "schemaVersion": SCHEMA_VERSION,
        "tags": ["sse-proxy", "llm"],
        "templating": {"list": _variables()},
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "title": "sse-proxy",
        "uid": UID,
    }


def as_text(document: Json) -> str:
    """*document* as the file holds it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _variables() -> list[Json]:
    chosen = ""
    found: list[Json] = [
        {
            "current": {},
            "hide": 0,
            "label": "Data source",
            "name": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "regex": "",
            "type": "datasource",
        }
    ]
    for name in ("namespace", "job", "pod"):
        query = f"label_values(sse_proxy_build_info{f'{{{chosen}}}' if chosen else ''}, {name})"
        found.append({
            "allValue": ".*",  # also what has no such label
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
            "datasource": _DATASOURCE,
            "hide": 0,
            "includeAll": True,
            "label": name.capitalize(),
            "multi": True,
            "name": name,
            "query": {"query": query, "refId": "variable"},
            "refresh": 2,  # when the time range changes: pods come and go
            "regex": "",
            "sort": 1,
            "type": "query",
        })  # fmt: skip
        chosen = f'{chosen}{"," if chosen else ""}{name}=~"${name}"'
    return found


def _laid_out(rows: Sequence[Row]) -> list[Json]:
    """Every row's heading and panels with their places; the panels of a folded row are inside of its heading."""
    numbers, top = count(1), 0
    found: list[Json] = []
    for row in rows:
        heading: Json = {
            "collapsed": row.folded,
            "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": top},
            "id": next(numbers),
            "panels": [],
            "title": row.title,
            "type": "row",
        }
        placed = [_panel(panel, next(numbers), place) for panel, place in places(row.panels, top + 1)]
        top = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in placed)
        found.append(heading)
        if row.folded:
            heading["panels"] = placed
            top = heading["gridPos"]["y"] + 1
        else:
            found.extend(placed)
    return found


def places(panels: Sequence[Panel], top: int) -> Iterator[tuple[Panel, Json]]:
    """Each panel with its place: from left to right, and below the tallest where a line is full."""
    left = tallest = 0
    for panel in panels:
        if left + panel.width > _COLUMNS:
            left, top, tallest = 0, top + tallest, 0
        height = _HEIGHTS[panel.kind]
        yield panel, {"h": height, "w": panel.width, "x": left, "y": top}
        left, tallest = left + panel.width, max(tallest, height)


def _panel(panel: Panel, number: int, place: Json) -> Json:
    instant = panel.kind in {Kind.NUMBER, Kind.BARS}
    return {
        "datasource": _DATASOURCE,
        "description": panel.about,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "gridPos": place,
        "id": number,
        "options": _OPTIONS[panel.kind](panel),
        "targets": [
            _target(query, chr(ord("A") + index), instant=instant) for index, query in enumerate(panel.queries)
        ],
        "title": panel.title,
        "type": panel.kind.value,
    }


def _target(query: Query, reference: str, *, instant: bool) -> Json:
    return {
        "datasource": _DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "format": "heatmap" if query.buckets else "time_series",
        "instant": instant,
        "legendFormat": query.legend,
        "range": not instant,
        "refId": reference,
    }


def _defaults(panel: Panel) -> Json:
    found: Json = {"unit": panel.unit}
    steps: list[Json] = []
    if panel.good_above is not None:
        steps = [{"color": "red", "value": None}, {"color": "green", "value": panel.good_above}]
    elif panel.bad_above is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.bad_above}]
    if steps:
        found["thresholds"] = {"mode": "absolute", "steps": steps}
    if panel.kind is Kind.LINES:
        found["min"] = 0
        found["custom"] = {
            "drawStyle": "line",
            "fillOpacity": 60 if panel.stacked else 0,
            "lineWidth": 1,
            "showPoints": "never",
            "stacking": {"group": "A", "mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "line" if steps else "off"},
        }
    return found


def _overrides(panel: Panel) -> list[Json]:
    return [
        {
            "matcher": {"id": "byName", "options": legend},
            "properties": [{"id": "color", "value": {"fixedColor": colour, "mode": "fixed"}}],
        }
        for legend, colour in (panel.colours or {}).items()
    ]


def _lines(_panel: Panel) -> Json:
    return {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _number(panel: Panel) -> Json:
    coloured = panel.good_above is not None or panel.bad_above is not None
    return {
        "colorMode": "value" if coloured else "none",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    }


def _bars(_panel: Panel) -> Json:
    return {
        "displayMode": "basic",
        "orientation": "vertical",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": False,
        "valueMode": "color",
    }


def _heatmap(panel: Panel) -> Json:
    return {
        "calculate": False,  # the buckets are Prometheus's
        "cellGap": 1,
        "color": {
            "exponent": 0.5,
            "mode": "scheme",
            "reverse": False,
            "scale": "exponential",
            "scheme": "Blues",
            "steps": 64,
        },
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "tooltip": {"show": True, "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "unit": panel.unit},
    }


_OPTIONS = {Kind.LINES: _lines, Kind.NUMBER: _number, Kind.BARS: _bars, Kind.HEATMAP: _heatmap}
