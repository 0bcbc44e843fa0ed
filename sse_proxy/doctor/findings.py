"""What the doctor says: one `Finding` for each thing that is wrong, or worth knowing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Finding", "Severity", "is_clean", "ranked"]


class Severity(StrEnum):
    """How bad it is."""

    #: Streams do not work.
    ERROR = "error"
    #: Streams work until something happens, or not for every client.
    WARNING = "warning"
    #: Worth knowing; nothing is wrong.
    NOTE = "note"


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One verdict."""

    #: Stable, for scripts.
    id: str
    severity: Severity
    #: What was seen, in one sentence.
    seen: str
    #: The hop that does it, as far as it can be told; empty when it cannot.
    culprit: str = ""
    #: What to change.
    fix: str = ""
    #: The figures behind it, ready for JSON.
    evidence: Mapping[str, object] = field(default_factory=dict)


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, the others in the order in which they were found; of one id only the first."""
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.id, finding)
    return sorted(first.values(), key=lambda finding: _RANK[finding.severity])


def is_clean(findings: Iterable[Finding]) -> bool:
    """Whether there are notes at most."""
    return all(finding.severity is Severity.NOTE for finding in findings)
