"""Who listens to which kept stream here, and on whose place among the streams.

A reader is a stream of its client and takes a place as any other (``max_streams``, ``max_streams_per_client``), with
two exceptions, lest somebody who comes back be refused for what is left of his own broken line:

- One reader of a stream that is generated here, and whose own client is gone, shares the place of that.
- Where there is no place left, the oldest other connection to the same stream gives up its own: a reader first, else
  the client that the stream began with. It is taken for dead, and dropped. Only callers of the stream's own get here.

Whether it is dead nobody knows: a broken line takes tokens for minutes, and behind another proxy for ever. But a reader
that was dropped and was not dead comes back. So who has taken a reader's place is firm on it for `FIRM_SECONDS`, and
twice as long each time that it is taken from there: of two live readers one is told 503, and they do not throw each
other out for as long as the stream lasts.

A full buffer or a late event loop keep no reader out: what it comes for has been paid for, and an `EventSource` gives
up for good at any status that is not 200 (WHATWG HTML § 9.2.3).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ..core.admission import Place, Refusal
from ..entrance import Entrance

__all__ = ["FIRM_SECONDS", "Producer", "Seat", "Seats"]

#: Longer than a browser waits before it comes back (3 s, 5 s), with some retries of its line.
FIRM_SECONDS = 10.0


class Producer(Protocol):
    """A response that is kept, for as long as it runs."""

    @property
    def has_client(self) -> bool:
        """Whether the client that it began with is there, as far as anybody knows."""

    def displace(self) -> bool:
        """Go on without that client; False: it cannot."""


class Seat:
    """One reader's.

    Attributes:
        place: None once it was given up.
        firm_seconds: For how long it was not to be taken, when it was.
        firm_until: The same as a moment of the clock.
    """

    __slots__ = ("displace", "firm_seconds", "firm_until", "place")

    def __init__(self, place: Place, displace: Callable[[], None]) -> None:
        self.place: Place | None = place
        self.displace = displace
        self.firm_seconds = 0.0
        self.firm_until = float("-inf")

    def follow(self, older: Seat, now: float) -> None:
        """Its place was *older*'s, until *now*."""
        self.firm_seconds = max(FIRM_SECONDS, 2 * older.firm_seconds)
        self.firm_until = now + self.firm_seconds


class _Running:
    """A stream that is generated here; *rider* shares its place."""

    __slots__ = ("place", "producer", "rider")

    def __init__(self, place: Place, producer: Producer) -> None:
        self.place = place
        self.producer = producer
        self.rider: Seat | None = None


class Seats:
    """See the module header; *clock*: monotonic seconds."""

    def __init__(self, entrance: Entrance, clock: Callable[[], float] = time.monotonic) -> None:
        self._entrance = entrance
        self._clock = clock
        self._running: dict[str, _Running] = {}
        #: By stream, in the order in which they came.
        self._readers: dict[str, dict[Seat, None]] = {}

    def runs(self, stream: str, place: Place, producer: Producer) -> None:
        """*stream* is generated here, on *place*."""
        self._running[stream] = _Running(place, producer)

    def ended(self, stream: str) -> None:
        """It is not any more; who shares its place keeps that."""
        self._running.pop(stream, None)

    def sit(self, stream: str, client: str, displace: Callable[[], None]) -> Seat:
        """The seat of a reader of *stream*, whose connection *displace* ends.

        Raises:
            Refused: there is none.
        """
        running = self._running.get(stream)
        if running is not None and not running.producer.has_client and running.rider is None:
            seat = _ride(running, displace)
        else:
            place = self._entrance.admission.place(client)
            seat = self._instead(stream, displace, place) if isinstance(place, Refusal) else Seat(place, displace)
        self._readers.setdefault(stream, {})[seat] = None
        return seat

    @contextmanager
    def taken(self, stream: str, client: str, displace: Callable[[], None]) -> Iterator[None]:
        """A seat for the block; as `sit`."""
        seat = self.sit(stream, client, displace)
        try:
            yield
        finally:
            self.leave(stream, seat)

    def leave(self, stream: str, seat: Seat) -> None:
        """The reader is gone; nothing is left to be done where its place was taken."""
        if seat.place is None:
            return
        self._forget(stream, seat)
        self._entrance.leave(seat.place)
        running = self._running.get(stream)
        if running is not None and running.rider is seat:
            running.rider = None

    def _instead(self, stream: str, displace: Callable[[], None], reason: Refusal) -> Seat:
        """A seat on the place of another connection to *stream*."""
        running, now = self._running.get(stream), self._clock()
        older = next((seat for seat in self._readers.get(stream, ()) if seat.firm_until <= now), None)
        if older is not None and older.place is not None:
            seat = Seat(older.place, displace)
            seat.follow(older, now)
            self._forget(stream, older)
            if running is not None and running.rider is older:
                running.rider = seat
            older.place = None
            older.displace()
            return seat
        if running is not None and running.rider is None and running.producer.displace():
            return _ride(running, displace)
        raise self._entrance.told(reason)

    def _forget(self, stream: str, seat: Seat) -> None:
        readers = self._readers[stream]
        del readers[seat]
        if not readers:
            del self._readers[stream]


def _ride(running: _Running, displace: Callable[[], None]) -> Seat:
    running.place.users += 1
    running.rider = Seat(running.place, displace)
    return running.rider
