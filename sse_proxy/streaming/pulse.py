"""What a response does when something is due: it sends heartbeats, and reports everything else."""

from __future__ import annotations

from collections.abc import Callable

from ..core.dialects import Voice
from ..core.headers import HeaderList, sse_response_headers, stream_response_headers
from ..core.heartbeat import Heartbeat, heartbeat
from ..core.pacing import Action
from ..errors import ClientStalled, FirstEventTimeout, IdleTimeout, SSEProxyError, TotalTimeout, UploadBrokenOff
from .detachment import Detachment
from .receiver import Receiver
from .timer import PacerTimer
from .transfer import Transfer

__all__ = ["Complete", "Pulse"]

_TIMEOUTS: dict[Action, type[SSEProxyError]] = {
    Action.FIRST_EVENT_TIMEOUT: FirstEventTimeout,
    Action.IDLE_TIMEOUT: IdleTimeout,
    Action.TOTAL_TIMEOUT: TotalTimeout,
    Action.CLIENT_STALLED: ClientStalled,
}


class Complete(Exception):  # not an error: the reason to stop waiting for an upstream that has said it all
    """The terminal signal was seen, and ``completion_grace_seconds`` are over."""


def _nothing(_cause: Exception) -> None: ...


class Pulse(PacerTimer):
    """See the module header; *on_end* gets the reason why the response has to end now."""

    __slots__ = ("_detachment", "_on_end", "_receiver", "_transfer")

    def __init__(
        self,
        transfer: Transfer,
        on_end: Callable[[Exception], None],
        detachment: Detachment | None,
        receiver: Receiver,
    ) -> None:
        super().__init__(transfer.pacer)
        self._transfer = transfer
        self._on_end = on_end
        self._detachment = detachment
        self._receiver = receiver

    def release(self) -> None:
        """The response is over: nobody is called any more, nor kept alive."""
        self.stop()
        self._on_end = _nothing

    def tick(self) -> None:
        """Do what the pacer says is due."""
        if self._transfer.client.finished:
            return  # what the application still does (background tasks) is under no deadline of ours
        action = self._pacer.due(self._loop.time())
        if action is Action.COMMIT:
            self._transfer.client.background(self._commit(), then=self.arm)
        elif action is Action.HEARTBEAT or action is Action.DATA_HEARTBEAT:
            self._beat(data_due=action is Action.DATA_HEARTBEAT)
        elif action is Action.COMPLETE:
            self._on_end(Complete())
            return
        elif action is not None:
            self._on_end(self._timeout(action))
            return
        elif self._detachment is not None:
            self._detachment.look()
        self.arm()

    def _timeout(self, action: Action) -> SSEProxyError:
        transfer = self._transfer
        has_answered = transfer.client.status is not None or transfer.head is not None
        if action is Action.IDLE_TIMEOUT and self._receiver.is_starved and not has_answered:
            return UploadBrokenOff()  # the upstream waits for the client, as we do; one that has begun to tell does not
        return _TIMEOUTS[action]()

    def _beat(self, *, data_due: bool) -> None:
        transfer = self._transfer
        if transfer.pipeline is not None and not transfer.pipeline.between_events:
            # Only with reframe=never: the client has half an event. The next chance is one interval away.
            transfer.pacer.beat(self._loop.time(), data=False)
            return
        beat = self._next(data_due=data_due)
        if beat is None:
            transfer.pacer.beat(self._loop.time(), data=False)
            return
        transfer.client.background(transfer.client.write_beat(beat.data, data=beat.mode == "data"), then=self.arm)

    async def _commit(self) -> None:
        """Promise a stream to a client that has waited long enough; errors are told in it from now on."""
        transfer = self._transfer
        await transfer.client.start(*(transfer.head or (200, _promise(transfer.voice))))
        if transfer.policy.beats(transfer.facts) and (beat := self._next(data_due=False)) is not None:
            await transfer.client.write_beat(beat.data, data=beat.mode == "data")

    def _next(self, *, data_due: bool) -> Heartbeat | None:
        transfer = self._transfer
        beat = heartbeat(
            transfer.voice,
            transfer.told,
            transfer.policy.heartbeat_mode,
            prefers_data=transfer.facts.variant.prefers_data,
            data_due=data_due,
        )
        if beat is not None:
            transfer.heartbeats[beat.mode] = transfer.heartbeats.get(beat.mode, 0) + 1
        return beat


def _promise(voice: Voice) -> HeaderList:
    """The headers of a response that begins before the upstream's."""
    if voice.is_sse:
        return sse_response_headers([])
    return stream_response_headers([(b"content-type", voice.media_type), (b"cache-control", b"no-cache, no-transform")])
