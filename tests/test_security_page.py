"""SECURITY.md: no promise without a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_DEFENDED = (_ROOT / "SECURITY.md").read_text().partition("\n## What is defended\n")[2].partition("\n## ")[0]


def test_every_promise_names_its_tests() -> None:
    """Beside it, as links to files that exist."""
    promises = re.split(r"^- \*\*", _DEFENDED, flags=re.MULTILINE)[1:]
    assert len(promises) > 7
    links = {promise.partition("**")[0]: re.findall(r"\]\((tests/\w+\.py)\)", promise) for promise in promises}
    assert [name for name, files in links.items() if not files] == []
    assert [file for files in links.values() for file in files if not (_ROOT / file).exists()] == []
