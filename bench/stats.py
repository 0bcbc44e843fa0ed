"""Numbers out of numbers."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Spread", "percentile", "ratio", "spread"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What some rounds found."""

    median: float
    least: float
    most: float
    rounds: int


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that *percent* of *values* do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def spread(values: Sequence[float]) -> Spread | None:
    """Median and range of *values*; None if there are none."""
    if not values:
        return None
    return Spread(median=statistics.median(values), least=min(values), most=max(values), rounds=len(values))


def ratio(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Spread | None:
    """What *ours* is of *theirs* (round → figure), taken in each round that has both, since noise meets both alike."""
    return spread([ours[number] / theirs[number] for number in sorted(ours) if theirs.get(number)])
