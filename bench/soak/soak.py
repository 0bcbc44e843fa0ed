"""Mixed load and random faults for as long as one likes, in front of a proxy with memory and one with Redis.

At the end every count has to add up, and nothing may be left.

    start ── warm-up ── rest ── census ── load and disturbances ── rest ── census, metrics ── SIGTERM under load
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator

import uvloop

from ..descriptors import raise_open_files_limit
from ..resume.store import Store, store
from .books import Books, is_counted
from .client import Result, perform
from .disturbances import DRAIN_DELAY_SECONDS, Disturbances
from .errands import BRIDGE_PATH, MIXES, Errand, Kind, errand
from .expected import Fault, Verdict
from .found import Found, Plan, Side
from .place import Place
from .processes import Proxy, UpstreamProcess, proxy, upstream
from .returning import come_back

__all__ = ["soak"]

_HEARTBEAT_SECONDS = 1.0
_TTL_SECONDS = 1.0
#: Short ones, so that every timeout happens many times; the soak's own limits are above them.
_FLAGS = (
    *("--heartbeat-seconds", str(_HEARTBEAT_SECONDS), "--commit-after-seconds", "1.5"),
    *("--first-event-timeout-seconds", "4", "--idle-timeout-seconds", "4", "--total-timeout-seconds", "60"),
    *("--client-stall-timeout-seconds", "3", "--max-event-bytes", "200000", "--detach-seconds", "2"),
    *("--resume-ttl-seconds", str(_TTL_SECONDS), "--drain-delay-seconds", str(DRAIN_DELAY_SECONDS)),
    *("--drain-seconds", "1", "--bridge", f"{BRIDGE_PATH}=/v1/chat/completions", "--bridge-model", "soak"),
)
_LIMIT_SECONDS = 60.0
#: Whoever is refused comes back a little later, and asks for something else.
_REFUSED, _RETRY_SECONDS = 503, 0.25
_LOOKS = 8
#: What is kept is looked after once a second.
_SWEEP_SECONDS = 1.2
#: Clients that read nothing wake up behind the proxy's patience.
_STALL_SECONDS = 5.0
#: What takes as long as a timeout, and leaves nothing that others do not: the warm-up does without.
_LONG = frozenset({Fault.STALL, Fault.LATE, Fault.STALLED, Fault.SLOW})
#: Streams that are open, and silent, when the process is told to end; their numbers are above all others.
_DRAINED, _DRAINED_FROM = 12, 1_000_000_000
_EXIT_SECONDS = 20.0


def soak(plan: Plan) -> Found:
    """Soak, and return what was found."""
    raise_open_files_limit()
    with contextlib.ExitStack() as stack:
        faulty = stack.enter_context(upstream(plan.mix, plan.seed))
        redis = stack.enter_context(store(_any_core())) if plan.with_redis else None
        stores = {"memory": "memory"} | ({"redis": redis.url} if redis is not None else {})
        proxies = [
            stack.enter_context(proxy(name, faulty.port, "--resume", url, *_FLAGS)) for name, url in stores.items()
        ]
        return uvloop.run(_Soak(plan, faulty, proxies, redis).run())


def _any_core() -> int:
    return max(os.sched_getaffinity(0))


class _Soak:
    def __init__(self, plan: Plan, faulty: UpstreamProcess, proxies: list[Proxy], redis: Store | None) -> None:
        self._plan = plan
        self._mix = MIXES[plan.mix]
        self._upstream = faulty
        self._disturbances = Disturbances(proxies, faulty, redis, plan.seed, plan.every_seconds)
        self._sides = [
            Side(
                proxy=each,
                books=Books(disturbed=self._disturbances.during),
                place=Place(
                    port=each.port,
                    limit_seconds=_LIMIT_SECONDS,
                    kept_seconds=_TTL_SECONDS,
                    stall_seconds=_STALL_SECONDS,
                ),
            )
            for each in proxies
        ]
        self._numbers: Iterator[int] = itertools.count()
        self._until = 0.0
        self._without: frozenset[Fault] = frozenset()

    async def run(self) -> Found:
        plan = self._plan
        await self._load(plan.warm_seconds, without=_LONG)
        await self._rest()
        for side in self._sides:
            side.before = await asyncio.to_thread(side.proxy.census)
        began = time.monotonic()
        watching = [asyncio.create_task(each) for each in (self._watch(began), self._tell(began))]
        disturbing = asyncio.create_task(self._disturbances.run())
        await self._load(plan.seconds)
        seconds = time.monotonic() - began
        for task in (*watching, disturbing):
            task.cancel()
        await asyncio.gather(*watching, disturbing, return_exceptions=True)
        await self._disturbances.end()
        await self._rest()
        for side in self._sides:
            await self._count(side)
        await asyncio.gather(*(self._end(side) for side in self._sides))
        counts = dict(self._disturbances.counts)
        return Found(plan=plan, seconds=seconds, sides=self._sides, disturbances=counts)

    async def _load(self, seconds: float, *, without: frozenset[Fault] = frozenset()) -> None:
        self._until = time.monotonic() + seconds
        self._without = without
        async with asyncio.TaskGroup() as group:
            for _ in range(self._plan.load):
                group.create_task(self._work())

    async def _work(self) -> None:
        while time.monotonic() < self._until:
            number = next(self._numbers)
            wanted = errand(self._mix, self._plan.seed, number)
            if wanted.fault not in self._without:
                side = self._sides[number % len(self._sides)]
                result = await self._one(wanted, side)
                side.books.add(result)
                if result.statuses[-1:] == [_REFUSED]:
                    await asyncio.sleep(_RETRY_SECONDS)

    @staticmethod
    async def _one(wanted: Errand, side: Side) -> Result:
        do = come_back if wanted.kind is Kind.RESUME else perform
        return await do(wanted, side.place, f"soak-{wanted.number}")

    async def _rest(self) -> None:
        """Wait until everything is over that ends by itself, and close what is kept open for the next request."""
        deadline = time.monotonic() + _LIMIT_SECONDS
        while (await self._upstream.order(do="idle"))["connections"] and time.monotonic() < deadline:  # noqa: ASYNC110  another process has no event
            await asyncio.sleep(0.2)
        await asyncio.sleep(_TTL_SECONDS + _SWEEP_SECONDS)
        await self._upstream.order(do="idle")
        for side in self._sides:
            side.books.read(side.proxy.new_lines())
            side.books.compare()

    async def _watch(self, began: float) -> None:
        pause = min(5.0, self._plan.seconds / 100)
        while True:
            for side in self._sides:
                side.memory.append((time.monotonic() - began, side.proxy.resident_kib))
            await asyncio.sleep(pause)

    async def _tell(self, began: float) -> None:
        while True:
            await asyncio.sleep(60.0)
            told = []
            for side in self._sides:
                side.books.read(side.proxy.new_lines())
                books = side.books
                told.append(
                    f"{side.proxy.name}: {books.seen.total()} errands, {sum(books.events.values())} events, "
                    f"{side.memory[-1][1] / 1024:.1f} MiB, {books.fault_count} wrong"
                )
            print(f"{(time.monotonic() - began) / 60:.0f} min · " + " · ".join(told), flush=True)

    async def _count(self, side: Side) -> None:
        # What is only late is gone in a while, and what leaks is not.
        for _ in range(_LOOKS):
            side.after = await asyncio.to_thread(side.proxy.census)
            if not side.left_behind():
                break
            await asyncio.sleep(_SWEEP_SECONDS)
        side.cpu_seconds = sum(side.proxy.clocks.values())
        side.books.read(side.proxy.new_lines())
        side.books.close()
        side.books.check(await asyncio.to_thread(side.proxy.metrics))
        side.check_census()
        side.check_memory()
        for complaint in side.proxy.complaints():
            side.books.fault(f"in the log: {complaint}")

    async def _end(self, side: Side) -> None:
        """Tell the process to end while streams are open: each is told, and counted as drained."""
        books = Books()
        waiting = [asyncio.create_task(self._one(each, side)) for each in self._silent()]
        while side.place.alive < _DRAINED:  # noqa: ASYNC110  another process has no event
            await asyncio.sleep(0.05)
        side.proxy.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(side.proxy.process.wait, _EXIT_SECONDS)
        if code:
            side.books.fault(f"it ended with code {code} when it was told to end")
        results = [await each for each in waiting]
        books.read(side.proxy.new_lines())
        for result in results:
            if result.verdict not in {Verdict.TOLD, Verdict.CUT}:
                side.books.fault(f"{result.name}, when the process ended: {result.verdict.value} {result.detail}")
        drained = sum(count for (_, outcome), count in books.outcomes.items() if outcome == "drained")
        if drained != _DRAINED:
            side.books.fault(f"{_DRAINED} streams were open at the end, {drained} were counted as drained")

    def _silent(self) -> Iterator[Errand]:
        every = (errand(self._mix, self._plan.seed, number) for number in itertools.count(_DRAINED_FROM))
        wanted = (each for each in every if each.fault is Fault.STALL and each.kind is Kind.STREAM and is_counted(each))
        return itertools.islice(wanted, _DRAINED)
