"""Which route a request is on (being written by H5; this is only the shape that the middleware reads)."""

from __future__ import annotations

from dataclasses import dataclass

from .core.shapes.base import Output
from .settings import Settings

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """One route's settings, made once."""

    settings: Settings
    dialect: str | None = None
    output: Output = "native"
