"""One run of the whole table: every world, some at a time; what came of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from .cells import Cell
from .driver import Facts, Remains, play_all, remains
from .judge import differences
from .kernel import is_possible, play_kernel
from .table import CELLS, WORLDS

__all__ = ["Run", "miscounted", "play_table"]

logger = logging.getLogger(__name__)

#: Worlds that are played at the same time: each has a process that starts, and most of the time somebody waits.
_WORLDS_AT_ONCE = 4
#: The longest first.
_FIRST = ("kernel", "store", "hasty", "dns", "tls", "patient")
#: Its counters have requests of ours besides, which ask whether the store is used again.
_COUNTS_MORE = frozenset({"no-descriptors", "store"})


@dataclass(slots=True)
class Run:
    """What came of every cell that could be played, and what was left of every world."""

    facts: dict[str, Facts] = field(default_factory=dict)
    remains: dict[str, Remains] = field(default_factory=dict)
    cells: dict[str, list[Cell]] = field(default_factory=dict)

    def wrong(self, cell: Cell) -> dict[str, tuple[object, object]]:
        """Fact → expected and found, where they differ."""
        return differences(cell.expected, self.facts[cell.name])


def miscounted(cells: Sequence[Cell], left: Remains) -> dict[str, tuple[object, object]]:
    """Counter → what *cells* should have added up to, and what it says, where they differ. Pure."""
    outcomes = Counter(str(outcome) for cell in cells for outcome in cell.expected.outcomes)
    codes = Counter(str(code) for cell in cells for code in cell.expected.counted)
    pairs: dict[str, tuple[object, object]] = {"streams_total": (dict(outcomes), left.outcomes)}
    if cells[0].world not in _COUNTS_MORE:
        pairs["requests_total"] = (dict(codes), left.codes)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


async def play_table(names: Sequence[str] = tuple(WORLDS)) -> Run:
    """Play the worlds of these *names*; the kernel's only where that is possible."""
    run = Run()
    places = asyncio.Semaphore(_WORLDS_AT_ONCE)

    async def one(name: str) -> None:
        cells = run.cells[name] = [cell for cell in CELLS if cell.world == name]
        async with places:
            began = time.monotonic()
            if name == "kernel":
                facts, run.remains[name] = await play_kernel(cells)
            else:
                async with WORLDS[name]() as world:
                    facts = await play_all(cells, world)
                    run.remains[name] = await remains(world)
        run.facts |= facts
        logger.info("played %s: %d cells in %.0f s", name, len(cells), time.monotonic() - began)

    chosen = [name for name in names if name != "kernel" or is_possible()]
    chosen.sort(key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    async with asyncio.TaskGroup() as tasks:
        for name in chosen:
            tasks.create_task(one(name))
    return run
