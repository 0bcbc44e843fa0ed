"""Markdown of figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..stats import Spread

__all__ = ["goal", "spread_of", "table"]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, its lines ended."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def spread_of(found: Spread | None, digits: int) -> str:
    """Median and range; a dash where there is nothing."""
    if found is None:
        return "–"
    return f"{found.median:.{digits}f} ({found.least:.{digits}f}–{found.most:.{digits}f})"


def goal(text: str, *, is_met: bool) -> str:
    """A line of a list that says whether a goal is met."""
    return f"- {'met' if is_met else '**missed**'}: {text}\n"
