"""`replay.ring` and `replay.shelf`: what is kept within the bounds, and who gives first."""

from __future__ import annotations

import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_proxy.replay.ring import EVENT_COST_BYTES, Ring
from sse_proxy.replay.shelf import STREAM_COST_BYTES, Shelf


class Shelved:
    def __init__(self, max_bytes: int = 10**6, extra_bytes: int = 0) -> None:
        self.ring = Ring(max_bytes)
        self.extra_bytes = extra_bytes


def filled(sizes: list[int], max_bytes: int) -> Ring:
    """A ring that events of *sizes* were added to."""
    ring = Ring(max_bytes)
    for n, size in enumerate(sizes, start=1):
        ring.append(n, bytes(size))
    return ring


@given(sizes=st.lists(st.integers(0, 300), max_size=60), max_bytes=st.integers(1, 3000))
def test_a_ring_keeps_the_newest_that_fit(sizes: list[int], max_bytes: int) -> None:
    """As many as there is room for, and not one more."""
    ring = filled(sizes, max_bytes)
    costs = [size + EVENT_COST_BYTES for size in sizes]
    kept = next(i for i in range(len(costs) + 1) if sum(costs[i:]) <= max_bytes)
    assert (len(sizes) - kept, sum(costs[kept:])) == (len(ring), ring.bytes)
    assert (kept + 1, len(sizes)) == (ring.oldest, ring.latest)
    assert [(n, bytes(sizes[n - 1])) for n in range(kept + 1, len(sizes) + 1)] == ring.after(0, 100)


def test_reading_begins_behind_the_cursor_and_has_a_limit() -> None:
    """Nothing below the cursor, nothing above the limit, nothing above the end."""
    ring = filled([1] * 10, 10**6)
    assert [4, 5, 6] == [n for n, _ in ring.after(3, 3)]
    assert [10] == [n for n, _ in ring.after(9, 3)]
    assert [] == ring.after(10, 3) == ring.after(10**18, 3)


@pytest.mark.parametrize("n", [-1, 0, 1, 3, 10])
def test_numbers_have_no_gaps(n: int) -> None:
    """A producer that counts wrongly learns it at once, before any reader does."""
    ring = filled([1], 100)
    with pytest.raises(ValueError, match="does not follow"):
        ring.append(n, b"")


def shelf_of(max_bytes: int, gone: list[Shelved]) -> Shelf[Shelved]:
    """A shelf that says in *gone* what it has dropped."""
    return Shelf(max_bytes, drop=gone.append, starve=lambda stream: None)


def put_on(shelf: Shelf[Shelved], ring_bytes: int = 10**6, extra_bytes: int = 0) -> Shelved:
    """A new stream on *shelf*."""
    stream = Shelved(ring_bytes, extra_bytes)
    shelf.add(stream)
    return stream


def test_finished_streams_go_first_and_as_a_whole() -> None:
    """The one that ended first before the other; running ones keep everything as long as that is enough."""
    gone: list[Shelved] = []
    shelf = shelf_of(400 + 7 * EVENT_COST_BYTES + 3 * STREAM_COST_BYTES, gone)
    running, second, first = (put_on(shelf) for _ in range(3))
    for stream in (running, second, first):
        shelf.append(stream, 1, bytes(60))
        shelf.append(stream, 2, bytes(60))
    shelf.finish(first)
    shelf.finish(second)
    assert [] == gone
    shelf.append(running, 3, bytes(100))
    assert ([first], 3, 2) == (gone, len(running.ring), len(second.ring))
    assert second is shelf.first_finished
    assert (2, 340 + 5 * EVENT_COST_BYTES + 2 * STREAM_COST_BYTES) == (shelf.evictions, shelf.bytes)


def test_running_streams_give_their_oldest_events() -> None:
    """In the order in which those came, whosever they are."""
    shelf = shelf_of(4 * (10 + EVENT_COST_BYTES) + 2 * STREAM_COST_BYTES, [])
    one, other = put_on(shelf), put_on(shelf)
    for n in (1, 2):
        shelf.append(one, n, bytes(10))
        shelf.append(other, n, bytes(10))
    shelf.append(other, 3, bytes(10))
    assert (2, 1) == (one.ring.oldest, other.ring.oldest)
    shelf.append(other, 4, bytes(10))
    assert (2, 2) == (one.ring.oldest, other.ring.oldest)


