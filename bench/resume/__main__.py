"""``python -m bench.resume cost | roam | finished`` measures and prints; ``page`` writes what the three have found."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import cost, finished, roam
from .faults import FAULTS
from .page import keep, page
from .places import places

_PROJECT = Path(__file__).resolve().parent.parent.parent


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.resume", description=__doc__)
    parser.add_argument(
        "--sections", type=Path, default=_PROJECT / "build" / "bench" / "resume", help="where they are kept"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    costs = commands.add_parser("cost", help="CPU an event and memory a stream")
    costs.add_argument("--rounds", type=int, default=3)
    costs.add_argument("--seconds", type=float, default=6.0, help="of one measurement")
    costs.add_argument("--against", help="a checkout of the version before, to compare with")
    roams = commands.add_parser("roam", help="clients that change replicas, under each fault")
    roams.add_argument("--seed", type=int, default=1)
    roams.add_argument("--clients", type=int, default=200)
    roams.add_argument("--fault", action="append", choices=[fault.name for fault in FAULTS], help="this one alone")
    remains = commands.add_parser("finished", help="what ten thousand streams leave")
    remains.add_argument("--streams", type=int, default=10_000)
    remains.add_argument("--ttl-seconds", type=float, default=30.0)
    pages = commands.add_parser("page", help="write the page")
    pages.add_argument("--output", type=Path, default=_PROJECT / "docs" / "resume-measurements.md")
    return parser.parse_args()


def _measured(arguments: argparse.Namespace) -> str:
    match arguments.command:
        case "cost":
            return cost.cost(
                cost.Plan(rounds=arguments.rounds, window_seconds=arguments.seconds, against=arguments.against)
            )
        case "roam":
            wanted = arguments.fault or [fault.name for fault in FAULTS]
            chosen = [fault for fault in FAULTS if fault.name in wanted]
            return roam.roam(roam.Plan(seed=arguments.seed, clients=arguments.clients), chosen)
        case _:
            return finished.finished(finished.Plan(streams=arguments.streams, ttl_seconds=arguments.ttl_seconds))


def main() -> None:
    """Do what the command line says."""
    arguments = _arguments()
    if arguments.command == "page":
        arguments.output.write_text(page(arguments.sections))
        return
    section = _measured(arguments)
    keep(arguments.sections, arguments.command, section, places())
    print(section)


if __name__ == "__main__":
    main()
