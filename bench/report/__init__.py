"""The page and the plots of a run, made from its results alone."""

from __future__ import annotations

from pathlib import Path

from ..results import Results
from .page import page
from .plots import draw

__all__ = ["write"]


def write(results: Results, docs: Path) -> None:
    """Write ``benchmarks.md`` and ``benchmarks/*.png`` below *docs*."""
    draw(results, docs / "benchmarks")
    (docs / "benchmarks.md").write_text(page(results))
