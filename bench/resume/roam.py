"""Clients that change replicas all the time: what each of them was told, in a table, one row a thing that happened.

The streams have begun before anything happens, and are far from their end. Each fault has replicas and a Redis of its
own, the load of all is the same.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import uvloop

from ..control import Control, upstream
from ..cores import on
from ..descriptors import raise_open_files_limit
from ..manner import Manner
from .faults import FAULTS, Fault
from .fleet import Fleet, fleet
from .places import places
from .roamer import GAVE_UP, NOTHING_LEFT, SILENT_END, WHOLE, Roamer
from .store import Store, store
from .tables import goal, table

__all__ = ["Plan", "Sight", "report", "roam"]

_REPLICAS = 3
#: In which the clients begin, so that they do not move in step.
_BEGIN_SECONDS = 2.0
#: When the clients are through: what nobody can have any more is to end.
_END_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried."""

    clients: int = 200
    tokens: int = 240
    rate: float = 10.0
    fault_after_seconds: float = 6.0
    patience_seconds: float = 20.0
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the clients of one run saw."""

    fault: Fault
    verdicts: Counter[str]
    troubles: Counter[str]
    lost: int
    doubled: int
    garbled: int
    visits: int
    #: Asked for at the upstream, and still running a little after the clients were through.
    generations: int
    running: int
    seconds: float


def roam(plan: Plan, faults: Sequence[Fault] = FAULTS) -> str:
    """Try all *faults*, and return the section of the page."""
    raise_open_files_limit()
    cores = places()
    sights = []
    for fault in faults:
        with (
            upstream(cores[2]) as control,
            store(cores[1], *fault.flags) as redis,
            fleet(_REPLICAS, control.port, redis.url, cores) as replicas,
            on(cores[1]),
        ):
            control.set(Manner(rate=plan.rate))
            sight = uvloop.run(_run(plan, fault, replicas, redis, control))
        sights.append(sight)
        print(f"{fault.name}: {dict(sight.verdicts)}, on the way {dict(sight.troubles)}", flush=True)
    return report(plan, sights)


async def _run(plan: Plan, fault: Fault, replicas: Fleet, redis: Store, control: Control) -> Sight:
    began = time.monotonic()
    roamers = [
        Roamer(
            name=f"{plan.seed}-{number}",
            ports=replicas.ports,
            dice=random.Random(f"{plan.seed} {fault.name} {number}"),  # noqa: S311  where it goes, and when
            tokens=plan.tokens,
            patience_seconds=plan.patience_seconds,
        )
        for number in range(plan.clients)
    ]
    async with asyncio.TaskGroup() as group:
        for roamer in roamers:
            group.create_task(_later(roamer))
        await asyncio.gather(*(roamer.begun.wait() for roamer in roamers))
        await asyncio.sleep(plan.fault_after_seconds)
        await fault.happen(replicas, redis)
    seconds = time.monotonic() - began
    await asyncio.sleep(_END_SECONDS)
    generations, running = control.generations()
    ledgers = [roamer.ledger for roamer in roamers]
    return Sight(
        fault=fault,
        verdicts=Counter(str(roamer.verdict) for roamer in roamers),
        troubles=sum((roamer.troubles for roamer in roamers), Counter()),
        lost=sum(ledger.lost for ledger in ledgers),
        doubled=sum(ledger.doubled for ledger in ledgers),
        garbled=sum(ledger.garbled for ledger in ledgers),
        visits=sum(roamer.visits for roamer in roamers),
        generations=generations,
        running=running,
        seconds=seconds,
    )


async def _later(roamer: Roamer) -> None:
    await asyncio.sleep(roamer.dice.uniform(0, _BEGIN_SECONDS))
    await roamer.run()


def report(plan: Plan, sights: Sequence[Sight]) -> str:
    """The section."""
    text = (
        f"{_REPLICAS} replicas on one Redis, {plan.clients} streams of {plan.tokens} tokens at {plan.rate:g} a second; "
        "each client leaves after half a second to one and a half, and comes back to any replica with `Last-Event-ID` "
        f"(dead ones too: nobody checks their health). What happens does so {plan.fault_after_seconds:g} s after all "
        f"have begun. A client gives up after {plan.patience_seconds:g} s without an event. Seed {plan.seed}.\n\n"
    )
    head = ["what happened", "how readers ended", "lost", "doubled", "second generations", "connections"]
    head += ["on the way", "running at the end", "s"]
    rows = [
        (
            sight.fault.title,
            _counts(sight.verdicts),
            sight.lost,
            sight.doubled + sight.garbled,
            sight.generations - plan.clients,
            sight.visits,
            _counts(sight.troubles) or "–",
            sight.running,
            f"{sight.seconds:.0f}",
        )
        for sight in sights
    ]
    text += table(head, rows) + "\n"
    return text + "".join(_goals(plan, sight) for sight in sights)


def _goals(plan: Plan, sight: Sight) -> str:
    title, generations = sight.fault.title, sight.generations
    errors = sight.lost + sight.doubled + sight.garbled
    text = goal(
        f"{title}: no event lost or doubled: {errors}; nothing generated twice: {generations - plan.clients}",
        is_met=not errors and generations == plan.clients,
    )
    if sight.fault.is_harmless:
        whole = sight.verdicts[WHOLE]
        return text + goal(f"{title}: every answer complete: {whole} of {plan.clients}", is_met=whole == plan.clients)
    untold = sight.verdicts[GAVE_UP] + sight.verdicts[NOTHING_LEFT] + sight.troubles[SILENT_END]
    return text + goal(f"{title}: nobody left without the end or a reason: {untold}", is_met=not untold)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())
