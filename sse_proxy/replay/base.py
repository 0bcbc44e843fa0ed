"""What a journal promises to the three who use it: the producer of a stream, its readers, and whoever looks one up.

    Journal ── open ────▶ Recording   the response whose upstream generates: begin, append, end; never awaits
       │ ╲──── (taken) ─▶ Taken       another request with the same idempotency key was first
       ├────── attach ──▶ Reader      one a client: look, then read(after) again and again
       ├────── latest ──▶ the id of a chat's newest stream
       └────── stop ────▶ reaches the producer on whatever replica

Events are opaque bytes, numbered from 1 without gaps. Every reader has a cursor of its own (the number of the last
event that it has), so nothing is queued for anybody, nobody waits for a reader, and a reader that falls below what is
kept is told so. Stream ids have the form of `core.cursor.is_stream_id`, owners come from `core.owner.owner_of`; what
callers choose themselves (idempotency and chat keys) is hashed with the owner before it becomes a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, Self

__all__ = [
    "READ_EVENTS", "Answer", "Batch", "End", "Glance", "Head", "Journal", "Opening", "Reader", "Recording", "Stats",
    "StoreUnavailable", "Taken", "judge",
]  # fmt: skip

#: Events that one `Reader.read` returns at most, so that a long replay is not copied at once.
READ_EVENTS = 256

#: What a reader on another replica must know to speak to its client (status, headers, dialect, shape): JSON, a few KiB.
#: Opaque here.
Head = Mapping[str, Any]


class StoreUnavailable(Exception):
    """The store did not answer in time, or not with what was asked for."""


class End(StrEnum):
    """Why no event follows."""

    #: Told by the producer, part of the log.
    COMPLETE = "complete"
    ERROR = "error"
    TRUNCATED = "truncated"
    #: Stopped, or given up as nobody listened; its last event tells that as an error.
    STOPPED = "stopped"
    #: The same behind an answer that was over, so that nothing could be told any more.
    CANCELLED = "cancelled"
    #: The producer's process is gone: its events up to here are good, and the rest will never come.
    OWNER_LOST = "owner_lost"
    #: The event that comes next for this reader is not kept any more.
    EVICTED = "evicted"
    #: The store is down, or was down for too long for the producer to go on with it.
    UNAVAILABLE = "unavailable"
    #: The stream is not there any more: its time is over, or it was dropped.
    EXPIRED = "expired"

    @property
    def is_whole(self) -> bool:
        """Whether the stream has all that its upstream had to say. Else who sends its request again wants another."""
        return self is End.COMPLETE


class Answer(StrEnum):
    """What a reader is to be answered with, before its response has begun."""

    REPLAY = "replay"
    #: 204: it has everything.
    NOTHING_LEFT = "nothing_left"
    #: 410: what it lacks is gone.
    EVICTED = "evicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """How a stream stands.

    Attributes:
        head: None until the producer has told it.
        oldest: The first event that is kept; one more than *latest* when none is.
        latest: The last one so far.
        end: None while it runs.
    """

    head: Head | None
    oldest: int
    latest: int
    end: End | None

    def answer(self, after: int) -> Answer:
        """What a reader gets that has the events up to *after*.

        It has everything only where the log has its end. Where the store has lost what followed, the stream may have
        gone on, and so it may where its owner was taken for lost. Who has all that is there of a lost owner's stream
        lacks the news of it; told as event ``latest + 1`` it is had too, so that an EventSource, which comes back after
        every end, comes back once.
        """
        if after + 1 < self.oldest:
            return Answer.EVICTED
        if self.end is None or after < self.latest:
            return Answer.REPLAY
        if self.end is End.UNAVAILABLE:
            return Answer.EVICTED
        if self.end is End.OWNER_LOST and after != self.latest + 1:
            return Answer.REPLAY if after == self.latest else Answer.EVICTED
        return Answer.NOTHING_LEFT


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What follows a cursor: *events* with their numbers, in order; *end* when none follows those."""

    events: Sequence[tuple[int, bytes]] = ()
    end: End | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a stream is opened with: its id, its owner, and by what else it can be found.

    Attributes:
        once: The caller's idempotency key; the second that opens with it gets `Taken`, unless the first has failed.
        chat: The caller's name for a series of streams; `Journal.latest` finds the newest.
    """

    stream: str
    owner: str
    once: str | None = None
    chat: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The idempotency key belongs to *stream*, which is to be attached to in place of a second generation."""

    stream: str


