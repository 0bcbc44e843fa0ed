"""What a response without a client lives on: a record of it, and the hope that somebody comes back to that.

Without a record nothing changes: a client that leaves ends its response. With one, the client's half is cut off and the
upstream's goes on, under its own deadlines, until the record's patience is over. A client that does not read is cut off
as soon as it is in the way of others: a line that died without a word is, as a rule, the old one of whoever has come
back on another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from ..errors import Outcome, SSEProxyError
from .receiver import Receiver
from .transfer import Transfer

__all__ = ["SLOW_SECONDS", "Abandoned", "Detachment", "Record"]

#: How long those who listen to the record wait for a client that does not read.
SLOW_SECONDS = 5.0

#: How often, at the least, the record is asked: its store may be lost meanwhile.
_LOOK_SECONDS = 1.0


class Abandoned(SSEProxyError):
    """Nobody has listened for ``detach_seconds``; in the record, for those who come too late."""

    status = 499
    outcome = Outcome.CLIENT_DISCONNECTED
    error_type = "request_cancelled"
    default_message = "the stream was stopped, since nobody was listening"


class Record(Protocol):
    """What keeps a response for others than its client."""

    @property
    def heard(self) -> float:
        """When another one than the client was last known to listen."""

    def detach(self) -> bool:
        """Take over the client's part, from now on; False: nobody could come back."""

    def patience(self) -> float:
        """Seconds for which the response may go on, if nobody comes until then; 0 or less: none."""


class Detachment:
    """See the module header; *on_end* gets the reason why the response has to end now."""

    def __init__(
        self, record: Record, transfer: Transfer, receiver: Receiver, on_end: Callable[[Exception], None]
    ) -> None:
        self._record = record
        self._transfer = transfer
        self._receiver = receiver
        self._on_end = on_end
        self._timer: asyncio.TimerHandle | None = None
        transfer.pacer.look_every(SLOW_SECONDS)

    def begin(self) -> bool:
        """Go on without the client, which is gone, or is dropped; False: it cannot be, or there is nobody to go on for.

        Nor does a response go on whose request has not come to its end.
        """
        can_go = self._receiver.gone or self._transfer.client.can_be_dropped
        if not (can_go and self._receiver.complete and self._record.detach()):
            return False
        self._transfer.detach()
        self._wait()
        return True

    def look(self) -> None:
        """Look whether the client is in the way of others, who have listened for long; if so, `begin`."""
        since = self._transfer.pacer.sending_since
        if since is not None and not self._transfer.client.detached and self._record.heard - since >= SLOW_SECONDS:
            self.begin()

    def release(self) -> None:
        """The response is over: nobody is called any more, nor kept alive."""
        self._on_end = _nothing
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        if self._transfer.client.finished:
            return
        if (left := self._record.patience()) <= 0:
            self._on_end(Abandoned())
            return
        self._timer = asyncio.get_running_loop().call_later(min(left, _LOOK_SECONDS), self._wait)


def _nothing(_cause: Exception) -> None: ...
