"""What a tree of processes costs, read from /proc (Linux): CPU time and resident memory."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Stat", "clocks", "parse_stat", "resident_bytes", "spent_seconds", "tree"]

_PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """What is used of ``/proc/PID/stat`` (proc_pid_stat(5))."""

    parent: int
    #: User and system time of all threads, those that have ended included.
    cpu_seconds: float
    resident_bytes: int


def parse_stat(line: str) -> Stat:
    """The fields of *line*; the program's name may hold spaces and parentheses."""
    fields = line[line.rindex(")") + 2 :].split()
    return Stat(
        parent=int(fields[1]),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND,
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
    )


def tree(pid: int, proc: Path = _PROC) -> tuple[int, ...]:
    """*pid* and all processes below it."""
    parents = {int(path.name): stat.parent for path in proc.iterdir() if path.name.isdigit() and (stat := _stat(path))}
    found = [pid]
    for known in found:
        found.extend(child for child, parent in parents.items() if parent == known)
    return tuple(found)


def clocks(pids: tuple[int, ...], proc: Path = _PROC) -> dict[int, float]:
    """User and system time of each thread of *pids* in seconds, by thread.

    From the scheduler's own clock in nanoseconds (``schedstat``). Where the kernel has none it is what ``stat`` tells
    of a whole process, by process: the same in steps of 10 ms.
    """
    found: dict[int, float] = {}
    for pid in pids:
        threads = _threads(proc / str(pid))
        stat = None if threads else _stat(proc / str(pid))
        found |= threads if stat is None else {pid: stat.cpu_seconds}
    return found


def spent_seconds(before: dict[int, float], after: dict[int, float]) -> float:
    """The time between two looks at the `clocks`; of threads that have ended since, nothing is known."""
    return sum(seconds - before.get(thread, 0.0) for thread, seconds in after.items())


def resident_bytes(pids: tuple[int, ...], proc: Path = _PROC) -> int:
    """Resident memory of all of *pids*; pages that several of them share count for each."""
    return sum(stat.resident_bytes for pid in pids if (stat := _stat(proc / str(pid))))


def _stat(process: Path) -> Stat | None:
    try:
        return parse_stat((process / "stat").read_text(errors="replace"))
    except (FileNotFoundError, ProcessLookupError):
        return None  # it has ended


def _threads(process: Path) -> dict[int, float]:
    found: dict[int, float] = {}
    for thread in (process / "task").glob("*/schedstat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            found[int(thread.parent.name)] = int(thread.read_text().split()[0]) / 1e9
    return found
