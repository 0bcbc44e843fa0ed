"""What a replica tells of itself on its admin port."""

from __future__ import annotations

import re
import urllib.request

__all__ = ["gauge", "value_in"]

_LIMIT_SECONDS = 10.0


def gauge(admin_port: int, name: str) -> float:
    """The value of the metric *name*, all its labels together; 0 where it is not there."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/metrics", timeout=_LIMIT_SECONDS) as answer:
        return value_in(answer.read().decode(), name)


def value_in(exposition: str, name: str) -> float:
    """The same, in what an exposition says."""
    pattern = re.compile(rf"^{re.escape(name)}(?:\{{.*\}})? (\S+)", re.MULTILINE)
    return sum(float(value) for value in pattern.findall(exposition))
