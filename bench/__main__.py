"""``python -m bench run`` measures, ``python -m bench page RESULTS`` writes the page and the plots."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

from .plan import FULL, QUICK
from .report import write
from .results import Results
from .run import run

_PROJECT = Path(__file__).resolve().parent.parent


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    measure = commands.add_parser("run", help="measure")
    measure.add_argument("--quick", action="store_true", help="the main peers, two rounds, short windows")
    measure.add_argument("--rounds", type=int)
    measure.add_argument("--window-seconds", type=float)
    measure.add_argument("--peer", action="append", default=[], help="this one alone; may be repeated")
    measure.add_argument("--scenario", action="append", default=[], help="this one alone; may be repeated")
    measure.add_argument("--seed", type=int, default=secrets.randbits(31), help="of the order")
    measure.add_argument("--output", type=Path, default=_PROJECT / "build" / "bench" / "results.json")
    page = commands.add_parser("page", help="write the page and the plots of a run")
    page.add_argument("results", type=Path, nargs="?", default=_PROJECT / "build" / "bench" / "results.json")
    page.add_argument("--docs", type=Path, default=_PROJECT / "docs", help="the directory that they go to")
    return parser.parse_args()


def main() -> None:
    """Do what the command line says."""
    arguments = _arguments()
    if arguments.command == "page":
        write(Results.load(arguments.results), arguments.docs)
        return
    plan = (QUICK if arguments.quick else FULL).only(peers=arguments.peer, scenarios=arguments.scenario)
    changes = {"rounds": arguments.rounds, "window_seconds": arguments.window_seconds}
    plan = plan.but(**{name: value for name, value in changes.items() if value is not None})
    run(plan, arguments.output, seed=arguments.seed)


if __name__ == "__main__":
    main()
