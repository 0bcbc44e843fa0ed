"""``python -m bench.soak soak | storm | kill`` runs, and exits 1 if anything is wrong; ``page`` writes the page."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from . import found, kill, soak, storm
from .page import keep, of_kill, of_soak, of_storm, write

_PROJECT = Path(__file__).resolve().parent.parent.parent


_SOAK, _STORM, _KILL = found.Plan(), storm.Plan(), kill.Plan()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument(
        "--results", type=Path, default=_PROJECT / "build" / "bench" / "soak", help="where they are kept"
    )
    parser.add_argument("--seed", type=int, default=1)
    commands = parser.add_subparsers(dest="command", required=True)
    soaks = commands.add_parser("soak", help="mixed load and faults, in memory and on Redis")
    soaks.add_argument("--hours", type=float, default=0.0)
    soaks.add_argument("--seconds", type=float, default=0.0, help="more of them; an hour where neither is given")
    soaks.add_argument("--load", type=int, default=_SOAK.load, help="clients at work at any time")
    storms = commands.add_parser("storm", help="thousands of streams, 1 %% of them hit in every second")
    storms.add_argument("--streams", type=int, default=_STORM.streams)
    storms.add_argument("--seconds", type=float, default=_STORM.seconds)
    kills = commands.add_parser("kill", help="SIGKILL under load")
    kills.add_argument("--readers", type=int, default=_KILL.readers)
    pages = commands.add_parser("page", help="write the page")
    pages.add_argument("--output", type=Path, default=_PROJECT / "docs" / "soak.md")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> tuple[str, dict[str, object]]:
    match arguments.command:
        case "soak":
            seconds = arguments.hours * 3600 + arguments.seconds or _SOAK.seconds
            return of_soak(soak.soak(found.Plan(seconds=seconds, seed=arguments.seed, load=arguments.load)))
        case "storm":
            plan = storm.Plan(streams=arguments.streams, seconds=arguments.seconds, seed=arguments.seed)
            return of_storm(storm.storm(plan))
        case _:
            killing = kill.Plan(readers=arguments.readers, seed=arguments.seed)
            return of_kill(killing, kill.kill(killing))


def main() -> None:
    """Do what the command line says."""
    arguments = _arguments()
    if arguments.command == "page":
        print(f"{arguments.output}: {', '.join(write(arguments.results, arguments.output)) or 'nothing to write'}")
        return
    # Else the processes that were started would outlive this one.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    section, figures = _run(arguments)
    keep(arguments.results, arguments.command, section, figures)
    print(section)
    if "**missed**" in section:
        sys.exit(1)


if __name__ == "__main__":
    main()
