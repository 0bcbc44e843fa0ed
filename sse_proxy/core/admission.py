"""Who is let in, and why not: limits of open streams, full buffers, and an event loop that cannot keep up.

``max_streams`` and ``max_streams_per_client`` count places. ``max_buffer_bytes`` and the loop's lag say how the process
is; both leave the streams alone that run already, for what they have cost is spent, and who is refused here is told so
before the upstream has had anything.
"""

from __future__ import annotations

from enum import StrEnum

from ..settings import Settings
from .lag import LagGuard
from .ledger import Ledger

__all__ = ["MESSAGES", "Admission", "Place", "Refusal"]


class Refusal(StrEnum):
    """Why a stream was refused, or the last a connection; the label values of ``sse_proxy_refusals_total``."""

    MAX_STREAMS = "max_streams"
    MAX_STREAMS_PER_CLIENT = "max_streams_per_client"
    MAX_BUFFER_BYTES = "max_buffer_bytes"
    EVENT_LOOP_LAG = "event_loop_lag"
    OPEN_FILES = "open_files"


#: What the client is told.
MESSAGES = {
    Refusal.MAX_STREAMS: "the proxy is at its limit of streams",
    Refusal.MAX_STREAMS_PER_CLIENT: "too many streams at once for this client",
    Refusal.MAX_BUFFER_BYTES: "the proxy has no memory left for more requests",
    Refusal.EVENT_LOOP_LAG: "the proxy is too busy for more streams",
    Refusal.OPEN_FILES: "the proxy is at its limit of connections",
}


class Place:
    """One place among the streams of *client*; free again once everybody who shares it has left.

    A stream that is kept and whoever comes back to it share one, for the upstream has but one of them to serve.

    Attributes:
        client: Whose it is.
        users: How many share it.
    """

    __slots__ = ("client", "users")

    def __init__(self, client: str) -> None:
        self.client = client
        self.users = 1


class Admission:
    """Counts places; a limit of 0 is none. Every `Place` needs one `leave` for each user.

    *ledger*, *lag*: of the process; None for what has no such thing.
    """

    def __init__(
        self,
        *,
        max_streams: int = 0,
        max_streams_per_client: int = 0,
        ledger: Ledger | None = None,
        lag: LagGuard | None = None,
    ) -> None:
        self._max_streams = max_streams
        self._max_streams_per_client = max_streams_per_client
        self._ledger = Ledger() if ledger is None else ledger
        self._lag = LagGuard() if lag is None else lag
        self._total = 0
        # Only clients with an open stream have an entry, so the table is as small as the number of streams.
        self._by_client: dict[str, int] = {}

    @classmethod
    def of(cls, settings: Settings, ledger: Ledger, lag: LagGuard | None = None) -> Admission:
        """What *settings* ask for."""
        return cls(
            max_streams=settings.max_streams,
            max_streams_per_client=settings.max_streams_per_client,
            ledger=ledger,
            lag=lag,
        )

    def __len__(self) -> int:
        return self._total

    @property
    def has_room(self) -> bool:
        """Whether a request may be read that needs a buffer."""
        return not self._ledger.full

    def new(self, client: str) -> Place | Refusal:
        """A place for a new stream of *client*, or why there is none."""
        if self._ledger.full:
            return Refusal.MAX_BUFFER_BYTES
        if self._lag.refuses:
            return Refusal.EVENT_LOOP_LAG
        return self.place(client)

    def place(self, client: str) -> Place | Refusal:
        """A place for *client* as far as there are any, however busy the process is."""
        mine = self._by_client.get(client, 0)
        if 0 < self._max_streams <= self._total:
            return Refusal.MAX_STREAMS
        if 0 < self._max_streams_per_client <= mine:
            return Refusal.MAX_STREAMS_PER_CLIENT
        self._total += 1
        self._by_client[client] = mine + 1
        return Place(client)

    def leave(self, place: Place) -> None:
        """One user of *place* is gone.

        Raises:
            KeyError: all were gone before.
        """
        if place.users < 1:
            raise KeyError(place.client)
        place.users -= 1
        if place.users:
            return
        self._total -= 1
        if self._by_client[place.client] == 1:
            del self._by_client[place.client]
        else:
            self._by_client[place.client] -= 1
