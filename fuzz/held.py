"""How much data an object keeps, by walking through all that it refers to."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import Any

from sse_proxy.core.dialects import Voice

__all__ = ["held_bytes"]


def held_bytes(value: object) -> int:
    """Bytes of data that can be reached from *value*, which is a part of a pipeline."""
    if isinstance(value, bytes | str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(held_bytes, value.keys())) + sum(map(held_bytes, value.values()))
    if isinstance(value, list | tuple | set):
        return sum(map(held_bytes, value))
    if isinstance(value, Voice | Enum | type) or not type(value).__module__.startswith("sse_proxy."):
        return 0
    return sum(map(held_bytes, _attributes(value)))


def _attributes(value: object) -> Iterator[object]:
    kind: Any = type(value)
    for name in (*_slots(kind), *getattr(value, "__dict__", ())):
        yield getattr(value, name, None)


@lru_cache
def _slots(kind: type) -> frozenset[str]:
    return frozenset(name for base in kind.__mro__ for name in getattr(base, "__slots__", ()))
