"""The tables of docs/overload.md, each between marks of its own; the words around them are written by hand."""

from __future__ import annotations

from pathlib import Path

__all__ = ["marked", "write"]


def marked(text: str, name: str, table: str) -> str:
    """*text* with *table* between the marks of *name*.

    Raises:
        ValueError: there are no such marks.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"no marks of {name}")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def write(page: Path, name: str, table: str) -> None:
    """Put *table* into *page*."""
    page.write_text(marked(page.read_text(), name, table))
