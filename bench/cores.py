"""Which core does what: the server under test has one for itself, the load has what is left."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator

__all__ = ["on", "roles"]


def roles(cores: set[int]) -> tuple[int, int, int]:
    """The cores of the server under test, of the load generator and of the upstream; with two the latter share one.

    Raises:
        ValueError: there is but one.
    """
    if len(cores) < 2:
        raise ValueError("two cores at least: one for the server under test, one for the load")
    ordered = sorted(cores)
    return ordered[0], ordered[1], ordered[min(2, len(ordered) - 1)]


@contextlib.contextmanager
def on(core: int) -> Generator[None]:
    """Run the block, and all that it starts, on *core* alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
