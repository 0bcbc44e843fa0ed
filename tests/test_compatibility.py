"""Every client at everything that upstreams do, straight and through the proxy, as ``docs/compatibility.md`` has it.

Through the proxy no text is lost and nothing raised where the upstream has sent the whole answer, and every failure
raises, among heartbeats. One run serves all tests; the page has to be what it gives (``make compat`` writes it).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sse_proxy.demo.defects import DEFECTS

from .compatibility.clients import CLIENTS, Client
from .compatibility.columns import COLUMNS
from .compatibility.limits import LIMITS, limit_of
from .compatibility.matrix import Matrix, run
from .compatibility.page import cells_in, facts_in, facts_of, render
from .compatibility.verdicts import Cell, is_good
from .conftest import require_component

PAGE = Path(__file__).parent.parent / "docs" / "compatibility.md"

#: The run is in the time of the first test.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    """What every client makes of every column."""
    for component in ("node", "js-sdks", "chromium"):
        require_component(component)
    return run()


@pytest.mark.parametrize("client", CLIENTS, ids=str)
@pytest.mark.parametrize("delivered", [True, False], ids=["delivered", "failures"])
def test_through_the_proxy_every_cell_is_as_it_should_be(matrix: Matrix, client: Client, delivered: bool) -> None:
    """What was delivered arrives whole, and every failure raises; but for `LIMITS`, each of which is still true."""
    columns = [column for column in COLUMNS if column.delivered is delivered and column.concerns(client.api)]
    poor = {column.name: matrix.cells[client, column].proxied for column in columns}
    for column in columns:
        if is_good(column, poor[column.name]):
            del poor[column.name]
    assert set(poor) == {column.name for column in columns if limit_of(client, column) is not None}, poor


@pytest.mark.parametrize("client", [client for client in CLIENTS if not client.bridged], ids=str)
def test_without_the_proxy_every_client_fails_at_something(matrix: Matrix, client: Client) -> None:
    """The control: cells can be poor, of what was delivered and of failures; a good stream is whole for everyone."""
    cells = {column: matrix.cells[client, column] for column in COLUMNS if column.concerns(client.api)}
    poor = {column for column, cell in cells.items() if not is_good(column, cell.direct or "")}
    # Another version than the page's may have learnt to read all that can be read.
    is_known = facts_in(PAGE.read_text()).versions[str(client)] == client.version
    assert {column.delivered for column in poor} >= ({True, False} if is_known else {False})
    assert "none" not in {column.name for column in poor}


def test_silence_before_the_headers_is_a_504(matrix: Matrix) -> None:
    """So says every client that tells a status; to the others it is an exception."""
    told = {cell.status for (_, column), cell in matrix.cells.items() if column.name == "no head"}
    assert told == {504, None}


def test_the_silences_were_filled_with_heartbeats(matrix: Matrix) -> None:
    """In every form that there is, and several a stream."""
    assert set(matrix.heartbeats) == {"comment", "comment-block", "data", "space"}
    assert sum(matrix.heartbeats.values()) > 5 * sum(matrix.streams.values())


def test_every_defect_of_the_mock_has_a_column() -> None:
    """A new one needs one too."""
    assert {column.knobs.get("defect") for column in COLUMNS} - {None} == DEFECTS


def test_limits_are_those_of_the_page() -> None:
    """Two marks are all that it has."""
    assert len(LIMITS) == 2


def test_the_page_is_what_a_run_gives(matrix: Matrix) -> None:
    """Cell by cell; straight ones only of clients in the page's version, since others may have learnt something."""
    page = PAGE.read_text()
    facts, written = facts_in(page), cells_in(page)
    cells = {key: Cell(cell.direct, cell.proxied) for key, cell in matrix.cells.items()}
    now = facts_of(matrix, facts.date).versions
    for key, cell in written.items():
        if facts.versions[str(key[0])] != now[str(key[0])] and key in cells:
            cells[key] = replace(cells[key], direct=cell.direct)
    different = {
        f"{client}, {column.name}": str(cells.get((client, column)))
        for client, column in {*written, *cells}
        if written.get((client, column)) != cells.get((client, column))
    }
    assert different == {}, "run `make compat`"
    assert page == render(cells, facts), "run `make compat`"
