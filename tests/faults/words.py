"""What came of a cell, in the few words that the page has room for. Pure."""

from __future__ import annotations

from .cells import Cell
from .client import Got
from .driver import Facts
from .messages import Kind
from .peers import PeerFacts

__all__ = ["LEGEND", "SILENT", "client_words", "counted_words", "peer_words", "upstream_words"]

#: What no proxy should give: an answer that lacks something, and looks like a whole one.
SILENT = "**cut, and looks whole**"

LEGEND = {
    "whole": "everything that the upstream had to say, and the end of it",
    "502 `upstream_error`": "an error in place of the answer: status and `code`",
    "200, then `idle_timeout`": "what came before, then the API's own error with that `code` and a clean end",
    "200, cut": "what came before, and then a broken connection or body, which every client notices",
    SILENT: "what came before, and then an end as if that were all",
    "no answer": "the connection ended without a word",
    "left alone": "nothing more, and no end either, for as long as was waited",
}


def client_words(cell: Cell, got: Got) -> str:
    """What the client was given."""
    before = "whole, then " if len(got.statuses) > 1 and got.statuses[:-1] == (200,) * (len(got.statuses) - 1) else ""
    if got.statuses[:1] != (200,) and len(got.statuses) > 1:
        before = f"{got.statuses[0]}, then "
    if cell.client_signal:
        return "(it is gone)"
    if got.ending == "open":
        return "200, then left alone" if got.statuses else "left alone"
    if not got.statuses:
        return "no answer"
    return before + _last(cell, got)


def _last(cell: Cell, got: Got) -> str:
    status = got.statuses[-1]
    if got.ending == "cut":
        return f"{status}, cut"
    if status != 200:
        return f"{status} `{got.code}`" if got.code else f"{status}"
    if got.code:
        return f"200, then `{got.code}`"
    if _lacks(cell, got):
        return SILENT
    return "whole"


def _lacks(cell: Cell, got: Got) -> bool:
    if cell.kind is Kind.STREAM:
        return not (got.is_complete and got.tokens >= 2)
    # Of a document with noise behind it nothing is missing.
    return got.tokens < 2


def upstream_words(cell: Cell, requests: int, *, was_left: bool) -> str:
    """What the upstream saw."""
    if cell.expected.requests is None and cell.world.startswith("upstream-"):
        return "(another process)"
    if not requests:
        return "nothing"
    count = "1 request" if requests == 1 else f"{requests} requests"
    return f"{count}, then left" if was_left and cell.expected.cancels else count


def counted_words(facts: Facts, cell: Cell) -> str:
    """Where it was counted."""
    if cell.world.startswith("proxy-killed"):
        return "(lost with the process)"
    outcomes = ", ".join(f"`{outcome}`" for outcome in facts.outcomes)
    codes = ", ".join(map(str, cell.expected.counted))
    return "; ".join(filter(None, (outcomes, codes))) or "no request"


def peer_words(cell: Cell, facts: PeerFacts) -> str:
    """What another proxy gave the client, and what of it the upstream felt that ours would have told it."""
    words = client_words(cell, facts.got)
    expected = cell.expected
    if expected.cancels and facts.seen.requests and not facts.seen.was_left:
        words += "; upstream kept"
    if expected.requests is not None and facts.seen.requests > max(expected.requests, 1):
        words += f"; **sent {facts.seen.requests} times**"
    return words
