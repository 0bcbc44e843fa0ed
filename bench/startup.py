"""What Python spends on importing, as its own report tells (``-X importtime``)."""

from __future__ import annotations

import re

__all__ = ["ENVIRONMENT", "imports"]

#: The same as the flag, for a program that is started by its own name.
ENVIRONMENT = {"PYTHONPROFILEIMPORTTIME": "1"}

_LINE = re.compile(r"^import time: +(\d+) \| +\d+ \| ", re.MULTILINE)


def imports(report: str) -> tuple[float, int]:
    """The seconds that all imports in *report* took, without those within them, and how many modules there were.

    The report slows imports down by about a half, so the seconds are an upper bound.
    """
    own = [int(microseconds) for microseconds in _LINE.findall(report)]
    return sum(own) / 1e6, len(own)
