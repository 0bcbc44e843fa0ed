"""The garbage collector of a process that serves: what is there at the start is never looked at again, the rest seldom.

A stream is hundreds of objects that stay for as long as it is open. With CPython's own thresholds a burst of opens is
looked through again and again while it grows, which is a sixth of what an open costs with a thousand at once. Here in
`cli`, since an application that wraps itself in our middleware has a collector of its own.
"""

from __future__ import annotations

import gc

__all__ = ["THRESHOLDS", "settle"]

#: New objects that begin a collection of the youngest, and how many of those begin one of the next generation, and so
#: on: some 400,000 objects before all are looked at. A stream leaves no cycles behind, so there is little to find;
#: CPython's own (700, 10, 10) cost more than twice as much.
THRESHOLDS = (10_000, 10, 3)


def settle() -> None:
    """Set the collector up, once all that stays for good is made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
