"""What is known of a hop: how it is recognised, when it cuts streams by default, and its knobs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Cut", "Headers", "Hop", "Kind"]

Headers = Iterable[tuple[str, str]]


class Kind(StrEnum):
    """What a hop's limit is on."""

    #: Time without a byte: heartbeats help.
    IDLE = "idle"
    #: Time to the first byte: an early head and heartbeats help.
    FIRST_BYTE = "first byte"
    #: The whole response: nothing sent helps.
    TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Cut:
    """One limit, as it is by default."""

    kind: Kind
    seconds: float
    knob: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One product."""

    name: str
    #: Header (lower case) of a response and what its value holds, any one of which tells it.
    signs: tuple[tuple[str, str], ...] = ()
    cuts: tuple[Cut, ...] = ()
    #: By id of a finding, what to change here.
    knobs: Mapping[str, str] = field(default_factory=dict)

    def answers(self, headers: Headers) -> bool:
        """Whether a response with these *headers* came through it."""
        pairs = list(headers)
        return any(
            key == name and re.search(pattern, value, re.IGNORECASE)
            for name, pattern in self.signs
            for key, value in pairs
        )
