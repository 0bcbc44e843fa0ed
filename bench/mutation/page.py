"""The table of docs/mutation.md, between its marks; the words around it are written by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .equivalent import reason
from .mutants import Judged, digest

__all__ = ["table", "write"]

_BEGIN, _END = "<!-- mutants: begin -->", "<!-- mutants: end -->"
_CHANGED = " †"
_HEAD = ("module", "mutants", "killed", "timeout", "survived", "of these equivalent", "score", "CPU seconds", "date")


def write(judged: Sequence[Judged], page: Path, root: Path) -> None:
    """Put the table of *judged*, modules below *root*, into *page*, in the place of the one that is there."""
    before, _, rest = page.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    changed = frozenset(one.module for one in judged if one.source != digest((root / one.module).read_bytes()))
    page.write_text(f"{before}{_BEGIN}\n{table(judged, changed)}{_END}{after}")


def table(judged: Sequence[Judged], changed: frozenset[str]) -> str:
    """Markdown: one row a module, and all of them together; those that have *changed* since are marked."""
    lines = [_row(_HEAD), _row("---" for _ in _HEAD)]
    for one in judged:
        name = one.module.removeprefix("sse_proxy/core/")
        lines.append(_row((f"`{name}`", *_figures([one]), _cpu([one]), one.date + _CHANGED * (one.module in changed))))
    lines.append(_row(("**all**", *_figures(judged), _cpu(judged), "")))
    why = Counter(reason(survivor) for one in judged for survivor in one.survivors)
    reasons = [f"- {times} equivalent: {text}." for text, times in why.most_common() if text]
    tools = ", ".join(sorted({one.tool for one in judged}))
    notes = [f"-{_CHANGED}: the module has changed since it was judged."] if changed else []
    return "\n".join([f"{tools}; {len(judged)} modules.", "", *lines, "", *notes, *reasons, ""])


def _figures(judged: Sequence[Judged]) -> Iterator[str]:
    total = sum(one.total for one in judged)
    survivors = [survivor for one in judged for survivor in one.survivors]
    survived = len(survivors)
    yield f"{total}"
    yield f"{sum(one.killed for one in judged)}"
    yield f"{sum(one.timeouts for one in judged)}"
    yield f"{survived}"
    yield f"{sum(map(bool, map(reason, survivors)))}"
    yield f"{100 * (total - survived) / total:.1f} %" if total else "-"


def _cpu(judged: Sequence[Judged]) -> str:
    """CPU seconds of those that they were measured of, with how many mutants those had if that is not all."""
    measured = [one for one in judged if one.cpu_seconds is not None]
    if not measured:
        return ""
    seconds = f"{sum(one.cpu_seconds or 0.0 for one in measured):.0f}"
    return seconds if len(measured) == len(judged) else f"{seconds} for {sum(one.total for one in measured)}"


def _row(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
