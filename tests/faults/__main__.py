"""Plays the table, then nginx and Envoy, and writes the page: ``python -m tests.faults`` (``make faults``)."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import sys
from pathlib import Path

from .page import Measured, render
from .peers import PEERS, play_peer
from .run import Run, play_table
from .table import ALL, CELLS

_PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


async def _measure() -> Measured:
    run = await play_table()
    played = await asyncio.gather(*(play_peer(peer, CELLS) for peer in PEERS))
    peers = {f"{peer.title} {peer.version}": facts for peer, facts in zip(PEERS, played, strict=True)}
    return Measured(run=run, peers=peers, day=dt.datetime.now(tz=dt.UTC).date().isoformat())


def _complain(run: Run) -> int:
    """Print what is not as the rules say; how many cells."""
    wrong = {cell.name: found for cell in CELLS if cell.name in run.facts and (found := run.wrong(cell))}
    for name, found in wrong.items():
        sys.stderr.write(f"{name}: {found}\n")
    return len(wrong)


def _main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    measured = asyncio.run(_measure())
    _PAGE.write_text(render(ALL, measured))
    return 1 if _complain(measured.run) else 0


if __name__ == "__main__":
    sys.exit(_main())
