"""`flag`: an `asyncio.Event` in little memory."""

from __future__ import annotations

import asyncio
import tracemalloc

from sse_proxy.flag import Flag


async def test_all_who_wait_are_woken_and_later_ones_do_not_wait() -> None:
    """Until it is cleared; who was woken before that goes on all the same."""
    flag = Flag()
    waiting = [asyncio.create_task(flag.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    flag.set()
    flag.clear()
    assert await asyncio.gather(*waiting) == [True] * 3
    flag.set()
    assert flag.is_set()
    assert await flag.wait()
    flag.clear()
    again = asyncio.create_task(flag.wait())
    await asyncio.sleep(0)
    assert (flag.is_set(), again.done()) == (False, False)
    flag.set()
    assert await again


async def test_one_who_is_cancelled_does_not_take_others_along() -> None:
    """Nor is it in the way of `set`."""
    flag = Flag()
    leaving, staying = (asyncio.create_task(flag.wait()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    flag.set()
    await asyncio.wait({leaving, staying})
    assert (leaving.cancelled(), staying.result()) == (True, True)


def test_it_weighs_a_fraction_of_an_event() -> None:
    """Its reason to be."""

    def weight(kind: type[asyncio.Event]) -> int:
        tracemalloc.start()
        kept = [kind() for _ in range(100)]
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(kept) == 100
        return size

    assert weight(Flag) * 4 < weight(asyncio.Event)
