"""Writes what all producers of this process have said, in few calls: one a stream and round, all in one pipeline.

A round takes what has piled up while the one before was on its way, and at least for `_PAUSE_SECONDS`: no token of the
producer's own client waits for that, only what readers elsewhere see of it. Nothing is taken twice at a time, nothing
is lost when a round fails.
"""

from __future__ import annotations

import asyncio

from ..base import StoreUnavailable
from ..bell import Bell
from .link import Link
from .recording import RedisRecording

__all__ = ["Writer"]

_PAUSE_SECONDS = 0.02
#: After a round in which anything failed.
_RETRY_SECONDS = 0.25


class Writer:
    """See the module header.

    Attributes:
        recordings: The streams of this process that are not over, by id.
    """

    def __init__(self, link: Link) -> None:
        self.recordings: dict[str, RedisRecording] = {}
        self._link = link
        # In the order of their first unwritten word.
        self._dirty: dict[RedisRecording, None] = {}
        self._bell = Bell()

    def wake(self, recording: RedisRecording) -> None:
        """*recording* has something to write."""
        if not recording.over and recording not in self._dirty:
            self._dirty[recording] = None
            self._bell.ring()

    async def run(self) -> None:
        """Write for ever."""
        while True:
            noted = self._bell.rung
            if not self._dirty:
                await self._bell.wait(noted)
            await asyncio.sleep(_PAUSE_SECONDS)
            if not await self.write():
                await asyncio.sleep(_RETRY_SECONDS)

    async def write(self) -> bool:
        """One round; False when anything of it has to be tried again later."""
        round_of, self._dirty = self._dirty, {}
        calls = [recording.take() for recording in round_of]
        try:
            flat = await self._link.run_all([call for group in calls for call in group], probe=True)
        except BaseException as error:
            self._dirty = {**round_of, **self._dirty}
            if isinstance(error, StoreUnavailable):
                return False
            raise
        failed = False
        position = 0
        for recording, group in zip(round_of, calls, strict=True):
            reply = flat[position]
            position += len(group)
            failed = failed or isinstance(reply, Exception)
            if recording.settle(reply):
                self._dirty.setdefault(recording)
            elif recording.over:
                self._dirty.pop(recording, None)
                self.recordings.pop(recording.opening.stream, None)
        return not failed

    async def drain(self, seconds: float) -> None:
        """Write what is left, for *seconds* at most."""
        try:
            async with asyncio.timeout(seconds):
                while self._dirty and await self.write():
                    pass
        except TimeoutError:
            pass
