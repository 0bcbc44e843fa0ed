"""Figures set against each other, within each round."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..peers import DIRECT
from ..results import Results
from ..stats import Spread, ratio, spread

__all__ = ["Subject", "added", "added_times", "times_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A figure of a server in a situation."""

    figure: str
    peer: str
    scenario: str
    #: Fields of `Case` and what they have to be.
    situation: dict[str, object] = field(default_factory=dict)

    def by_round(self, results: Results) -> dict[int, float]:
        """Round → figure."""
        return results.by_round(self.figure, self.peer, self.scenario, **self.situation)

    def of(self, peer: str) -> Subject:
        """The same of another server."""
        return Subject(figure=self.figure, peer=peer, scenario=self.scenario, situation=self.situation)


def times_of(results: Results, ours: Subject, theirs: Subject) -> Spread | None:
    """How many times *theirs* is *ours*."""
    return ratio(ours.by_round(results), theirs.by_round(results))


def added(results: Results, subject: Subject) -> dict[int, float]:
    """Round → what the server adds to what there is without it."""
    floor = subject.of(DIRECT).by_round(results)
    return {number: value - floor[number] for number, value in subject.by_round(results).items() if number in floor}


def added_times(results: Results, ours: Subject, theirs: Subject) -> Spread | None:
    """How many times what *theirs* adds is what *ours* adds; rounds in which theirs adds nothing tell nothing."""
    mine, other = added(results, ours), added(results, theirs)
    return spread([mine[number] / other[number] for number in sorted(mine) if other.get(number, 0.0) > 0])
