"""Which pages are made from the code, and what has to stand in each now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import commands, dialects, errors, headers, metrics, paths, python_api, settings
from .markdown import replaced

__all__ = ["DOCS", "PAGES", "PROJECT", "expected"]

PROJECT = Path(__file__).resolve().parent.parent
DOCS = PROJECT / "docs"


def _settings() -> str:
    # Prose by hand around tables from the model.
    page = replaced((DOCS / "settings.md").read_text(), "settings", settings.settings_table())
    return replaced(page, "routes", settings.routes_table())


#: Path below docs/ → what makes it.
PAGES: dict[str, Callable[[], str]] = {
    "settings.md": _settings,
    "reference/commands.md": commands.page,
    "reference/dialects.md": dialects.page,
    "reference/errors.md": errors.page,
    "reference/headers.md": headers.page,
    "reference/metrics.md": metrics.page,
    "reference/outcomes.md": metrics.outcomes_page,
    "reference/paths.md": paths.page,
    "reference/python.md": python_api.page,
}


def expected(name: str) -> str:
    """The text that the page *name* has to have."""
    return PAGES[name]()
