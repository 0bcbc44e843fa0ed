"""CPU an event and memory a stream: kept in memory, kept in Redis, with ids only, and not at all.

What is compared runs at the same time on the same core, each in a new process: noise meets all alike, and does so
whatever else the machine does. The ratio is taken within a round.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import defaultdict
from dataclasses import dataclass, field

import uvloop

from ..client import StreamClient
from ..control import Control, upstream
from ..cores import on
from ..load import check, ended, open_all
from ..manner import Manner
from ..meter import Meter
from ..processes import spent_seconds
from ..servers import Running, running
from ..stats import ratio, spread
from .places import places
from .store import Store, store
from .tables import goal, spread_of, table
from .variants import IDS, NUMBERED, OFF, REDIS, UNKEPT, Variant, variants

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

    def note_redis(self, redis: Store, spent: dict[int, float], events: int, seconds: float) -> None:
        """Add what *redis* did for so many events, in so much time."""
        self.redis_cpu_us.append(spent_seconds(spent, redis.clocks) / events * 1e6)
        self.rates.append(events / seconds)
        for command, calls in redis.commands().items():
            self.commands[command].append(calls / seconds)


def cost(plan: Plan) -> str:
    """Measure, and return the section of the page."""
    server, load, other = places()
    costs, dice = Costs(), random.Random(plan.seed)  # noqa: S311  the order of the variants
    with upstream(other) as control, store(other) as redis, on(load):
        control.set(Manner(rate=plan.rate))
        compared = variants(redis.url, plan.against)
        for number in range(plan.rounds):
            for group in (UNKEPT, NUMBERED):
                together = [variant for variant in compared if variant.group == group]
                with contextlib.ExitStack() as stack:
                    servers = {
                        variant: stack.enter_context(
                            running(variant.peer, control.port, server, environment=dict(variant.environment))
                        )
                        for variant in dice.sample(together, len(together))
                    }
                    uvloop.run(_measure(plan, number, servers, control, redis, costs))
                told = ", ".join(f"{each.name} {costs.cpu_us[each.name][number]:.1f}" for each in together)
                print(f"round {number + 1}, µs an event: {told}", flush=True)
    return report(plan, compared, costs)


async def _measure(
    plan: Plan, number: int, servers: dict[Variant, Running], control: Control, redis: Store, costs: Costs
) -> None:
    empty = {variant: server.resident_bytes for variant, server in servers.items()}
    meters = {variant: Meter() for variant in servers}
    clients = []
    for variant, server in servers.items():
        clients += await open_all(StreamClient, variant.request, meters[variant], server.port, plan.streams)
    await asyncio.sleep(plan.settle_seconds)
    redis.count_from_here()
    began, redis_spent = time.monotonic(), redis.clocks
    before = {variant: (server.clocks, meters[variant].events) for variant, server in servers.items()}
    await asyncio.sleep(plan.window_seconds)
    for variant, server in servers.items():
        spent, events = before[variant]
        count = meters[variant].events - events
        costs.cpu_us[variant.name][number] = spent_seconds(spent, server.clocks) / count * 1e6
        costs.stream_kib[variant.name][number] = (server.resident_bytes - empty[variant]) / plan.streams / 1024
        costs.events.append(meters[variant].events / plan.streams)
        if variant.name == REDIS:
            costs.note_redis(redis, redis_spent, count, time.monotonic() - began)
    control.stop()
    await ended(clients)
    for meter in meters.values():
        check(meter)


def report(plan: Plan, compared: tuple[Variant, ...], costs: Costs) -> str:
    """The section."""
    cpu = costs.cpu_us
    rows = [
        (
            variant.title,
            spread_of(spread(list(cpu[variant.name].values())), 1),
            "" if variant.name == variant.base else f"{_ratio(cpu, variant.name, variant.base)} × {variant.base}",
            spread_of(spread(list(costs.stream_kib[variant.name].values())), 0),
        )
        for variant in compared
    ]
    text = (
        f"{plan.streams} streams × {plan.rate:g} tokens a second for each variant, a process of its own; those that "
        f"are compared share a core at the same time. {plan.rounds} rounds of {plan.window_seconds:g} s: median "
        "(range). Memory: what the process had more than without streams, by a stream, when each had had "
        f"{min(costs.events):.0f} to {max(costs.events):.0f} events; kept events are in it.\n\n"
    )
    text += table(["", "CPU µs an event", "ratio within the rounds", "RSS KiB a stream"], rows)
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


def _ratio(cpu: dict[str, dict[int, float]], name: str, base: str) -> str:
    return spread_of(ratio(cpu[name], cpu[base]), 2)
