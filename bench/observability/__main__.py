"""``python -m bench.observability dashboard`` writes Grafana's JSON, ``pictures`` draws it for the documentation."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path

from .grafana import DASHBOARD, as_text, dashboard
from .rows_level import LATENCY, SERVICE_LEVEL
from .rows_outcomes import OUTCOMES, RESUME
from .rows_servers import PROCESS, UPSTREAM

_PICTURES = Path(__file__).resolve().parents[2] / "docs" / "observability"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench.observability", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("dashboard", help="write the dashboard")
    pictures = commands.add_parser("pictures", help="run the lab, and draw what its Prometheus has")
    pictures.add_argument("--seconds", type=float, default=240.0, help="of traffic")
    pictures.add_argument("--seed", type=int, default=1, help="of the traffic")
    pictures.add_argument("--output", type=Path, default=_PICTURES, help="the directory of the pictures")
    arguments = parser.parse_args()
    if arguments.command == "dashboard":
        DASHBOARD.parent.mkdir(parents=True, exist_ok=True)
        DASHBOARD.write_text(as_text(dashboard()))
        return
    _draw(arguments.output, arguments.seconds, arguments.seed)


def _draw(directory: Path, seconds: float, seed: int) -> None:
    from .day import observed  # noqa: PLC0415  needs what only this command needs
    from .picture import draw  # noqa: PLC0415

    if (program := shutil.which("prometheus")) is None:
        raise SystemExit("prometheus is not on PATH: scripts/setup-system prometheus")
    with tempfile.TemporaryDirectory() as scratch:
        results = asyncio.run(observed(program, Path(scratch), seconds=seconds, seed=seed))
    directory.mkdir(parents=True, exist_ok=True)
    draw(results, (SERVICE_LEVEL, LATENCY, OUTCOMES), directory / "streams.png")
    draw(results, (RESUME, UPSTREAM, PROCESS), directory / "servers.png")


if __name__ == "__main__":
    main()
