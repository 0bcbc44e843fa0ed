"""The part of a page that a program writes, between two marks, so that the rest can be written by hand."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path

from bench.machine import describe

__all__ = ["facts", "replace_block"]

_BLOCK = re.compile(r"(<!-- measured by [^>]*-->\n).*?(<!-- end -->)", re.DOTALL)


def facts() -> str:
    """One line: the day, the machine and the commit that something was measured on."""
    machine = describe((0, 0, 0))
    day = dt.datetime.now(tz=dt.UTC).date().isoformat()
    return (
        f"{day}, {machine['CPU']}, {len(os.sched_getaffinity(0))} cores; {machine['system']}; "
        f"Python {machine['Python']}; commit {machine['commit']}."
    )


def replace_block(page: Path, text: str) -> None:
    """Put *text* between the marks of *page*.

    Raises:
        ValueError: it has no marks, or several.
    """
    changed, count = _BLOCK.subn(lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", page.read_text())
    if count != 1:
        raise ValueError(f"{page}: expected one block between marks, found {count}")
    page.write_text(changed)
