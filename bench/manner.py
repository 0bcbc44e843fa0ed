"""How the fake upstream's streams are, and what it writes when they are firehoses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .events import Form, block

__all__ = ["Manner", "writes"]

#: Different writes of a firehose.
_VARIETY = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How streams are."""

    #: Tokens a second on each.
    rate: float = 20.0
    prefill_seconds: float = 0.0
    crlf: bool = False
    #: Instead of *rate*: writes of so many tokens, as fast as they are taken; 0 for none.
    burst: int = 0
    #: The tokens of one write are in one chunk.
    together: bool = False


@cache
def writes(form: Form, manner: Manner) -> tuple[bytes, ...]:
    """What a firehose of *form* writes, in turn; made once."""
    starts = range(0, _VARIETY * manner.burst, manner.burst)
    return tuple(block(form, manner.burst, together=manner.together, first=start) for start in starts)
