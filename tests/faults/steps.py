"""What one end of a connection does, step by step: the words of the table. Both ends use the same ones (`ends`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .messages import Kind

__all__ = [
    "Ask", "Await", "Close", "Cut", "Deaf", "Do", "Flood", "HalfClose", "Hang", "Keep", "Read", "Reset", "Send",
    "Step", "Trickle",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Send:
    """Send *data*."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ask:
    """Send the request of the cell, with *fields* in its head."""

    kind: Kind
    fields: bytes = b""


@dataclass(frozen=True, slots=True)
class Trickle:
    """Send *data* one byte a second."""

    data: bytes
    pause_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Flood:
    """Send *data* again and again until the other end leaves, *pause_seconds* apart; no more than *times*."""

    data: bytes
    pause_seconds: float = 0.0
    times: int = 100_000


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for a moment at the other side of the proxy: a field of `Stage`."""

    moment: Literal["arrived", "interim", "head", "seen"]


@dataclass(frozen=True, slots=True)
class Read:
    """Wait until *answers* are complete, or the other end has left."""

    answers: int = 1


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing more; wait until the other end leaves."""


@dataclass(frozen=True, slots=True)
class Deaf:
    """Read nothing more, and wait until the kernel says that the connection is gone, or the other side was left."""


@dataclass(frozen=True, slots=True)
class Do:
    """Have the world do something: *action* is a name that it knows."""

    action: str


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the TCP connection under TLS, without TLS's own goodbye (close_notify)."""


@dataclass(frozen=True, slots=True)
class Keep:
    """The exchange is over, and the connection may serve another; the last step."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection in good order."""


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Tell the other end that nothing more comes, and wait until it leaves too."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection."""


Step = Ask | Send | Trickle | Flood | Await | Do | Read | Hang | Deaf | Keep | Close | Cut | HalfClose | Reset
