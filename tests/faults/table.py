"""The whole table: every cell, in the order of the page, and the worlds that they are played in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from .cells import Cell, NoCell
from .client_faults import client_cells
from .deep_worlds import dns_world, kernel_world, store_world, tls_world
from .network_faults import dns_cells, kernel_cells, network_cells, store_cells, tls_cells
from .process_worlds import PROCESS_WORLDS, process_cells
from .upstream_faults import upstream_cells
from .worlds import PLAIN_WORLDS, World, plain_world

__all__ = ["ALL", "CELLS", "WORLDS"]

ALL: tuple[Cell | NoCell, ...] = (
    *upstream_cells(),
    *client_cells(),
    *network_cells(),
    *kernel_cells(),
    *store_cells(),
    *dns_cells(),
    *tls_cells(),
    *process_cells(),
)
CELLS = tuple(cell for cell in ALL if isinstance(cell, Cell))

WORLDS: dict[str, Callable[[], AbstractAsyncContextManager[World]]] = {
    **{name: partial(plain_world, name) for name in PLAIN_WORLDS},
    "dns": dns_world,
    "tls": tls_world,
    "store": store_world,
    "kernel": kernel_world,
    **PROCESS_WORLDS,
}
