"""What a view of a stream is: an output of ``sse-proxy tail``.

A view turns what happens into lines; each line is a list of pieces with a style, in the names that `click.style` has
for colours and attributes. It writes nothing itself.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .marks import Head, Mark
from .tally import Summary

__all__ = ["Line", "Piece", "View"]


class Piece(NamedTuple):
    """A piece of a line; *style*: names of colours and attributes, none for plain."""

    text: str
    style: tuple[str, ...] = ()


Line = list[Piece]


class View(Protocol):
    """One output."""

    def head(self, head: Head, request: str) -> list[Line]:
        """The response has begun, to what *request* says in words."""

    def chunk(self, chunk: bytes, t: float, gap: float) -> list[Line]:
        """Bytes came."""

    def mark(self, mark: Mark) -> list[Line]:
        """They completed a mark."""

    def end(self, summary: Summary, body: bytes) -> list[Line]:
        """The stream has ended; *body* is what came of one that is none, as far as it was read."""
