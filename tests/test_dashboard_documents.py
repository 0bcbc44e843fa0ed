"""docs/observability.md and the runbooks tell what is there: metrics, series, alerts, and links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bench.observability.prometheus import ALERTS

from .exported_metrics import families

_DOCS = Path(__file__).resolve().parent.parent / "docs"
_TEXT = (_DOCS / "observability.md").read_text()


def test_the_table_of_metrics_is_the_exporters() -> None:
    """Each metric is in it, in the exporter's order, with its type, its labels and how many series it begins with."""
    rows = re.findall(r"^\| `(sse_proxy_\w+)` \| (\w+) \| (.*?) \| (\d+) \| .+ \|$", _TEXT, re.MULTILINE)
    assert [
        (name, kind, ", ".join(f"`{label}`" for label in sorted(labels - {"le"})), str(series))
        for name, (kind, _, labels, series) in families().items()
    ] == rows


def test_both_pages_tell_what_is_counted_at_the_end() -> None:
    """The exporter's own words and the page's agree on which metrics lag behind a long stream."""
    late = re.findall(r"^\| `(sse_proxy_\w+)` .*\bof finished streams", _TEXT, re.MULTILINE)
    assert len(late) > 2
    assert [name for name, (_, help_text, _, _) in families().items() if "of finished streams" in help_text] == late


def test_both_pages_have_the_same_routes() -> None:
    """Those of the reference, of which tests/test_docs_reference.py says that they are the code's."""
    [row] = re.findall(r"^\| `route` \| (.*) \|$", (_DOCS / "reference" / "metrics.md").read_text(), re.MULTILINE)
    [told] = re.findall(r"`route` is the name of an API, or (.*?);", _TEXT, re.DOTALL)
    words = re.compile(r"`(\w+)`")
    assert set(words.findall(row)) == set(words.findall(told)) >= {"probe", "playground", "gate", "resume", "other"}


def test_the_number_of_series_is_counted() -> None:
    """What it says of a fresh process is the sum of the table."""
    assert f"**{sum(series for _, _, _, series in families().values())}** of ours" in _TEXT


def test_the_table_of_alerts_is_that_of_the_rules() -> None:
    """Each alert is in it, in order, with its severities and a link to its page."""
    severities: dict[str, set[str]] = {}
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                severities.setdefault(rule["alert"], set()).add(rule["labels"]["severity"])
    rows = re.findall(r"^\| \[(\w+)\]\(runbooks/(\w+)\.md\) \| (.*?) \| .+ \|$", _TEXT, re.MULTILINE)
    assert [(name, name, ", ".join(sorted(found))) for name, found in severities.items()] == rows


@pytest.mark.parametrize("page", sorted((_DOCS / "runbooks").glob("*.md")), ids=lambda path: path.stem)
def test_links_of_runbooks_lead_somewhere(page: Path) -> None:
    """A link to a file has that file at its end."""
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
