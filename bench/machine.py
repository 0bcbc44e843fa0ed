"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

__all__ = ["describe"]

_PROJECT = Path(__file__).resolve().parent.parent


def describe(cores: tuple[int, int, int]) -> dict[str, str]:
    """The machine and the software on it, by what a reader calls them; *cores* as of `cores.roles`."""
    server, load, upstream = cores
    system = _first(r"PRETTY_NAME=\"?([^\"\n]*)", Path("/etc/os-release"))
    return {
        "CPU": _first(r"model name\s*: (.*)", Path("/proc/cpuinfo")),
        "cores": f"{len(os.sched_getaffinity(0))}: the server under test on core {server}, the load generator on "
        f"{load}, the fake upstream on {upstream}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{system}, Linux {platform.release()}",
        "Python": f"{platform.python_version()}, uvloop {version('uvloop')}, uvicorn {version('uvicorn')}",
        "commit": _commit(),
    }


def _first(pattern: str, path: Path) -> str:
    try:
        found = re.search(pattern, path.read_text())
    except OSError:
        found = None
    return found[1].strip() if found else "unknown"


def _commit() -> str:
    """The commit of this checkout, and whether files differ from it."""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607  the user's own git
            cwd=_PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told.stdout.strip()
