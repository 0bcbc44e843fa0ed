"""The results of a run, as they are kept: one JSON document that the page can be made from at any time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .plan import Case, Plan

__all__ = ["Record", "Results"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One case in one round."""

    round: int
    case: Case
    figures: dict[str, float] = field(default_factory=dict)
    #: Why there are no figures.
    fault: str | None = None


@dataclass(slots=True, kw_only=True)
class Results:
    """A run, finished or not."""

    #: The day, as ISO 8601 has it.
    date: str
    #: Name and lengths of the plan.
    plan: dict[str, Any]
    machine: dict[str, str]
    #: Peer → version.
    versions: dict[str, str]
    #: Peer → why it did not take part.
    absent: dict[str, str]
    records: list[Record] = field(default_factory=list)

    @staticmethod
    def told(plan: Plan) -> dict[str, Any]:
        """What the page says about *plan*."""
        return {name: value for name, value in asdict(plan).items() if name != "cases"}

    def save(self, path: Path) -> None:
        """Write all of it to *path*."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """What `save` wrote to *path*."""
        document = json.loads(path.read_text())
        records = [Record(**{**record, "case": Case(**record["case"])}) for record in document.pop("records")]
        return cls(**document, records=records)

    def by_round(self, figure: str, peer: str, scenario: str, **situation: object) -> dict[int, float]:
        """Round → *figure* of *peer* in *scenario*, in the situation that fields of `Case` tell."""
        return {
            record.round: record.figures[figure]
            for record in self._records(peer, scenario, situation)
            if figure in record.figures
        }

    def values(self, figure: str, peer: str, scenario: str, **situation: object) -> list[float]:
        """The figures of `by_round`."""
        return list(self.by_round(figure, peer, scenario, **situation).values())

    def peers(self, scenario: str, **situation: object) -> list[str]:
        """Who has figures in *scenario*, in the order of the first appearance."""
        return list(
            dict.fromkeys(record.case.peer for record in self._records(None, scenario, situation) if record.figures)
        )

    def faults(self) -> list[Record]:
        """What could not be measured."""
        return [record for record in self.records if record.fault]

    def _records(self, peer: str | None, scenario: str, situation: dict[str, object]) -> Iterable[Record]:
        for record in self.records:
            case = record.case
            is_wanted = case.scenario == scenario and peer in {None, case.peer}
            if is_wanted and all(getattr(case, name) == value for name, value in situation.items()):
                yield record
