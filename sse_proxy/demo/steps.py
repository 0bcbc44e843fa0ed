"""What the mock can do to a connection, one step after the other.

A sequence of steps that ends without `Abort` ends the HTTP body cleanly; a silence for ever is ``Wait(math.inf)``.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Abort", "Headers", "Start", "Step", "Wait", "Write"]

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Start:
    """The status line and headers."""

    status: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Wait:
    """So many seconds of silence."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Write:
    """One piece of the body; *events* are complete with it."""

    data: bytes
    events: int = 0


@dataclass(frozen=True, slots=True)
class Abort:
    """The connection breaks here, the body unfinished."""


Step = Start | Wait | Write | Abort
