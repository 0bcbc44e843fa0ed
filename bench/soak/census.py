"""What a process has, seen from outside (/proc, Linux) and from inside (`watched`), and what has become more."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Census", "census", "grown", "kib_an_hour", "most_kib_an_hour", "resident_kib", "slope"]

_LIMIT_SECONDS = 20.0
_LOOKS, _LOOK_SECONDS = 40, 0.05
_STATES = {"01": "ESTABLISHED", "08": "CLOSE_WAIT", "0A": "LISTEN"}
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024
#: What the allocator alone may do in the time looked at (its arenas come and go by a MiB or so), and the least slope
#: that is worth a name.
_NOISE_KIB = 3072.0
_LEAST_KIB_AN_HOUR = 4096.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Everything that there is a number of.

    *descriptors*: open files by kind; *sockets*: TCP sockets by state.
    *tasks*, *timers*: of its event loop, by what they are for; *objects*: of the project's classes, by class.
    """

    descriptors: Mapping[str, int]
    sockets: Mapping[str, int]
    threads: int
    tasks: Mapping[str, int]
    timers: Mapping[str, int]
    objects: Mapping[str, int]


def census(pid: int, watch_port: int, admin_port: int) -> Census:
    """What the process *pid* has, which answers on *watch_port*; connections of those who look at it do not count."""
    with urllib.request.urlopen(f"http://127.0.0.1:{watch_port}/", timeout=_LIMIT_SECONDS) as answer:
        inside = json.loads(answer.read())
    # A connection that is closed while it is looked for is half there: look until nothing moves.
    seen = _outside(pid, {watch_port, admin_port})
    for _ in range(_LOOKS):
        time.sleep(_LOOK_SECONDS)
        before, seen = seen, _outside(pid, {watch_port, admin_port})
        if before == seen:
            break
    return Census(**seen, **inside)


def _outside(pid: int, watched_ports: set[int]) -> dict[str, Any]:
    """The fields of `Census` that are seen from outside."""
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links.append(str(path.readlink()))
    kinds = Counter(link.partition(":")[0] if ":" in link else "file" for link in links)
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    states: Counter[str] = Counter()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] not in inodes:
                continue
            state = _STATES.get(fields[3], "other")
            if state != "LISTEN" and int(fields[1].rpartition(":")[2], 16) in watched_ports:
                kinds["socket"] -= 1
            else:
                states[state] += 1
    threads = sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
    return {"descriptors": dict(kinds), "sockets": dict(states), "threads": threads}


def grown(before: Census, after: Census, *, threads: int = 0, objects: int = 0, sockets: int = 0) -> list[str]:
    """What there is more of *after* than *before*, in words; so many more *threads*, and *objects* of a class, may be.

    Threads of a pool are made as they are needed and stay; objects may be kept for the next one, a few of each class;
    and so may *sockets* of a pool, those too that the other side has closed since.
    """
    found = []
    allowance = {"objects": objects, "sockets": sockets, "descriptors": sockets}
    for name in ("descriptors", "sockets", "tasks", "timers", "objects"):
        earlier, later = getattr(before, name), getattr(after, name)
        for kind, count in sorted(later.items()):
            allowed = 0 if kind == "file" else allowance.get(name, 0)
            if count > earlier.get(kind, 0) + allowed:
                found.append(f"{name}: {kind}: {earlier.get(kind, 0)} before, {count} after")
    if after.threads > before.threads + threads:
        found.append(f"threads: {before.threads} before, {after.threads} after")
    return found


def resident_kib(pid: int) -> float:
    """Resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Theil-Sen: the median of the slopes between all pairs of *points*, which a third of outliers do not move.

    Raises:
        ValueError: there are fewer than two.
    """
    if len(points) < 2:
        raise ValueError("no slope of fewer than two points")
    # Some 400 are enough, and all pairs of those are 80,000.
    thinned = points[:: max(1, len(points) // 400)]
    return statistics.median(
        (y2 - y1) / (x2 - x1) for n, (x1, y1) in enumerate(thinned) for x2, y2 in thinned[n + 1 :] if x2 > x1
    )


def kib_an_hour(samples: Sequence[tuple[float, float]]) -> float:
    """The slope of *samples* (seconds, KiB) over their second half: in the first one, caches and arenas fill."""
    return slope(samples[len(samples) // 2 :]) * 3600


def most_kib_an_hour(samples: Sequence[tuple[float, float]]) -> float:
    """What `kib_an_hour` of *samples* may be: as much as makes 3 MiB in the time looked at, or 4 MiB an hour."""
    half = samples[len(samples) // 2 :]
    hours = (half[-1][0] - half[0][0]) / 3600 if half else 0.0
    return max(_LEAST_KIB_AN_HOUR, _NOISE_KIB / hours if hours else 0.0)
