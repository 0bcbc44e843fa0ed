"""How numbers are written on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..stats import Spread, spread

__all__ = ["Table", "figure", "number", "times"]

_NONE = "–"


def number(value: float | None) -> str:
    """*value* with three significant digits, and with separators from a thousand on."""
    if value is None:
        return _NONE
    if abs(value) >= 100:
        digits = max(0, len(f"{abs(value):.0f}") - 3)
        return f"{round(value, -digits):,.0f}"
    return f"{value:#.3g}".rstrip(".")


def figure(values: Sequence[float], unit: float = 1.0) -> str:
    """Median and range of *values* in *unit*."""
    found = spread([value / unit for value in values])
    if found is None:
        return _NONE
    return f"{number(found.median)} ({number(found.least)}–{number(found.most)})"


def times(found: Spread | None) -> str:
    """A ratio."""
    if found is None:
        return _NONE
    return f"{found.median:.2f}" if found.median < 100 else number(found.median)


class Table:
    """A table in Markdown, row by row."""

    def __init__(self, *titles: str) -> None:
        self._rows = [titles, tuple("---" for _ in titles)]

    def row(self, *cells: str) -> None:
        """Add a row; one that has nothing to tell is left out."""
        if any(cell != _NONE for cell in cells[1:]):
            self._rows.append(cells)

    def __bool__(self) -> bool:
        return len(self._rows) > 2

    def lines(self) -> Iterable[str]:
        """The table; nothing, if it has no rows."""
        return [f"| {' | '.join(cells)} |" for cells in self._rows] if self else []
