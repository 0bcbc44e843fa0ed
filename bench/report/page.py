"""``docs/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap

from ..peers import TITLES
from ..results import Results
from .goals import goals
from .numbers import Table
from .tables import ALL
from .words import INTRODUCTION, METHOD, SECTIONS

__all__ = ["page"]

_WIDTH = 118


def page(results: Results) -> str:
    """The whole page in Markdown."""
    return "\n".join([*_head(results), *_sections(results), *_method(results)]) + "\n"


def _head(results: Results) -> Iterable[str]:
    found = [goal for goal in goals(results) if goal.measured]
    reached = sum(goal.verdict == "reached" for goal in found)
    yield from ("# Benchmarks", "", INTRODUCTION)
    if results.plan["name"] != "full":
        yield from ("**A quick run: some servers and some situations are left out.**", "")
    rounds = results.plan["rounds"]
    yield f"{results.date}; {reached} of {len(found)} goals reached. Medians of {rounds} interleaved rounds,"
    yield from ("with the least and the most in brackets.", "")


def _sections(results: Results) -> Iterable[str]:
    for section in SECTIONS:
        made = [list(ALL[name](results)) for name in section.tables]
        if not any(made):
            continue
        yield from (f"## {section.title}", "", *wrap(section.words, _WIDTH), "")
        for table in made:
            yield from (*table, "") if table else ()
        if section.plot:
            yield from (f"![{section.title}](benchmarks/{section.plot}.png)", "")


def _method(results: Results) -> Iterable[str]:
    yield from ("## How it was measured", "", METHOD, *ALL["costs"](results), "")
    machine = Table("machine", "")
    for name, words in results.machine.items():
        machine.row(name, words)
    yield from (*machine.lines(), "")
    servers = Table("server", "version")
    for name, version in results.versions.items():
        servers.row(TITLES.get(name, name), version)
    yield from servers.lines()
    yield from _gaps(results)


def _gaps(results: Results) -> Iterable[str]:
    """What is not in the tables, and why."""
    if results.absent:
        yield from ("", "Not measured at all:", "")
        yield from (f"- {TITLES.get(name, name)}: {reason}" for name, reason in results.absent.items())
    if faults := results.faults():
        yield from ("", "Cases that failed, and are not in the figures:", "")
        for record in faults:
            reason = " ".join((record.fault or "").split())[:200]
            yield f"- round {record.round}, {record.case.told}: {reason}"
