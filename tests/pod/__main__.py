"""``python -m tests.pod``: play the scenarios and write what was seen into docs/drain.md; exit 1 for a surprise."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ..generated import facts, replace_block
from .play import Played, play
from .scenarios import SCENARIOS, Scenario

_HEAD = """\
| pod | streams in flight | new streams meanwhile | all ended after | exit code of the proxy |
|---|---|---|---|---|"""
_PAGE = Path(__file__).resolve().parents[2] / "docs" / "drain.md"


def _section(scenario: Scenario, played: Played) -> str:
    heading, difference, _plan, _expected = scenario
    rows = "\n".join(f"| {seconds:.2f} | {what} |" for seconds, what in played.timeline.entries)
    return f"### {heading}\n\n{difference[0].upper()}{difference[1:]}.\n\n| s | |\n|---|---|\n{rows}\n"


def _row(scenario: Scenario, played: Played) -> str:
    served = sum(verdict == "whole" for verdict in played.latecomers.verdicts())
    refused = sum(verdict == "refused 503" for verdict in played.latecomers.verdicts())
    end = max(seconds for seconds, _what in played.timeline.entries)
    return (
        f"| {scenario[0]} | {_counted(played.verdicts())} | {served} served, {refused} sent elsewhere (503), "
        f"{len(played.unserved())} failed | {end:.1f} s | {played.code} |"
    )


def _counted(verdicts: dict[str, int]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))


async def _main() -> int:
    rows, sections, surprises = [], [], []
    for scenario in SCENARIOS:
        played = await play(scenario[2])
        rows.append(_row(scenario, played))
        sections.append(_section(scenario, played))
        if played.verdicts() != {scenario[3]: scenario[2].streams}:
            surprises.append(f"{scenario[0]}: expected {scenario[3]}, got {_counted(played.verdicts())}")
        sys.stderr.write(f"{rows[-1]}\n")
    replace_block(_PAGE, "\n".join((_HEAD, *rows, "", facts(), "", *sections)))
    sys.stderr.write("".join(f"{surprise}\n" for surprise in surprises))
    return len(surprises)


if __name__ == "__main__":
    sys.exit(min(1, asyncio.run(_main())))
