"""The form of the table: faults are rows, kinds of exchange are columns, and no cell is blank."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .expect import Expected
from .messages import Kind
from .relay import Manner
from .steps import Step

__all__ = ["PARTS", "Cell", "Fault", "NoCell"]

#: What can fail, in the order of the page.
PARTS = ("upstream", "client", "network", "store", "DNS", "TLS", "process")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row."""

    part: str
    #: A sentence without its subject, which is the part.
    does: str
    #: When; empty where there is only one moment.
    phase: str = ""

    def __str__(self) -> str:
        return f"{self.part} {self.does}{f', {self.phase}' if self.phase else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCell:
    """A cell that makes no sense."""

    fault: Fault
    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault in one exchange."""

    fault: Fault
    kind: Kind
    #: Which proxy it is put to: a name of `worlds`.
    world: str
    expected: Expected
    #: What the upstream does with the first request, the second, …; the last one goes for all others.
    upstream: tuple[tuple[Step, ...], ...] = field(default=(), repr=False)  # megabytes, some of them
    #: What the client does; empty: it sends its request and reads the answer.
    client: tuple[Step, ...] = field(default=(), repr=False)
    #: How much of the request's body the upstream reads; None: all.
    reads: int | None = None
    #: SO_RCVBUF of the client; 0: the system's.
    receive_buffer_bytes: int = 0
    #: Of the relay in between, where the world has one.
    manner: Manner = field(default_factory=Manner)
    #: The client is a process of its own, which gets this signal when it has the beginning of the answer.
    client_signal: str = ""

    @property
    def name(self) -> str:
        """In words that can stand in a path."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.fault} {self.kind}".lower()).strip("-")
