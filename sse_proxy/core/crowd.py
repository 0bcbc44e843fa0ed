"""How many of a kind of request run at a time, in all and of one client: for what costs us and nobody else."""

from __future__ import annotations

from collections import Counter

__all__ = ["Crowd"]


class Crowd:
    """Those that run now.

    Args:
        at_most: At a time, in all.
        per_client: At a time, of one client.
    """

    def __init__(self, *, at_most: int, per_client: int) -> None:
        self._at_most = at_most
        self._per_client = per_client
        # Only clients with something running have an entry, so the table is as small as the crowd.
        self._running: Counter[str] = Counter()

    def has_room(self, client: str) -> bool:
        """Whether one more may run for *client*."""
        return self._running.total() < self._at_most and self._running[client] < self._per_client

    def join(self, client: str) -> None:
        """One more runs for *client*, until it is told to `leave`."""
        self._running[client] += 1

    def leave(self, client: str) -> None:
        """One of *client* is over.

        Raises:
            KeyError: none was running.
        """
        if self._running[client] < 1:
            raise KeyError(client)
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
