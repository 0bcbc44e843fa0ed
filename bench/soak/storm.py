"""Thousands of streams at a time, a hundredth of which are hit by a fault in every second, and replaced.

The proxy has a core for itself, the clients and the upstream share another one. Each stream says something every 8 to
16 seconds, so that a heartbeat is due in every gap, and both are checked to the byte.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import uvloop

from sse_proxy.cli.garbage import THRESHOLDS
from sse_proxy.outcome import Outcome

from ..cores import on
from ..descriptors import open_files_limit, raise_open_files_limit
from ..load import Failed
from ..processes import spent_seconds
from ..resume.places import places
from ..stats import percentile
from .books import Books
from .client import perform
from .errands import STORM, errand
from .expected import Fault
from .place import Place
from .processes import Metrics, Proxy, UpstreamProcess, proxy, upstream

__all__ = ["HEARTBEAT_SECONDS", "Plan", "Weather", "bucket", "quantiles", "storm"]

HEARTBEAT_SECONDS = 5.0
#: Silence of an upstream that is a fault: well above the longest pause of `STORM`.
_IDLE_SECONDS = 45.0
_FLAGS = ("--heartbeat-seconds", str(HEARTBEAT_SECONDS), "--idle-timeout-seconds", str(_IDLE_SECONDS))
#: So many local addresses: each has ports of its own, of which some wait for their time after a connection.
_SOURCES = tuple(f"127.0.0.{number}" for number in range(1, 9))
#: The loader has one descriptor a stream, the proxy two.
_DESCRIPTORS = 2
_SPARE_DESCRIPTORS = 200
_BEGIN_SECONDS = 180.0
_LIMIT_SECONDS = 3600.0
_ALIVE_ENOUGH = 0.96
_LAG = "sse_proxy_event_loop_lag_seconds_bucket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried.

    *opens_a_second*: while the streams begin.
    """

    streams: int = 8000
    seconds: float = 600.0
    seed: int = 1
    opens_a_second: float = 200.0


@dataclass(slots=True, kw_only=True)
class Weather:
    """What was seen while all streams were there; see `page` for what the figures mean."""

    plan: Plan
    books: Books
    place: Place
    begin_seconds: float = 0.0
    seconds: float = 0.0
    alive: list[int] = field(default_factory=list)
    memory_kib: list[float] = field(default_factory=list)
    empty_kib: float = 0.0
    hit: Counter[Fault] = field(default_factory=Counter)
    proxy_cpu: float = 0.0
    upstream_cpu: float = 0.0
    loader_cpu: float = 0.0
    events: int = 0
    lag_seconds: tuple[float, float] = (0.0, 0.0)


def storm(plan: Plan) -> Weather:
    """Blow, and return what was seen.

    Raises:
        Failed: the machine does not allow so many descriptors, or the streams do not begin.
    """
    raise_open_files_limit()
    wanted = _DESCRIPTORS * plan.streams + _SPARE_DESCRIPTORS
    if open_files_limit() < wanted:
        raise Failed(f"{plan.streams} streams need {wanted} descriptors (ulimit -n), the hard limit is below")
    server, load, other = places()
    # Thousands of clients are hundreds of thousands of objects, which stay: to look them through takes seconds.
    gc.set_threshold(*THRESHOLDS)
    with (
        upstream("storm", plan.seed, core=other) as faulty,
        proxy("proxy", faulty.port, *_FLAGS, core=server) as running,
        on(load),
    ):
        return uvloop.run(_Storm(plan, faulty, running).run())


