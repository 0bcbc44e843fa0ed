"""What a reader's client is due: heartbeats while its stream is silent, and an end if it does not read."""

from __future__ import annotations

from collections.abc import Callable

from ..core.clients import Variant
from ..core.cursor import Cursor
from ..core.dialects import GENERIC, StreamState
from ..core.headers import HeaderList
from ..core.heartbeat import heartbeat
from ..core.pacing import Action, Limits, Pacer
from ..settings import Settings
from ..streaming.client import Client
from ..streaming.timer import PacerTimer
from .heads import Spoken

__all__ = ["ReaderPulse", "reader_limits"]


class ReaderPulse(PacerTimer):
    """See the module header.

    Args:
        client, pacer: Of the response.
        settings: The route's.
        variant: How the client differs from others.
        cursor: Where the response goes on from.
        on_stall: Called when the client has read nothing for too long.

    Attributes:
        spoken: How the client is spoken to; until that is known, as no API in particular.
        beats: Heartbeats so far, by mode.
    """

    def __init__(
        self,
        client: Client,
        pacer: Pacer,
        settings: Settings,
        variant: Variant,
        *,
        cursor: Cursor,
        on_stall: Callable[[], None],
    ) -> None:
        super().__init__(pacer)
        self._client = client
        self._mode, self._variant = settings.heartbeat_mode, variant
        self._cursor, self._on_stall = cursor, on_stall
        self.spoken = Spoken(status=200, headers=[], voice=GENERIC, state=StreamState(has_ids=True))
        self.beats: dict[str, int] = {}

    def head(self) -> tuple[int, HeaderList]:
        """Status and headers of the response, by what is known."""
        return self.spoken.status, self.spoken.headers_from(self._cursor)

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


def reader_limits(settings: Settings) -> Limits:
    """What a reader's client is under; the upstream's deadlines are its producer's business."""
    return Limits(
        heartbeat=0.0 if settings.heartbeat_mode == "off" else settings.heartbeat_seconds,
        commit_after=settings.commit_after_seconds,
        client_stall=settings.client_stall_timeout_seconds,
    )
