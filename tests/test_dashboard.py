"""The dashboard is what its script makes, what Grafana understands, and asks for nothing that is not exported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from bench.observability.grafana import DASHBOARD, SCHEMA_VERSION, UID, as_text, dashboard

from .exported_metrics import exported, selections

_DOCUMENT: dict[str, Any] = json.loads(DASHBOARD.read_text())
#: Labels that Prometheus adds to what it scrapes.
_OF_TARGETS = {"namespace", "job", "pod", "instance"}
#: The upstream's, which a test with a real Prometheus looks at.
_FOREIGN = "vllm:"


def _panels() -> Iterator[dict[str, Any]]:
    """Every panel with queries, those of folded rows included."""
    for panel in _DOCUMENT["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


_EXPRESSIONS = [
    pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
    for panel in _panels()
    for target in panel["targets"]
]


def test_the_file_is_what_the_script_makes() -> None:
    """Nobody has changed the one without the other: `make dashboard` writes it."""
    assert DASHBOARD.read_text() == as_text(dashboard())


def test_grafana_knows_every_key() -> None:
    """Grafana's own model of a dashboard, which drops what it does not know, gives back all of it."""
    register_default_plugins()
    returned = json.loads(JSONEncoder().encode(Dashboard.from_json(_DOCUMENT)))
    assert list(_lost(_DOCUMENT, returned, "")) == []


def _lost(ours: Any, theirs: Any, place: str) -> Iterator[str]:
    """The places in *ours* that *theirs* lacks or has otherwise; what theirs has besides are defaults."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from _lost(value, theirs.get(key, "missing"), f"{place}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (value, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _lost(value, other, f"{place}[{index}]")
    elif ours != theirs:
        yield f"{place}: {ours!r} became {theirs!r}"


def test_it_can_be_linked_to_and_works_with_any_data_source() -> None:
    """The uid is fixed, the schema current, and the data source is the one that the viewer chooses."""
    assert (UID, SCHEMA_VERSION) == (_DOCUMENT["uid"], _DOCUMENT["schemaVersion"])
    assert ["datasource", "namespace", "job", "pod"] == [each["name"] for each in _DOCUMENT["templating"]["list"]]
    sources = {json.dumps(each["datasource"]) for panel in _panels() for each in (panel, *panel["targets"])}
    assert {json.dumps({"type": "prometheus", "uid": "${datasource}"})} == sources


def test_no_two_panels_share_an_id_or_a_place() -> None:
    """Every panel has an id of its own and lies in the grid, beside and below the others."""
    rows = [panel for panel in _DOCUMENT["panels"] if panel["type"] == "row"]
    ids = [panel["id"] for panel in (*rows, *_panels())]
    assert len(ids) == len(set(ids))
    shown = [panel["gridPos"] for panel in _DOCUMENT["panels"]]
    folded = [[panel["gridPos"] for panel in row["panels"]] for row in rows if row["panels"]]
    for places in (shown, *folded):
        cells = [(x, y) for place in places for x, y in _cells(place)]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24


def _cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_every_panel_explains_itself() -> None:
    """A reader of a panel is told what it shows, in a sentence, and no two have one title."""
    titles = [panel["title"] for panel in _panels()]
    assert len(titles) == len(set(titles))
    assert [panel["title"] for panel in _panels() if not panel["description"].endswith(".")] == []


@pytest.mark.parametrize("expr", _EXPRESSIONS)
def test_every_query_asks_for_what_is_exported(expr: str) -> None:
    """Its metrics and the labels that it selects or groups by are among those that the proxy exports."""
    found = selections(expr)
    assert found or _FOREIGN in expr or expr.startswith("vector(")
    grouped = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expr) for label in labels.split(",")}
    for name, labels in found:
        assert labels - _OF_TARGETS <= exported()[name]
        assert grouped - _OF_TARGETS <= exported()[name]


@pytest.mark.parametrize("expr", _EXPRESSIONS)
def test_every_query_obeys_the_variables(expr: str) -> None:
    """Whoever chooses a namespace, a job or a pod sees nothing of the others."""
    for _, labels in selections(expr):
        assert {"namespace", "job", "pod"} <= labels
    for matchers in re.findall(r"vllm:\w+\{([^}]*)\}", expr):
        assert matchers == 'namespace=~"$namespace"'


@pytest.mark.parametrize("expr", _EXPRESSIONS)
def test_no_query_averages_over_the_life_of_a_process(expr: str) -> None:
    """Counters and histograms are only seen through `rate` or `increase`, quantiles come from buckets."""
    for use in re.finditer(r"[\w:]+_(?:total|bucket|sum|count)\b(?=\{)", expr):
        assert re.search(r"(?:rate|increase)\($", expr[: use.start()]), expr
    assert "_sum{" not in expr
    assert expr.count("histogram_quantile(") == expr.count("sum by (le) (rate(")
