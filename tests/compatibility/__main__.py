"""Writes ``docs/compatibility.md``: ``python -m tests.compatibility`` (``make compat``)."""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

from .matrix import run
from .page import facts_of, render

_PAGE = Path(__file__).parent.parent.parent / "docs" / "compatibility.md"


def _main() -> None:
    logging.disable()  # of every stream the proxy has a line
    matrix = run()
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    _PAGE.write_text(render(matrix.cells, facts_of(matrix, today)))


if __name__ == "__main__":
    _main()