@dataclass(slots=True, kw_only=True)
class Stats:
    """Plain numbers for the metrics ``replay_*`` and ``store_errors_total``."""

    streams: int = 0
    bytes: int = 0
    evictions: int = 0
    store_errors: int = 0


class Recording(Protocol):
    """The producer's hold on its stream. No method awaits, blocks or raises for the store's sake."""

    @property
    def resumable(self) -> bool:
        """Whether all that was appended can still be replayed, as far as that is known; never true again once false."""

    @property
    def heard(self) -> float:
        """When somebody was last known to listen, on any replica, by the journal's clock; at first: the opening."""

    def begin(self, head: Head) -> None:
        """Tell what a reader needs to speak; before the first `append`, once."""

    def append(self, n: int, event: bytes) -> None:
        """Add the event *n*, one more than the last.

        Raises:
            ValueError: it is not.
        """

    def end(self, end: End, *, keep: bool = True) -> None:
        """No event follows; the stream is kept for its time, or dropped with its keys. Later calls do nothing."""


class Reader(Protocol):
    """One client's hold on a stream; it counts as listening until it is closed. Its cursor is the caller's business."""

    @property
    def head(self) -> Head | None:
        """What the producer told; known at the latest when `read` has returned an event, or None: nothing was told."""

    async def look(self) -> Glance | None:
        """How the stream stands, at once; None: it is not there any more.

        Raises:
            StoreUnavailable: the store is down.
        """

    async def read(self, after: int) -> Batch:
        """What follows the event *after*, as soon as there is something: events, the end, or both.

        Keeps no state, so it may be cancelled (for a heartbeat) and asked again without loss or repetition.
        """

    def close(self) -> None:
        """Listen no more. Idempotent."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Journal(Protocol):
    """Where streams are kept. One a process, used from its event loop only."""

    @property
    def stats(self) -> Stats:
        """The numbers now."""

    async def open(self, opening: Opening, on_stop: Callable[[], None]) -> Recording | Taken:
        """Begin a stream, whose owner is this process; *on_stop* is called when somebody stops it, at most once.

        Where the store is down, the recording says that it is not `Recording.resumable`.
        """

    async def attach(self, stream: str, owner: str) -> Reader | None:
        """A reader of *owner*'s *stream*; None: unknown, expired or somebody else's, which looks the same.

        Raises:
            StoreUnavailable: the store is down.
        """

    async def latest(self, owner: str, chat: str) -> str | None:
        """The id of the newest stream that *owner* has opened with the key *chat*.

        Raises:
            StoreUnavailable: the store is down.
        """

    async def stop(self, stream: str, owner: str) -> bool:
        """Ask the producer of *owner*'s *stream* to stop, wherever it runs; False: unknown. Idempotent.

        Raises:
            StoreUnavailable: the store is down.
        """

    async def close(self) -> None:
        """Write what is left to write, and let go of the store."""


def judge(after: int, events: Sequence[tuple[int, bytes]], *, latest: int, end: End | None) -> Batch | None:
    """What a reader behind *after* is told, given the *events* found there; None: there is nothing to tell yet."""
    if events:
        if events[0][0] != after + 1:
            return Batch(end=End.EVICTED)
        return Batch(events=events, end=end if events[-1][0] >= latest else None)
    if after < latest:
        return Batch(end=End.EVICTED)
    return None if end is None else Batch(end=end)
