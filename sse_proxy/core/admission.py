"""How many streams may be open at once, in all and for one client (``max_streams``, ``max_streams_per_client``)."""

from __future__ import annotations

from ..errors import Refused

__all__ = ["Admission"]


class Admission:
    """Counts open streams; a limit of 0 is none. Every `acquire` that returns needs one `release` with the same key."""

    def __init__(self, *, max_streams: int = 0, max_streams_per_client: int = 0) -> None:
        self._max_streams = max_streams
        self._max_streams_per_client = max_streams_per_client
        self._total = 0
        # Only clients with an open stream have an entry, so the table is as small as the number of streams.
        self._by_client: dict[str, int] = {}

    def __len__(self) -> int:
        return self._total

    def acquire(self, client: str) -> None:
        """Count one stream of *client* in.

        Raises:
            Refused: a limit is reached; nothing was counted.
        """
        mine = self._by_client.get(client, 0)
        if 0 < self._max_streams <= self._total:
            raise Refused
        if 0 < self._max_streams_per_client <= mine:
            raise Refused("too many streams at once for this client")
        self._total += 1
        self._by_client[client] = mine + 1

    def release(self, client: str) -> None:
        """Count one stream of *client* out.

        Raises:
            KeyError: *client* has none open.
        """
        if self._by_client[client] == 1:
            del self._by_client[client]
        else:
            self._by_client[client] -= 1
        self._total -= 1
