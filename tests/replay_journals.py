"""What the tests of every journal share: streams to open, producers and readers to run, and what must come out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st

from sse_proxy.replay.base import End, Journal, Opening, Reader, Recording, Taken

from .conftest import LIMIT_SECONDS

OWNER = "a" * 64
STRANGER = "b" * 64
#: Of the events that a producer makes.
SIZES = st.integers(0, 40).flatmap(lambda n: st.lists(st.integers(0, 400), min_size=n, max_size=n))
#: Of readers: the last event that each has, how many there are when it comes, and after how many it drops.
CURSORS = st.lists(
    st.tuples(st.just(0) | st.integers(0, 41), st.integers(0, 40), st.just(50) | st.integers(1, 40)), max_size=6
)
TOLD = st.sampled_from([End.COMPLETE, End.ERROR, End.TRUNCATED, End.STOPPED, End.CANCELLED])
HEAD = {"status": 200, "headers": [["content-type", "text/event-stream"]], "dialect": "openai_chat"}


def event(n: int, size: int = 20) -> bytes:
    """The event *n*, at least *size* bytes long, with bytes in it that no protocol may stumble over."""
    return f"data: {n}\r\n\0\xff ".encode("latin-1").ljust(size, b".") + b"\n\n"


def opening(*, once: str | None = None, chat: str | None = None, owner: str = OWNER) -> Opening:
    """A new stream."""
    return Opening(stream=secrets.token_hex(16), owner=owner, once=once, chat=chat)


async def opened(journal: Journal, of: Opening | None = None, stops: list[str] | None = None) -> Recording:
    """The recording of a stream that nobody else has; its stops are noted in *stops*."""
    of = of or opening()
    recording = await journal.open(of, lambda: (stops if stops is not None else []).append(of.stream))
    assert not isinstance(recording, Taken)
    return recording


async def attached(journal: Journal, stream: str, owner: str = OWNER) -> Reader:
    """A reader of a stream that is there."""
    reader = await journal.attach(stream, owner)
    assert reader is not None
    return reader


@dataclass
class Read:
    """What one reader saw."""

    after: int
    events: list[tuple[int, bytes]] = field(default_factory=list)
    end: End | None = None

    def check(self, produced: Sequence[bytes], end: End) -> None:
        """Exactly the producer's events from the cursor on, up to its end or an explicit gap: none lost, none twice."""
        numbers = [number for number, _ in self.events]
        assert list(range(self.after + 1, self.after + 1 + len(numbers))) == numbers
        assert [produced[number - 1] for number in numbers] == [data for _, data in self.events]
        assert self.end in {end, End.EVICTED}
        if self.end is end:
            assert max(self.after, len(produced)) == self.after + len(numbers)


async def read_all(reader: Reader, after: int = 0, *, at_most: int | None = None) -> Read:
    """Read to the end, or until *at_most* events are there."""
    seen = Read(after)
    async with asyncio.timeout(LIMIT_SECONDS):
        while seen.end is None and (at_most is None or len(seen.events) < at_most):
            batch = await reader.read(seen.events[-1][0] if seen.events else after)
            assert batch.events or batch.end
            seen.events += batch.events
            seen.end = batch.end
    return seen


async def until(true: Callable[[], object]) -> None:
    """Wait for what another connection or process brings about."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not true():
            await asyncio.sleep(0.005)
