"""The cells of the kernel's own faults, in a network namespace of their own: root only.

`play_kernel` starts ``python -m tests.faults.kernel`` in one, and that prints what came of the cells.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .cells import Cell
from .client import Got
from .driver import Facts, Remains, play_all, remains
from .upstream import Seen

__all__ = ["TOOLS", "is_possible", "play_kernel"]

TOOLS = ("ip", "iptables", "ss", "tc", "unshare")
_PLACES = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin:/sbin"
#: In a namespace of one's own even the loopback interface is down at first.
_INSIDE = 'ip link set lo up && iptables -w -L -n >/dev/null && exec "$@"'
_SECONDS = 180


def _command(*program: str) -> list[str]:
    return ["unshare", "--net", "sh", "-c", _INSIDE, "sh", *program]


@functools.cache
def is_possible() -> bool:
    """Whether this is root with all `TOOLS`, in a kernel that lets it use them."""
    if sys.platform != "linux" or os.geteuid() or not all(shutil.which(tool, path=_PLACES) for tool in TOOLS):
        return False
    return subprocess.run(_command("true"), check=False, capture_output=True, env=_environment()).returncode == 0


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": _PLACES}


async def play_kernel(cells: Sequence[Cell]) -> tuple[dict[str, Facts], Remains]:
    """Play *cells* there."""
    process = await asyncio.create_subprocess_exec(
        *_command(sys.executable, "-m", "tests.faults.kernel", *(cell.name for cell in cells)),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=_environment(),
    )
    async with asyncio.timeout(_SECONDS):
        told, _ = await process.communicate()
    assert process.returncode == 0
    document = json.loads(told)
    return {name: _facts(one) for name, one in document["facts"].items()}, Remains(**_listed(document["remains"]))


def _facts(told: dict[str, Any]) -> Facts:
    got: dict[str, Any] = {name: _tupled(value) for name, value in told["got"].items()}
    return Facts(got=Got(**got), seen=Seen(**told["seen"]), outcomes=tuple(told["outcomes"]))


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def _listed(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "complaints": tuple(told["complaints"])}


async def _main(names: Sequence[str]) -> None:
    from .table import CELLS, WORLDS  # noqa: PLC0415  the table knows this module too

    cells = [cell for cell in CELLS if cell.name in names]
    async with WORLDS["kernel"]() as world:
        facts = await play_all(cells, world)
        left = await remains(world)
    document = {"facts": {name: asdict(one) for name, one in facts.items()}, "remains": asdict(left)}
    sys.stdout.write(json.dumps(document))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
