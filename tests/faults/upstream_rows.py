"""How a row about the upstream is put."""

from __future__ import annotations

from .cells import Cell, Fault
from .expect import Expected
from .messages import Kind, pieces
from .steps import Await, Send, Step

__all__ = ["said_until", "upstream_cell"]


def upstream_cell(
    does: str, phase: str, kind: Kind, world: str, steps: tuple[Step, ...], expected: Expected, **more: object
) -> Cell:
    """A cell in which the upstream carries *steps* out; *more* are fields of it."""
    fault = Fault(part="upstream", does=does, phase=phase)
    return Cell(fault=fault, kind=kind, world=world, upstream=(steps,), expected=expected, **more)  # type: ignore[arg-type]


def said_until(kind: Kind, piece: str) -> tuple[Step, ...]:
    """Send everything up to *piece*, and wait until the client has what it can have of it."""
    said = pieces(kind)
    if not piece:
        return ()
    steps: tuple[Step, ...] = (Send(said.until(piece)),)
    if piece in {"first", "half", "finish"}:
        steps = (Send(said.until("first")), Await("seen"), Send(said.until(piece)[len(said.until("first")) :]))
    return steps
