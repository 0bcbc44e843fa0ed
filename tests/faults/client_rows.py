"""How a row about the client is put."""

from __future__ import annotations

from collections.abc import Iterator

from .cells import Fault, NoCell
from .messages import Kind, pieces
from .steps import Close, Send, Step

__all__ = ["NO_HEAD", "WELL", "answers_well", "client_fault", "only"]

#: The world of clients that run into no timeout.
WELL = "patient"
NO_HEAD = "nothing has been asked yet that could be of another kind: see the stream"


def client_fault(does: str, phase: str = "") -> Fault:
    """A row."""
    return Fault(part="client", does=does, phase=phase)


def only(fault: Fault, kind: Kind, reason: str) -> Iterator[NoCell]:
    """The cells beside the one of *kind*, which make no sense."""
    for other in Kind:
        if other is not kind:
            yield NoCell(fault=fault, kind=other, reason=reason)


def answers_well(kind: Kind) -> tuple[tuple[Step, ...], ...]:
    """What an upstream does that is well."""
    return ((Send(pieces(kind).whole), Close()),)
