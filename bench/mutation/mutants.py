"""What became of every mutant of one module, as it is kept between the campaign and the page."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

__all__ = ["Judged", "Survivor", "digest", "read_all", "save"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survivor:
    """A change that no test of the module noticed."""

    function: str
    removed: str
    added: str

    @classmethod
    def of(cls, function: str, diff: str) -> Survivor:
        """The one that *diff*, a unified diff of the function, shows."""
        lines = [line for line in diff.splitlines() if line[:3] not in {"---", "+++"}]
        removed = "\n".join(line[1:].strip() for line in lines if line.startswith("-"))
        added = "\n".join(line[1:].strip() for line in lines if line.startswith("+"))
        return cls(function=function, removed=removed, added=added)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdicts on one module; *counts* are by mutmut's own names."""

    module: str
    date: str
    tool: str
    seconds: float
    counts: dict[str, int]
    survivors: list[Survivor] = field(default_factory=list)
    #: Of all processes, which a busy machine does not change; None: judged before it was measured.
    cpu_seconds: float | None = None
    #: `digest` of the module as it was judged.
    source: str = ""

    @property
    def total(self) -> int:
        """How many mutants there were."""
        return sum(self.counts.values())

    @property
    def timeouts(self) -> int:
        """Mutants that did not come to an end, which is noticed too."""
        return self.counts.get("timeout", 0)

    @property
    def killed(self) -> int:
        """Mutants that a test failed for, timeouts not counted."""
        return self.total - self.timeouts - len(self.survivors)


def digest(source: bytes) -> str:
    """What tells one version of a module's *source* from another."""
    return hashlib.sha256(source).hexdigest()[:16]


def save(judged: Judged, folder: Path) -> None:
    """Keep *judged* in *folder*, in the place of an earlier one of the same module."""
    folder.mkdir(parents=True, exist_ok=True)
    name = judged.module.removesuffix(".py").replace("/", ".")
    (folder / f"{name}.json").write_text(json.dumps(asdict(judged), indent=1, ensure_ascii=False) + "\n")


def read_all(folder: Path) -> list[Judged]:
    """Everything kept in *folder*, by module."""
    found = [_read(path) for path in folder.glob("*.json")]
    return sorted(found, key=lambda judged: judged.module)


def _read(path: Path) -> Judged:
    document = json.loads(path.read_text())
    survivors = [Survivor(**survivor) for survivor in document.pop("survivors")]
    return Judged(**document, survivors=survivors)
