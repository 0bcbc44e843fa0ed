"""`Journal` in Redis: what is asked for is found here, the rest is done by the parts (see the package)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable

from ...core.cursor import is_stream_id
from ...core.ledger import Ledger
from ..base import End, Opening, Reader, Recording, Stats, StoreUnavailable, Taken
from ..null import NullRecording
from . import scripts
from .doorbell import Doorbell
from .followed import Followed, RedisReader, look
from .keys import named_key, replica_channel, replica_key, stream_keys
from .link import Link, StoreRefused
from .pulse import Pulse
from .recording import RedisRecording
from .terms import Terms
from .writer import Writer

__all__ = ["RedisJournal"]

_SCRIPTS = tuple(value for value in vars(scripts).values() if isinstance(value, scripts.Script))
#: How often an idempotency key may change hands while it is asked for.
_CLAIMS = 3
#: For what is left to write at the end.
_CLOSE_SECONDS = 2.0
#: What a caller waits for altogether, in timeouts of one call: a producer, whose upstream is asked only afterwards, and
#: who looks for a stream.
_OPEN_TIMEOUTS, _LOOK_TIMEOUTS = 2, 5
#: Before a part that has failed begins anew.
_RESTART_SECONDS = 1.0


class RedisJournal:
    """See the module header.

    Args:
        url: ``redis://``, ``rediss://``, or either with ``+cluster`` in its scheme.
        ttl_seconds: How long a stream is kept after its end.
        stream_bytes: Of one stream, in Redis.
        total_bytes: Of what waits in this process to be written.
        clock: Monotonic seconds.
        connections: To one server, at a time; pub/sub has one more.
        timeout_seconds: For a connection, and for a reply.
        beat_seconds: The pulse: an owner that dies is missed after some six beats.
        ledger: Where is counted what waits to be written, and what readers have in hand.

    Raises:
        ValueError: *url* is none.
    """

    def __init__(
        self,
        url: str,
        *,
        ttl_seconds: float,
        stream_bytes: int,
        total_bytes: int,
        clock: Callable[[], float],
        connections: int = 8,
        timeout_seconds: float = 1.0,
        beat_seconds: float = 1.0,
        ledger: Ledger | None = None,
    ) -> None:
        self._stats = Stats()
        self._terms = Terms(
            ttl_seconds=ttl_seconds, stream_bytes=stream_bytes, total_bytes=total_bytes, stats=self._stats,
            ledger=Ledger() if ledger is None else ledger,
        )  # fmt: skip
        self._clock = clock
        self._replica = secrets.token_hex(16)
        self._link = Link(url, _SCRIPTS, self._stats, clock, connections=connections, timeout_seconds=timeout_seconds)
        self._writer = Writer(self._link)
        self._doorbell = Doorbell(self._link)
        self._followed: dict[str, Followed] = {}
        self._pulse = Pulse(
            self._replica, self._link, self._doorbell, self._writer.recordings, self._followed, clock,
            beat_seconds=beat_seconds, grace_seconds=timeout_seconds + beat_seconds,
        )  # fmt: skip
        self._timeout_seconds = timeout_seconds
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def stats(self) -> Stats:
        """The numbers now: streams that run here and are kept, and bytes that wait to be written."""
        self._stats.streams = sum(not recording.over for recording in self._writer.recordings.values())
        return self._stats

    async def open(self, opening: Opening, on_stop: Callable[[], None]) -> Recording | Taken:
        await self._start()
        if self._link.down_seconds:
            return NullRecording()
        recording = RedisRecording(opening, self._terms, self._writer.wake, on_stop, self._clock())
        try:
            async with self._in_time(_OPEN_TIMEOUTS):
                other = await self._register(recording)
        except BaseException as error:
            # What may have been written must not be joined: nobody generates it.
            recording.end(End.ERROR, keep=False)
            if isinstance(error, StoreUnavailable):
                return NullRecording()
            raise
        if other is not None:
            return other
        self._writer.recordings[opening.stream] = recording
        return recording

    async def attach(self, stream: str, owner: str) -> Reader | None:
        if not is_stream_id(stream):
            return None
        await self._start()
        async with self._in_time():
            if (found := await look(self._link, stream, owner)) is None:
                return None
            followed = self._followed.get(stream)
            if followed is None:
                followed = self._followed[stream] = Followed(stream, owner, found[0], self._link)
            followed.head = followed.head or found[1].head
            reader = RedisReader(followed, self._leave, self._terms.ledger)
            try:
                await self._doorbell.listen(followed.channel, followed.hear)
                await self._is_heard(followed)
            except BaseException:
                reader.close()  # nobody has it who could
                raise
        return reader

    async def latest(self, owner: str, chat: str) -> str | None:
        await self._start()
        async with self._in_time():
            found = await self._link.run(("GET", named_key("chat", owner, chat)))
        return None if found is None else str(found, "ascii")

    async def stop(self, stream: str, owner: str) -> bool:
        if not is_stream_id(stream):
            return False
        if (mine := self._writer.recordings.get(stream)) is not None and mine.opening.owner == owner:
            mine.stop()
            return True
        await self._start()
        call = scripts.STOP.call(stream_keys(stream)[:1], owner, replica_channel(""), f"stop {stream}")
        async with self._in_time():
            return bool(await self._link.run(call))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._tasks:
            await self._writer.drain(_CLOSE_SECONDS)
            # Readers elsewhere need not wait for this process to be missed.
            with contextlib.suppress(StoreUnavailable):
                await self._link.run(("DEL", replica_key(self._replica)), probe=True)
        await self._link.close()

    async def _start(self) -> None:
        """Begin to live, with the first stream or reader."""
        if self._tasks:
            return
        parts = (self._writer.run, self._doorbell.run, self._pulse.run)
        self._tasks = [asyncio.create_task(_keep_up(part)) for part in parts]
        await self._doorbell.listen(replica_channel(self._replica), self._told)

    async def _register(self, recording: RedisRecording) -> Recording | Taken | None:
        """Write down that the stream is there, and by what it can be found; else what its producer gets instead."""
        opening, lifetime = recording.opening, self._terms.running_milliseconds
        call = scripts.OPEN.call(recording.keys[:1], opening.owner, recording.token, self._replica, lifetime)
        try:
            is_new = await self._link.run(call)
        except StoreRefused:
            recording.over = True  # there is nothing to drop
            raise
        if not is_new:
            return NullRecording()  # 128 random bits twice: somebody else's, so nothing is promised of it
        if recording.once is not None and (held := await self._claim(recording, recording.once)) is not None:
            return held
        if recording.chat is not None:
            before = await self._link.run(scripts.RENAME.call([recording.chat], opening.stream, lifetime))
            recording.before = str(before or b"", "ascii")
        return None

    async def _claim(self, recording: RedisRecording, name: str) -> Taken | None:
        """Make *name* lead to this stream, unless it leads to one that is there."""
        opening = recording.opening
        gone = ""
        for _ in range(_CLAIMS):
            call = scripts.CLAIM.call([name], opening.stream, self._terms.running_milliseconds, gone)
            held = str(await self._link.run(call), "ascii")
            if held == opening.stream:
                return None
            found = await look(self._link, held, opening.owner)
            # What nobody generates any more need not be joined.
            if found is not None and (found[1].end is None or found[1].end.is_whole):
                recording.end(End.ERROR, keep=False)
                return Taken(stream=held)
            gone = held
        return None

    async def _is_heard(self, followed: Followed) -> None:
        """Tell the producer at once: a reader may be gone before the next beat."""
        if (mine := self._writer.recordings.get(followed.stream)) is not None:
            mine.heard = self._clock()
            return
        with contextlib.suppress(StoreUnavailable):  # the beat tells it too
            await self._link.run(("PUBLISH", replica_channel(followed.replica), f"hear {followed.stream}"))

    @contextlib.asynccontextmanager
    async def _in_time(self, timeouts: int = _LOOK_TIMEOUTS) -> AsyncIterator[None]:
        """What a caller waits for, however many calls that are and however many others wait.

        Raises:
            StoreUnavailable: it has taken too long.
        """
        try:
            async with asyncio.timeout(timeouts * self._timeout_seconds):
                yield
        except TimeoutError as error:
            raise StoreUnavailable("the store is slow") from error

    def _told(self, message: bytes) -> None:
        """`Doorbell` handler: what readers elsewhere have to say about this process's streams."""
        verb, _, stream = message.decode("ascii", "replace").partition(" ")
        recording = self._writer.recordings.get(stream)
        if recording is None:
            return
        if verb == "stop":
            recording.stop()
        else:
            recording.heard = self._clock()

    def _leave(self, followed: Followed) -> None:
        if not followed.readers:
            self._doorbell.leave(followed.channel)
            self._followed.pop(followed.stream, None)


async def _keep_up(part: Callable[[], Awaitable[None]]) -> None:
    """Run *part* for ever: without it streams of this process would be taken for dead, and it is awaited by nobody."""
    while True:
        try:
            await part()
        except Exception as error:  # noqa: BLE001 -- said, and begun anew
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a part of the journal has failed, and begins anew", "exception": error}
            )
        await asyncio.sleep(_RESTART_SECONDS)
