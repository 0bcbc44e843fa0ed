"""Writes what all producers of this process have said, in few calls: one a stream and round, all in one pipeline.

A round takes what has piled up while the one before was on its way, and at least for `_PAUSE_SECONDS`: no token of the
producer's own client waits for that, only what readers elsewhere see of it. It takes no more than gets through in time:
after an outage much has piled up, and a round that fails is sent again as a whole. Nothing is taken twice at a time,
nothing is lost when a round fails.
"""

from __future__ import annotations

import asyncio

from ..base import StoreUnavailable
from ..bell import Bell
from .link import Link
from .recording import RedisRecording
from .scripts import Call

__all__ = ["Writer"]

_PAUSE_SECONDS = 0.02
#: After a round in which anything failed.
_RETRY_SECONDS = 0.25
#: Of events in one round, but for the last call of it; halved with each that fails, to no less than the second.
_ROUND_BYTES, _SMALL_ROUND_BYTES = 1_048_576, 65_536


class Writer:
    """See the module header.

    Attributes:
        recordings: The streams of this process, by id, until their producers have ended them and the store has taken
            that, or will not.
    """

    def __init__(self, link: Link) -> None:
        self.recordings: dict[str, RedisRecording] = {}
        self._link = link
        # In the order of their first unwritten word.
        self._dirty: dict[RedisRecording, None] = {}
        self._bell = Bell()
        self._round_bytes = _ROUND_BYTES

    def wake(self, recording: RedisRecording) -> None:
        """*recording* has something to write, or has ended."""
        if recording.over:
            self._let_go(recording)
        elif recording not in self._dirty:
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
        taken = self._take()
        try:
            flat = await self._link.run_all([call for group in taken.values() for call in group], probe=True)
        except BaseException as error:
            self._dirty = {**dict.fromkeys(taken), **self._dirty}
            if isinstance(error, StoreUnavailable):
                self._round_bytes = max(self._round_bytes // 2, _SMALL_ROUND_BYTES)
                return False
            raise
        self._round_bytes = min(self._round_bytes * 2, _ROUND_BYTES)
        failed = False
        position = 0
        for recording, group in taken.items():
            reply = flat[position]
            position += len(group)
            failed = failed or isinstance(reply, Exception)
            if recording.settle(reply):
                self._dirty.setdefault(recording)
            elif recording.over:
                self._dirty.pop(recording, None)
                self._let_go(recording)
        return not failed

    def _take(self) -> dict[RedisRecording, list[Call]]:
        """What the next round says, those first that have waited longest."""
        taken: dict[RedisRecording, list[Call]] = {}
        size = 0
        while self._dirty and size < self._round_bytes:
            recording = next(iter(self._dirty))
            del self._dirty[recording]
            taken[recording] = recording.take()
            size += sum(len(part) for part in taken[recording][0] if isinstance(part, bytes))
        return taken

    def _let_go(self, recording: RedisRecording) -> None:
        # Until its producer ends, it can be stopped, also where nothing of it is kept any more.
        if not recording.runs:
            self.recordings.pop(recording.opening.stream, None)

    async def drain(self, seconds: float) -> None:
        """Write what is left, for *seconds* at most."""
        try:
            async with asyncio.timeout(seconds):
                while self._dirty and await self.write():
                    pass
        except TimeoutError:
            pass
