"""Every fault of the table in front of the real proxy: what its client gets, what its upstream sees, and what is left.

The table is in `faults`; ``docs/reliability.md`` shows it, with nginx and Envoy beside it (``make faults``). One run
serves all tests here. As root the kernel's own faults are in it; without, those cells are left out, and named.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from .conftest import require_component
from .faults.cells import PARTS, Cell, NoCell
from .faults.driver import Remains
from .faults.expect import Expected
from .faults.judge import differences
from .faults.kernel import TOOLS, is_possible
from .faults.messages import Kind
from .faults.page import keys_in, keys_of
from .faults.reasons import FAMILIES, REASONS, is_of
from .faults.run import Run, miscounted, play_table
from .faults.table import ALL, CELLS, WORLDS

PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"

#: Facts of a cell that are compared otherwise.
UNCOMPARED = {"counted", "has", "retry_is_open"}

#: The run is in the time of the first test.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def run() -> Run:
    """What came of everything."""
    require_component("redis-server")
    return asyncio.run(play_table())


def needs_the_kernel(world: str) -> None:
    """Skip what is played by the kernel where it does not let us; root can have all the tools."""
    if world != "kernel" or is_possible():
        return
    if sys.platform == "linux" and os.geteuid() == 0:
        for tool in TOOLS:
            require_component(tool)
    pytest.skip("needs root, in a kernel with namespaces; the same faults are played without the kernel's help")


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_every_fault_has_the_end_that_the_rules_say(run: Run, cell: Cell) -> None:
    """Status, error, ending and tokens at the client; requests and cancellation at the upstream; the outcome."""
    needs_the_kernel(cell.world)
    assert run.wrong(cell) == {}


@pytest.mark.parametrize("world", WORLDS)
def test_nothing_is_left_behind(run: Run, world: str) -> None:
    """No task, object, descriptor or stream in the proxy, no connection at the upstream, no complaint in the log."""
    needs_the_kernel(world)
    left = run.remains[world]
    assert (left.held, left.upstream_connections, left.complaints) == ({}, 0, ())


@pytest.mark.parametrize("world", [name for name in WORLDS if not name.startswith(("proxy-e", "proxy-d", "proxy-k"))])
def test_the_counters_add_up(run: Run, world: str) -> None:
    """Every stream has one outcome, every request one code; a proxy that has ended cannot be asked any more."""
    needs_the_kernel(world)
    assert miscounted(run.cells[world], run.remains[world]) == {}


def test_failures_of_the_store_are_counted(run: Run) -> None:
    """Its streams are whole all the same, so nothing else would tell of them."""
    assert run.remains["store"].store_errors >= 1


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_no_cell_is_blank(part: str, family: str) -> None:
    """Each part has rows of each fault, or there is a reason why not, and never both; a row has all kinds."""
    rows = [cell for cell in ALL if cell.fault.part == part and is_of(cell, family)]
    assert bool(rows) is ((part, family) not in REASONS)
    for fault in {row.fault for row in rows}:
        assert sorted(row.kind for row in rows if row.fault == fault) == sorted(Kind)


def test_every_row_is_of_some_family() -> None:
    """A new fault has to be looked for in every part."""
    assert [str(cell.fault) for cell in ALL if not any(is_of(cell, family) for family in FAMILIES)] == []


def test_no_two_cells_share_a_name() -> None:
    """It is how the upstream knows which one it plays."""
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    assert {cell.world for cell in CELLS} == set(WORLDS)


@pytest.mark.parametrize(
    "fact", [name for name in Expected.__slots__ if name not in {"counted", "has", "retry_is_open"}]
)
def test_a_cell_that_is_wrong_is_found(run: Run, fact: str) -> None:
    """The control: another value of any fact is a difference."""
    cell = next(cell for cell in CELLS if cell.name == "upstream-stalls-between-events-stream")
    others: dict[str, object] = {"outcomes": (), "statuses": (502,), "requests": 2, "tokens": 7, "may_retry": True}
    other = others.get(fact, not getattr(cell.expected, fact))
    expected = replace(cell.expected, **{fact: other})  # type: ignore[arg-type]
    assert list(differences(expected, run.facts[cell.name])) == [fact]
    assert differences(replace(cell.expected, has=("x-none:",)), run.facts[cell.name])


def test_a_stream_that_was_not_counted_is_found(run: Run) -> None:
    """The control: so is one that was counted twice."""
    cells, left = run.cells["refused"], run.remains["refused"]
    assert miscounted(cells, Remains(outcomes={}, codes=left.codes)) != {}
    assert miscounted(cells, Remains(outcomes=left.outcomes, codes={"502": 4})) != {}


def test_the_page_has_the_rows_of_the_table() -> None:
    """``make faults`` writes it anew."""
    assert keys_in(PAGE.read_text()) == keys_of(ALL)


def test_every_cell_without_sense_has_a_reason() -> None:
    """In words."""
    assert all(cell.reason for cell in ALL if isinstance(cell, NoCell))