def test_what_a_stream_takes_besides_its_events_counts() -> None:
    """A head that comes later pushes finished streams out too, and all of it is given back."""
    gone: list[Shelved] = []
    shelf = shelf_of(2 * STREAM_COST_BYTES + 100, gone)
    one, other = put_on(shelf, extra_bytes=40), put_on(shelf)
    shelf.finish(one)
    other.extra_bytes = 60
    shelf.extend(60)
    assert (gone, shelf.bytes) == ([], 2 * STREAM_COST_BYTES + 100)
    other.extra_bytes += 1
    shelf.extend(1)
    assert (gone, shelf.bytes) == ([one], STREAM_COST_BYTES + 61)
    shelf.remove(other)
    assert shelf.bytes == 0


_STEPS = st.lists(
    st.tuples(st.sampled_from(["append", "finish", "remove"]), st.integers(0, 4), st.integers(0, 200)), max_size=300
)


def test_a_new_stream_pushes_finished_ones_out() -> None:
    """What it takes besides its events counts; where only running ones are left it has its place all the same."""
    gone: list[Shelved] = []
    shelf = shelf_of(2 * STREAM_COST_BYTES, gone)
    one, other = put_on(shelf), put_on(shelf)
    shelf.finish(one)
    assert [] == gone
    put_on(shelf)
    assert [one] == gone
    put_on(shelf)
    shelf.append(other, 1, b"x")
    assert ([one], 3 * STREAM_COST_BYTES, 0) == (gone, shelf.bytes, len(other.ring))


@given(steps=_STEPS, max_bytes=st.integers(50, 5 * STREAM_COST_BYTES + 3000), ring_bytes=st.integers(50, 1000))
def test_the_bound_holds_whatever_happens(steps: list[tuple[str, int, int]], max_bytes: int, ring_bytes: int) -> None:
    """The sum is right after every step, and within the bound or as low as running ones go; finished ones go first."""
    gone: list[Shelved] = []
    shelf = shelf_of(max_bytes, gone)
    streams = {index: put_on(shelf, ring_bytes) for index in range(5)}
    running_bytes = 5 * STREAM_COST_BYTES
    finished: list[Shelved] = []
    kept = list(streams.values())
    for what, index, size in steps:
        stream = streams[index]
        if what == "append":
            shelf.append(stream, stream.ring.latest + 1, bytes(size))
        else:
            (shelf.finish if what == "finish" else shelf.remove)(stream)
            if what == "finish":
                finished.append(stream)
            else:
                kept.remove(stream)
            streams[index] = put_on(shelf, ring_bytes)
            kept.append(streams[index])
        here = [one for one in kept if one not in gone]
        assert sum(one.ring.bytes for one in here) + len(here) * STREAM_COST_BYTES == shelf.bytes
        assert shelf.bytes <= max(max_bytes, running_bytes)
    assert gone == finished[: len(gone)]


def test_places_of_events_that_are_gone_are_cleared_away() -> None:
    """A stream that evicts its own for ever must not make the shelf's memory of it grow."""
    shelf = shelf_of(10**6, [])
    stream = put_on(shelf, 10 * (1 + EVENT_COST_BYTES))
    for n in range(1, 20_000):
        shelf.append(stream, n, b"x")
    assert len(shelf._order) < 3000  # noqa: SLF001 -- nothing public shows it
    assert (10, 20_000 - 11) == (len(stream.ring), shelf.evictions)


def test_a_shelf_without_events_keeps_no_stream_in_memory() -> None:
    """The places of its events were cleared away in thousands only, each with its stream."""
    shelf = shelf_of(10**6, [])
    stream = put_on(shelf)
    watched = weakref.ref(stream)
    shelf.append(stream, 1, b"a")
    shelf.remove(stream)
    del stream
    assert watched() is None
    other = put_on(shelf)
    shelf.append(other, 1, b"b")
    assert (shelf.bytes, shelf.evictions) == (1 + EVENT_COST_BYTES + STREAM_COST_BYTES, 0)
