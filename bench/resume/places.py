"""Which core does what; with one, all share it.

The rest of the benchmark refuses that, since servers are compared there that share a core in ways of their own. Here
they are forms of one server, in the same place each.
"""

from __future__ import annotations

import os

from ..cores import roles

__all__ = ["places"]


def places() -> tuple[int, int, int]:
    """As `cores.roles`: of the server, of the load, of the upstream and the store."""
    cores = os.sched_getaffinity(0)
    if len(cores) > 1:
        return roles(cores)
    (only,) = cores
    return only, only, only