class _Storm:
    def __init__(self, plan: Plan, faulty: UpstreamProcess, running: Proxy) -> None:
        self._plan = plan
        self._upstream = faulty
        self._proxy = running
        self._over_at = float("inf")
        self._numbers: Iterator[int] = itertools.count()
        place = Place(
            port=running.port, limit_seconds=_LIMIT_SECONDS, heartbeat_seconds=HEARTBEAT_SECONDS, sources=_SOURCES
        )
        self._seen = Weather(plan=plan, books=Books(disturbed=self._may_have_left), place=place)

    def _may_have_left(self, _began: float, ended: float) -> frozenset[Outcome | None]:
        """At the end, everybody leaves."""
        return frozenset({Outcome.CLIENT_DISCONNECTED, Outcome.COMPLETED}) if ended >= self._over_at else frozenset()

    async def run(self) -> Weather:
        seen, plan = self._seen, self._plan
        seen.empty_kib = self._proxy.resident_kib
        working = [asyncio.create_task(self._keep_one(number)) for number in range(plan.streams)]
        await self._until_begun()
        await self._blow()
        self._over_at = time.monotonic()
        seen.place.is_over = True
        await asyncio.gather(*working)
        await self._count()
        return seen

    async def _keep_one(self, number: int) -> None:
        """One stream after the other."""
        await asyncio.sleep(number / self._plan.opens_a_second)
        place, books = self._seen.place, self._seen.books
        while not place.is_over:
            next_one = next(self._numbers)
            result = await perform(errand(STORM, self._plan.seed, next_one), place, f"storm-{next_one}")
            books.add(result)
            if not place.is_over:
                self._seen.hit[result.errand.fault] += 1

    async def _until_begun(self) -> None:
        plan, seen = self._plan, self._seen
        began = time.monotonic()
        deadline = began + plan.streams / plan.opens_a_second + _BEGIN_SECONDS
        while seen.place.alive < _ALIVE_ENOUGH * plan.streams:
            if time.monotonic() > deadline:
                raise Failed(f"{seen.place.alive} of {plan.streams} streams had begun; {seen.books.faults[:3]}")
            await asyncio.sleep(0.2)
        seen.begin_seconds = time.monotonic() - began

    async def _blow(self) -> None:
        """All that is counted and measured is of this time."""
        seen = self._seen
        seen.place.first_seconds.clear()
        seen.place.late_seconds.clear()
        seen.hit.clear()
        before = await asyncio.to_thread(self._proxy.metrics)
        clocks, began, own = (self._proxy.clocks, self._upstream.clocks), time.monotonic(), time.process_time()
        told = began
        while (now := time.monotonic()) - began < self._plan.seconds:
            seen.alive.append(seen.place.alive)
            seen.memory_kib.append(self._proxy.resident_kib)
            if now - told >= 60.0:
                told = now
                self._tell(now - began)
            await asyncio.sleep(1.0)
        seen.seconds = time.monotonic() - began
        seen.proxy_cpu = spent_seconds(clocks[0], self._proxy.clocks) / seen.seconds
        seen.upstream_cpu = spent_seconds(clocks[1], self._upstream.clocks) / seen.seconds
        seen.loader_cpu = (time.process_time() - own) / seen.seconds
        after = await asyncio.to_thread(self._proxy.metrics)
        seen.lag_seconds = (bucket(before, after, _LAG, 50), bucket(before, after, _LAG, 99))

    def _tell(self, seconds: float) -> None:
        seen = self._seen
        seen.books.read(self._proxy.new_lines())
        seen.books.compare()
        print(
            f"{seconds / 60:.0f} min · {seen.place.alive} streams · {seen.hit.total()} hit · "
            f"{seen.memory_kib[-1] / 1024:.0f} MiB · {seen.books.fault_count} wrong",
            flush=True,
        )

    async def _count(self) -> None:
        books = self._seen.books
        deadline = time.monotonic() + _BEGIN_SECONDS
        while (await self._upstream.order(do="idle"))["streams"] and time.monotonic() < deadline:  # noqa: ASYNC110  another process has no event
            await asyncio.sleep(0.2)
        await asyncio.sleep(1.0)
        books.read(self._proxy.new_lines())
        books.close()
        books.check(await asyncio.to_thread(self._proxy.metrics))
        self._seen.events = books.client_events
        for complaint in self._proxy.complaints():
            books.fault(f"in the log: {complaint}")


def bucket(before: Metrics, after: Metrics, name: str, percent: float) -> float:
    """The upper bound of the bucket that holds the *percent* of what was observed in between; 0.0 of nothing."""
    counts = sorted(
        (float(dict(labels)["le"]), value - before.get((sample, labels), 0.0))
        for (sample, labels), value in after.items()
        if sample == name
    )
    total = counts[-1][1] if counts else 0.0
    return next((edge for edge, count in counts if total and count >= total * percent / 100), 0.0)


def quantiles(values: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile; zeros of nothing."""
    return (percentile(values, 50), percentile(values, 99)) if values else (0.0, 0.0)
