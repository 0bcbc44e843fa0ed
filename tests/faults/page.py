"""Writes ``docs/reliability.md`` from a run; and reads from it which rows it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from .cells import PARTS, Cell, Fault, NoCell
from .messages import Kind
from .peers import PeerFacts
from .prose import PARTS_PROSE, prose
from .reasons import FAMILIES, REASONS
from .run import Run
from .words import SILENT, client_words, counted_words, peer_words, upstream_words

__all__ = ["Measured", "keys_in", "keys_of", "render"]

#: Part, what it does, when, in which exchange.
Key = tuple[str, str, str, str]

#: Parts that other proxies have as well.
_COMPARED = ("upstream", "client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All that the page tells."""

    run: Run
    #: Title and version of each peer → what it did.
    peers: Mapping[str, Mapping[str, PeerFacts]]
    day: str


def keys_of(cells: Iterable[Cell | NoCell]) -> set[Key]:
    """Of these rows."""
    return {(cell.fault.part, cell.fault.does, cell.fault.phase, str(cell.kind)) for cell in cells}


def keys_in(page: str) -> set[Key]:
    """Of the rows that *page* has."""
    keys: set[Key] = set()
    part = ""
    for line in page.splitlines():
        if line.startswith("## "):
            part = line[3:].removeprefix("The ")
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) > 3 and cells[2].split(", ")[0] in set(Kind):
            keys |= {(part, cells[0], cells[1], kind) for kind in cells[2].split(", ")}
    return keys


def render(cells: Sequence[Cell | NoCell], measured: Measured) -> str:
    """The page."""
    parts = [prose(tallies(cells, measured), measured.day)]
    for part in PARTS:
        name = f"The {part}" if part.islower() else part
        parts += [f"## {name}\n\n{PARTS_PROSE[part]}\n", "\n".join(_table(part, cells, measured)) + "\n"]
        parts.append(_absent(part))
    return "\n".join(parts)


def tallies(cells: Sequence[Cell | NoCell], measured: Measured) -> dict[str, int]:
    """Counts for the prose; among them, of each proxy, the faults that it passed off as whole answers to streams."""
    played = [cell for cell in cells if isinstance(cell, Cell) and cell.name in measured.run.facts]
    compared = [cell for cell in played if cell.fault.part in _COMPARED and cell.kind is Kind.STREAM]
    silent = {"sse-proxy": sum(SILENT in client_words(cell, measured.run.facts[cell.name].got) for cell in compared)}
    for title, facts in measured.peers.items():
        silent[title] = sum(SILENT in client_words(cell, facts[cell.name].got) for cell in compared)
    return {"cells": len(played), "rows": len({cell.fault for cell in cells}), "compared": len(compared), **silent}


def _table(part: str, cells: Sequence[Cell | NoCell], measured: Measured) -> Iterator[str]:
    titles = list(measured.peers) if part in _COMPARED else []
    heads = [part.removeprefix("the "), "when", "exchange", "client gets", "upstream sees", "counted", *titles]
    yield _row(heads)
    yield _row(["---"] * len(heads))
    mine = [cell for cell in cells if cell.fault.part == part]
    for fault, group in _by_fault(mine):
        shown = [(cell, _shown(cell, measured, titles)) for cell in group]
        for _, same in groupby(sorted(shown, key=lambda pair: pair[1]), key=lambda pair: pair[1]):
            alike = list(same)
            kinds = [kind for kind in Kind if any(cell.kind is kind for cell, _ in alike)]
            yield _row([fault.does, fault.phase, ", ".join(kinds), *alike[0][1]])


def _by_fault(cells: Sequence[Cell | NoCell]) -> Iterator[tuple[Fault, list[Cell | NoCell]]]:
    """In the order of the table, and by what the part does."""
    order = {does: number for number, does in enumerate(dict.fromkeys(cell.fault.does for cell in cells))}
    phases = {fault: number for number, fault in enumerate(dict.fromkeys(cell.fault for cell in cells))}
    for fault in sorted(phases, key=lambda fault: (order[fault.does], phases[fault])):
        yield fault, [cell for cell in cells if cell.fault == fault]


def _shown(cell: Cell | NoCell, measured: Measured, titles: Sequence[str]) -> tuple[str, ...]:
    if isinstance(cell, NoCell):
        return (f"– ({cell.reason})", *[""] * (2 + len(titles)))
    facts = measured.run.facts.get(cell.name)
    if facts is None:
        return ("not played: needs root", *[""] * (2 + len(titles)))
    wrong = " (**not as the rules say**)" if measured.run.wrong(cell) else ""
    return (
        client_words(cell, facts.got) + wrong,
        upstream_words(cell, facts.seen.requests, was_left=facts.seen.was_left),
        counted_words(facts, cell),
        *(peer_words(cell, measured.peers[title][cell.name]) for title in titles),
    )


def _absent(part: str) -> str:
    """What of the list of faults this part has not."""
    lines = [f"- {family}: {REASONS[part, family]}." for family in FAMILIES if (part, family) in REASONS]
    return "Not in the table:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _row(cells: Sequence[str]) -> str:
    return re.sub(r" +\|", " |", f"| {' | '.join(cells)} |")
