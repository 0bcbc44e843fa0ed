"""How many files a process may have open: thousands of streams need twice as many."""

from __future__ import annotations

import contextlib
import resource

__all__ = ["open_files_limit", "raise_open_files_limit"]

_WANTED = 65_536


def raise_open_files_limit() -> None:
    """Let this process and its children open as many files as they may; root may more than the system's default."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, _WANTED), max(hard, _WANTED)))
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_files_limit() -> int:
    """How many files this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
