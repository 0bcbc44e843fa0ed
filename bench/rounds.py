"""Rounds of a script in processes of their own, each with one checkout of the project or another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["HERE", "round_of"]

#: This checkout.
HERE = Path(__file__).resolve().parent.parent


def round_of(script: str, checkout: Path) -> dict[str, float]:
    """What *script* prints, as JSON, when it is run with ``--round`` and imports what it measures from *checkout*."""
    paths = os.pathsep.join((str(checkout), str(HERE)))
    done = subprocess.run(  # noqa: S603  the script that asks
        [sys.executable, script, "--round"],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # of streams that a round leaves open
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
