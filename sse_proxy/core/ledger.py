"""How many bytes the process holds in buffers, all together (``max_buffer_bytes``): one number, O(1) to keep.

Every buffer that can grow has an `Account`, which says how much it holds now; the `Ledger` is the sum. Nobody is
counted an event: what goes straight through is never held, and a client that keeps up has nothing in a buffer.

Above the limit nothing is thrown away. New requests are refused (`admission`), whoever can make the other side wait
does so as soon as it holds anything, and only what grows where no waiting helps, one event that does not end, has to
give up, and then only if it is no small one (`Account.must_stop`): an event cut in two by the network is everybody's.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["SMALL_BYTES", "Account", "Ledger", "Measured"]

#: What each buffer may hold above the limit too. Nearly all events are smaller, and a stream that could not hold half
#: of one could not go on at all.
SMALL_BYTES = 65_536


class Measured(Protocol):
    """A buffer that empties without telling anybody."""

    def measure(self) -> None:
        """Bring its account up to date."""


class Ledger:
    """The sum; *limit_bytes* 0 is no limit.

    Attributes:
        limit_bytes: As the argument; whoever knows the settings may set it later.
        bytes: Held now.
        measured: Who is asked by `measure`; they come and go by themselves.
    """

    __slots__ = ("bytes", "limit_bytes", "measured")

    def __init__(self, limit_bytes: int = 0) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self.measured: set[Measured] = set()

    @property
    def full(self) -> bool:
        """Whether more is held than may be."""
        return 0 < self.limit_bytes < self.bytes

    def measure(self) -> None:
        """Bring up to date what empties without telling; for now and then, since it looks at each."""
        for buffer in tuple(self.measured):
            buffer.measure()


class Account:
    """What one buffer holds of *ledger*; whoever has the buffer closes it.

    Attributes:
        bytes: Held now.
    """

    __slots__ = ("_ledger", "bytes")

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = Ledger() if ledger is None else ledger
        self.bytes = 0

    @property
    def ledger_is_full(self) -> bool:
        """Whether all buffers together hold more than they may: whoever can wait should."""
        return self._ledger.full

    @property
    def must_stop(self) -> bool:
        """Whether this buffer may not grow any more; for those that cannot make the other side wait."""
        return self.bytes > SMALL_BYTES and self._ledger.full

    def add(self, size: int) -> None:
        """It holds *size* more; negative: less."""
        self.bytes += size
        self._ledger.bytes += size

    def set(self, size: int) -> None:
        """It holds *size*."""
        self._ledger.bytes += size - self.bytes
        self.bytes = size

    def close(self) -> None:
        """It holds nothing any more. Idempotent."""
        self.set(0)
