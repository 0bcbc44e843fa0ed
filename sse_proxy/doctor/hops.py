"""Whose fault it may be: hops by their fingerprints, and by the second at which a stream was cut.

A time alone only suggests who it was, and a fingerprint alone only says that the hop is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .hop import Cut, Headers, Hop, Kind
from .hop_table import HOPS

__all__ = ["SEEMS", "blamed", "cutters", "is_nginx", "recognised", "seeming"]

#: Behind the name of a hop of which one cannot be sure.
SEEMS = " (it seems)"


def recognised(headers: Headers) -> list[Hop]:
    """The hops that the *headers* of a response tell of (names in lower case), from the outermost inwards if possible.

    ``Server`` tells of the outermost, since each hop that sets it replaces it; the others are in the table's order.
    """
    pairs = list(headers)
    outermost = [pair for pair in pairs if pair[0] == "server"]
    return sorted((hop for hop in HOPS if hop.answers(pairs)), key=lambda hop: not hop.answers(outermost))


def seeming(name: str) -> Hop:
    """The hop of that *name*, for who is known by what only it does, of all in the table, and not by a header."""
    hop = next(hop for hop in HOPS if hop.name == name)
    return replace(hop, name=name + SEEMS)


def is_nginx(hop: Hop) -> bool:
    """Whether *hop* is an nginx, known or seeming."""
    return hop.name.startswith("nginx")


def blamed(finding: str, hops: Iterable[Hop]) -> tuple[str, str]:
    """Name and knob of the first of *hops* that is known to do what the *finding* is about; empty when none is."""
    return next(((hop.name, hop.knobs[finding]) for hop in hops if finding in hop.knobs), ("", ""))


def cutters(seconds: float, kinds: frozenset[Kind], hops: Iterable[Hop]) -> list[tuple[Hop, Cut]]:
    """Which limits of these *kinds* end a stream after so many *seconds*: those of *hops* that are known to be there.

    Where there is none, those of all products that cannot be recognised, or have not been.
    """
    matching = [(hop, cut) for hop in HOPS for cut in hop.cuts if cut.kind in kinds and _is_near(seconds, cut.seconds)]
    present = list(hops)
    return [pair for pair in matching if pair[0] in present] or matching


def _is_near(seen: float, limit: float) -> bool:
    # Timers of hops are coarse, and what was measured has the way here in it.
    return limit - 0.5 <= seen <= limit + max(1.5, limit * 0.05)
