"""Where the proxy can do no better, and why: the only cells that may fall short."""

from __future__ import annotations

from dataclasses import dataclass

from .clients import Client
from .columns import Column

__all__ = ["LIMITS", "Limit", "limit_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Some columns of some clients."""

    #: Paths of the APIs that the clients are served by.
    paths: frozenset[str]
    #: Their headings.
    columns: frozenset[str]
    reason: str


_GET = frozenset({"/chat/stream"})

LIMITS = (
    Limit(
        paths=_GET,
        columns=frozenset({"no event"}),
        reason=(
            "The answer to a GET may be any event stream, which is silent by design: only its first event tells that "
            "it is an LLM's. A bridge knows before."
        ),
    ),
    Limit(
        paths=_GET,
        columns=frozenset({"empty data"}),
        reason=(
            "Until an event has told what the answer to a GET is, its empty events are passed on: they may mean "
            "something to its client. A bridge knows before."
        ),
    ),
)


def limit_of(client: Client, column: Column) -> Limit | None:
    """The one that a cell is under, if any."""
    return next((limit for limit in LIMITS if client.path in limit.paths and column.name in limit.columns), None)
