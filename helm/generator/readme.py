"""The table of values in a chart's README."""

from __future__ import annotations

import json

from .values import Value

__all__ = ["table"]


def table(values: tuple[Value, ...]) -> list[str]:
    """One row for each value that can be set; maps that are spelled out are told by their own keys."""
    rows = [_row(one) for value in values for one in value.walk() if one.children is None]
    return ["| value | default | meaning |", "|---|---|---|", *rows]


def _row(value: Value) -> str:
    default = json.dumps(value.default, ensure_ascii=False)
    description = value.description.replace("|", "\\|")
    return f"| `{'.'.join(value.path)}` | `{default}` | {description} |"
