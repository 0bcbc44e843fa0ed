"""What a reader's client is due: heartbeats while its stream is silent, and an end if it does not read."""

from __future__ import annotations

from collections.abc import Callable

from ..core.clients import Variant
from ..core.cursor import Cursor
from ..core.headers import HeaderList
from ..core.heartbeat import heartbeat
from ..core.pacing import Action, Pacer
from ..streaming.client import Client
from ..streaming.timer import PacerTimer
from .heads import Pace, Spoken

__all__ = ["ReaderPulse"]


class ReaderPulse(PacerTimer):
    """See the module header.

    Args:
        client, pacer: Of the response.
        pace: Of the route that the reader has come by.
        variant: How the client differs from others.
        cursor, location: Where the response goes on from, and where it can be had again.
        on_stall: Called when the client has read nothing for too long.

    Attributes:
        spoken: How the client is spoken to; until that is known, as no API in particular.
        beats: Heartbeats so far, by mode.
    """

    def __init__(
        self,
        client: Client,
        pacer: Pacer,
        pace: Pace,
        variant: Variant,
        *,
        cursor: Cursor,
        location: str,
        on_stall: Callable[[], None],
    ) -> None:
        super().__init__(pacer)
        self._client = client
        self._mode, self._variant = pace.heartbeat_mode, variant
        self._cursor, self._location, self._on_stall = cursor, location, on_stall
        self.spoken = Spoken.of(None)
        self.beats: dict[str, int] = {}

    def head(self) -> tuple[int, HeaderList]:
        """Status and headers of the response, by what is known."""
        return self.spoken.status, self.spoken.headers_from(self._cursor, self._location)

    def speak(self, spoken: Spoken) -> None:
        """It is known how the client is spoken to; from now on at the pace of the stream's own route."""
        self.spoken = spoken
        spoken.state.wants_named_errors = self._variant.wants_named_errors
        if spoken.pace is not None:
            self._mode = spoken.pace.heartbeat_mode
            self._pacer.limit(spoken.pace.limits(0.0))
            self.arm()

    def release(self) -> None:
        """The response is over: nobody is called any more, nor kept alive until a garbage collector comes."""
        self.stop()
        self._on_stall = _nothing

    def tick(self) -> None:
        """Do what the pacer says is due."""
        if self._client.finished:
            return
        action = self._pacer.due(self._loop.time())
        if action is Action.CLIENT_STALLED:
            self._on_stall()
            return
        if action is Action.COMMIT:
            self._client.background(self._commit(), then=self.arm)
        elif action is not None:
            self._client.background(self._beat(data_due=action is Action.DATA_HEARTBEAT), then=self.arm)
        self.arm()

    async def _commit(self) -> None:
        """Promise a stream to a client that has waited long enough for its producer to begin."""
        await self._client.start(*self.head())
        if self._mode != "off":
            await self._beat(data_due=False)

    async def _beat(self, *, data_due: bool) -> None:
        # Every voice that is recorded is of an event stream, and each of those has a comment at least.
        beat = heartbeat(
            self.spoken.voice,
            self.spoken.state,
            self._mode,
            prefers_data=self._variant.prefers_data,
            data_due=data_due,
        )
        if beat is not None:
            self.beats[beat.mode] = self.beats.get(beat.mode, 0) + 1
            await self._client.write_beat(beat.data, data=beat.mode == "data")


def _nothing() -> None: ...
