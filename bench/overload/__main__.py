"""``python -m bench.overload [SHOW …]`` runs these shows, all by default, and writes what was seen into the page."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from .capacity import capacity
from .fairness import fairness
from .late import late
from .memory import memory
from .page import write

_PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "overload.md"
_SHOWS: dict[str, Callable[[], Awaitable[str]]] = {
    "capacity": capacity,
    "fairness": fairness,
    "memory": memory,
    "late": late,
}


async def _run(names: list[str]) -> None:
    for name in names:
        table = await _SHOWS[name]()
        print(f"{name}\n\n{table}\n", flush=True)
        write(_PAGE, name, table)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("show", nargs="*", choices=[[], *_SHOWS], help="this one; all of them by default")
    asyncio.run(_run(parser.parse_args().show or list(_SHOWS)))


if __name__ == "__main__":
    main()
