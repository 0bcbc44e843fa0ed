"""CPU an event and memory a stream: kept in memory, kept in Redis, with ids only, and not at all.

In each round every variant has a new process, so that none has another's memory; the order changes from round to round,
and ratios are taken within a round, since noise meets both alike.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field

import uvloop

from ..client import StreamClient
from ..control import Control, upstream
from ..cores import on
from ..load import ended, open_all
from ..manner import Manner
from ..meter import Meter
from ..processes import spent_seconds
from ..servers import Running, running
from ..stats import ratio, spread
from .places import places
from .store import Store, store
from .tables import goal, spread_of, table
from .variants import IDS, OFF, Variant, variants

__all__ = ["Costs", "Plan", "cost", "report"]

#: A kept stream may cost so many times what one with ids costs.
_MOST_OF_IDS = 1.25
#: What "unchanged" can mean on a machine with other work.
_MOST_OF_OFF = 1.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    rounds: int = 3
    streams: int = 100
    rate: float = 20.0
    window_seconds: float = 6.0
    #: Before it.
    settle_seconds: float = 1.0
    seed: int = 1
    #: A checkout to compare with.
    against: str | None = None


@dataclass(slots=True)
class Costs:
    """Figure → variant → round → value."""

    cpu_us: defaultdict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    stream_kib: defaultdict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    #: Events a stream had behind it when its memory was looked at.
    events: list[float] = field(default_factory=list)
    redis_cpu_us: list[float] = field(default_factory=list)
    #: Events a second, for the commands to be compared with.
    rates: list[float] = field(default_factory=list)
    commands: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def cost(plan: Plan) -> str:
    """Measure, and return the section of the page."""
    server, load, other = places()
    costs, dice = Costs(), random.Random(plan.seed)  # noqa: S311  the order of the variants
    with upstream(other) as control, store(other) as redis, on(load):
        control.set(Manner(rate=plan.rate))
        compared = variants(redis.url, plan.against)
        for number in range(plan.rounds):
            for variant in dice.sample(compared, len(compared)):
                with running(variant.peer, control.port, server, environment=dict(variant.environment)) as process:
                    uvloop.run(_measure(plan, number, variant, process, control, redis, costs))
                cpu = costs.cpu_us[variant.name][number]
                print(f"round {number + 1}, {variant.name}: {cpu:.1f} µs an event", flush=True)
    return report(plan, compared, costs)


async def _measure(
    plan: Plan, number: int, variant: Variant, server: Running, control: Control, redis: Store, costs: Costs
) -> None:
    meter, empty_bytes = Meter(), server.resident_bytes
    clients = await open_all(StreamClient, variant.request, meter, server.port, plan.streams)
    await asyncio.sleep(plan.settle_seconds)
    redis.count_from_here()
    spent, redis_spent, events, began = server.clocks, redis.clocks, meter.events, time.monotonic()
    await asyncio.sleep(plan.window_seconds)
    seconds, count = time.monotonic() - began, meter.events - events
    costs.cpu_us[variant.name][number] = spent_seconds(spent, server.clocks) / count * 1e6
    costs.stream_kib[variant.name][number] = (server.resident_bytes - empty_bytes) / plan.streams / 1024
    costs.events.append(meter.events / plan.streams)
    if "redis" in variant.name:
        costs.redis_cpu_us.append(spent_seconds(redis_spent, redis.clocks) / count * 1e6)
        costs.rates.append(count / seconds)
        for command, calls in redis.commands().items():
            costs.commands[command].append(calls / seconds)
    control.stop()
    await ended(clients)
    if meter.faults:
        raise RuntimeError(f"{variant.name}: {meter.faults[0]}")


def report(plan: Plan, compared: tuple[Variant, ...], costs: Costs) -> str:
    """The section."""
    cpu, ids = costs.cpu_us, costs.cpu_us[IDS]
    rows = [
        (
            variant.title,
            spread_of(spread(list(cpu[variant.name].values())), 1),
            spread_of(ratio(cpu[variant.name], ids), 2),
            spread_of(spread(list(costs.stream_kib[variant.name].values())), 0),
        )
        for variant in compared
    ]
    text = (
        f"{plan.streams} streams × {plan.rate:g} tokens a second, each variant a process of its own on a core of its "
        f"own, {plan.rounds} interleaved rounds of {plan.window_seconds:g} s: median (range). Memory: what the process "
        f"had more than without streams, by a stream, when each had had {min(costs.events):.0f} to "
        f"{max(costs.events):.0f} events; kept events are in it.\n\n"
    )
    text += table(["", "CPU µs an event", "× ids without a store", "RSS KiB a stream"], rows)
    return text + "\n" + _of_redis(costs) + "\n" + _goals(plan, cpu)


def _of_redis(costs: Costs) -> str:
    rates = spread(costs.rates)
    commands = {name: spread(calls) for name, calls in costs.commands.items()}
    told = sorted(((each.median, name) for name, each in commands.items() if each and each.median >= 1), reverse=True)
    events = rates.median if rates else 0.0
    return (
        f"redis-server beside it: {spread_of(spread(costs.redis_cpu_us), 1)} µs of CPU an event, at {events:.0f} "
        "events a second. Commands a second (those within scripts count too): "
        + ", ".join(f"`{name}` {calls:.0f}" for calls, name in told)
        + ".\n"
    )


def _goals(plan: Plan, cpu: dict[str, dict[int, float]]) -> str:
    asked = [("memory", IDS, _MOST_OF_IDS), ("bridge-memory", IDS, _MOST_OF_IDS), ("unasked", OFF, _MOST_OF_OFF)]
    if plan.against:
        asked.append((OFF, "before", _MOST_OF_OFF))
    text = ""
    for name, base, most in asked:
        found = ratio(cpu[name], cpu[base])
        text += goal(f"{name} ≤ {most:g} × {base}: {spread_of(found, 2)}", is_met=bool(found and found.median <= most))
    return text
