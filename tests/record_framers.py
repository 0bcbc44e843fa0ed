"""What the tests of the framers share: one body's whole way through a framer, what it holds, and its work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sse_proxy.core.framers import RecordFramer
from sse_proxy.core.sse import Event, Repairs
from sse_proxy.errors import EventTooLarge, UpstreamProtocolError

from .event_streams import chunked, splits
from .work import calls_made

__all__ = ["LIMIT", "Life", "agrees_in_any_split", "held_bytes", "is_linear", "life"]

LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Life:
    """What became of one body."""

    records: list[Event]
    repairs: Repairs
    #: ``whole``, ``cut`` or the name of the error.
    ending: str = "whole"


def life(framer: RecordFramer, chunks: Iterable[bytes]) -> Life:
    """All that *framer* finds in *chunks* and at their end."""
    records: list[Event] = []
    try:
        for chunk in chunks:
            records += framer.feed(chunk)
    except (EventTooLarge, UpstreamProtocolError) as error:
        return Life(records + framer.completed, framer.repairs, type(error).__name__)
    records += framer.finish()
    return Life(records, framer.repairs, "cut" if framer.cut else "whole")


def agrees_in_any_split(make: Callable[[], RecordFramer], body: bytes, expected: Life) -> None:
    """Assert that *body* comes to *expected* whole, byte by byte, at random splits, and with empty reads between."""
    for pieces in splits(body, seed=1):
        assert expected == life(make(), pieces)
        assert expected == life(make(), [piece for part in pieces for piece in (b"", part)])


def held_bytes(thing: object) -> int:
    """The bytes that are held by *thing* and by all that it is made of."""
    if isinstance(thing, bytes):
        return len(thing)
    if isinstance(thing, list | tuple):
        return sum(map(held_bytes, thing))
    if not type(thing).__module__.startswith("sse_proxy."):
        return 0
    names = getattr(type(thing), "__slots__", None) or vars(thing)
    return sum(held_bytes(getattr(thing, name)) for name in names)


def is_linear(make: Callable[[], RecordFramer], body: Callable[[int], bytes], size: int = 1 << 16) -> bool:
    """Whether a body of twice the *size* is at most about twice the calls, byte by byte and in reads of 4 KiB."""

    def work(size: int, read: int) -> int:
        whole = body(size)
        pieces: Sequence[bytes] = chunked(whole, range(0, len(whole), read))
        return calls_made(lambda: life(make(), pieces))

    return all(work(size // by, read) <= 2.2 * work(size // by // 2, read) + 100 for by, read in ((1, 4096), (16, 1)))
