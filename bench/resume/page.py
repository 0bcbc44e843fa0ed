"""The page of all that was measured, out of the sections that each command has left."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from ..machine import describe

__all__ = ["SECTIONS", "keep", "page"]

#: Name of the command → its heading.
SECTIONS = {
    "cost": "What a kept stream costs: `python -m bench.resume cost`",
    "roam": "Readers that change replicas: `python -m bench.resume roam`",
    "finished": "What is left: `python -m bench.resume finished`",
}
_HEAD = """# Resume, measured

Made by `make resume-shows`; what is promised stands in [resume.md](resume.md). Absolute times are this machine's on
that day, with other work beside them: compare rows, not runs.
"""


def keep(directory: Path, name: str, section: str, cores: tuple[int, int, int]) -> None:
    """Write down the *section* that the command *name* has made, with the day and the machine."""
    machine = describe(cores)
    day = dt.datetime.now(tz=dt.UTC).date().isoformat()
    told = (
        f"{day}, {machine['CPU']}, cores {machine['cores']}; {machine['system']}; Python {machine['Python']}; "
        f"commit {machine['commit']}."
    )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.md").write_text(f"## {SECTIONS[name]}\n\n{section}\n{told}\n")


def page(directory: Path) -> str:
    """The page of the sections that are there.

    Raises:
        FileNotFoundError: one of them is not.
    """
    return "\n".join((_HEAD, *((directory / f"{name}.md").read_text() for name in SECTIONS)))
