"""What applies to every stream of one process: for how long keys live, and how much there may be."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.ledger import Ledger
from ..base import Stats

__all__ = ["Terms"]

#: The least that a running stream's keys outlive the last renewal, so that a short outage does not end a stream.
_LEAST_RUNNING_MILLISECONDS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """See the module header.

    Attributes:
        ttl_seconds: For which a stream is kept after its end.
        stream_bytes: Of one stream, in the store.
        total_bytes: Of all streams together that wait in this process to be written.
        stats: Where all of them count.
        ledger: Where they count among all that this process holds.
    """

    ttl_seconds: float
    stream_bytes: int
    total_bytes: int
    stats: Stats
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def kept_milliseconds(self) -> int:
        """For which the keys live from the end on."""
        return max(1, round(self.ttl_seconds * 1000))

    @property
    def running_milliseconds(self) -> int:
        """For which they live from the last renewal on."""
        return max(self.kept_milliseconds, _LEAST_RUNNING_MILLISECONDS)

    @property
    def renewal_seconds(self) -> float:
        """How often a running stream is renewed."""
        return self.running_milliseconds / 3000
