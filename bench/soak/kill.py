"""A proxy is killed (SIGKILL) under load: what its readers lose, in events, what they are told, and how soon.

Three rows: streams that nobody keeps, streams that the process itself keeps, and each of three replicas in turn whose
streams are in Redis. The process is started again where it was, as a supervisor does, and readers come back to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvloop

from ..client import StreamClient
from ..control import Control
from ..control import upstream as plain_upstream
from ..cores import on
from ..load import ended, open_all, request_for
from ..manner import Manner
from ..meter import Meter
from ..peers import CHAT
from ..resume.ledger import OPENING_EVENTS, Ledger
from ..resume.places import places
from ..resume.roamer import GAVE_UP, NOTHING_LEFT, SILENT_END, WHOLE, Roamer
from ..resume.store import store
from .processes import Proxy, proxy
from .replayed import replayed

__all__ = ["Plan", "Toll", "is_met", "kill"]

_REPLICAS = 3
_FLAGS = ("--drain-delay-seconds", "0", "--drain-seconds", "1")
#: Nobody leaves by itself.
_FOR_EVER = (1e6, 1e6)
_ROAMING = (1.0, 3.0)
#: In which the readers begin, so that they do not move in step.
_BEGIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried: *readers* of answers of so many *tokens*; the kill comes when all have begun, and a while."""

    readers: int = 90
    tokens: int = 80
    rate: float = 10.0
    kill_after_seconds: float = 2.5
    away_seconds: float = 1.0
    patience_seconds: float = 60.0
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Toll:
    """What one kill has cost.

    *written*: tokens that the upstream had written, of all streams of the row; *read*: those that readers have got in
    the end. *told*: reader's verdict → how many. *noticed_seconds*: from the kill until each reader that was connected
    had lost the line. *kept*, *replayed*: events that readers had had of what the store has, and those that were
    replayed from their first one on afterwards, by every replica; None: nothing is kept.
    """

    title: str
    readers: int
    written: int
    read: int
    told: Counter[str]
    doubled: int = 0
    skipped: int = 0
    noticed_seconds: list[float] = field(default_factory=list)
    second_generations: int = 0
    kept: int | None = None
    replayed: int | None = None

    @property
    def untold(self) -> int:
        """Readers that were left without the end, an error, a status or a lost line."""
        return self.told[GAVE_UP] + self.told[NOTHING_LEFT] + self.told[SILENT_END]


def kill(plan: Plan) -> list[Toll]:
    """Kill one after the other, and return what each has cost."""
    cores = places()
    with plain_upstream(cores[2]) as control, on(cores[1]):
        return [_plain(plan, control, cores[0]), _memory(plan, control, cores[0]), *_redis(plan, control, cores)]


def _plain(plan: Plan, control: Control, core: int) -> Toll:
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(proxy("plain", control.port, *_FLAGS, core=core))
        control.set(Manner(rate=plan.rate))
        return uvloop.run(_killed_plainly(plan, control, running))


async def _killed_plainly(plan: Plan, control: Control, running: Proxy) -> Toll:
    meter = Meter()
    clients = await open_all(StreamClient, request_for(CHAT), meter, running.port, plan.readers)
    await asyncio.sleep(plan.kill_after_seconds)
    noticed: list[float] = []
    loop = asyncio.get_running_loop()
    for client in clients:
        client.ended.add_done_callback(lambda _ended: noticed.append(loop.time()))
    killed = loop.time()
    os.kill(running.pid, signal.SIGKILL)
    await ended(clients)
    await asyncio.sleep(plan.away_seconds)  # what the upstream still writes, nobody reads
    return Toll(
        title="one proxy, streams not kept",
        readers=plan.readers,
        written=control.stop(),
        read=meter.events,
        told=Counter({"connection lost": sum("the connection was lost" in fault for fault in meter.faults)}),
        noticed_seconds=[moment - killed for moment in noticed],
    )


def _memory(plan: Plan, control: Control, core: int) -> Toll:
    with contextlib.ExitStack() as stack:
        rig = _Rig(plan, control, stack, ("memory",), "memory", (core,))
        return uvloop.run(rig.killed("one proxy, streams kept in its memory", 0, _FOR_EVER))


def _redis(plan: Plan, control: Control, cores: tuple[int, int, int]) -> list[Toll]:
    with store(cores[1]) as redis, contextlib.ExitStack() as stack:
        names = tuple(f"replica {number}" for number in range(1, _REPLICAS + 1))
        rig = _Rig(plan, control, stack, names, redis.url, cores)
        return [
            uvloop.run(rig.killed(f"{_REPLICAS} replicas on Redis, {name} killed", number, _ROAMING))
            for number, name in enumerate(names)
        ]


class _Rig:
    """Some replicas on one store, of which one at a time is killed and started again."""

    def __init__(
        self,
        plan: Plan,
        control: Control,
        stack: contextlib.ExitStack,
        names: Sequence[str],
        kept_in: str,
        cores: Sequence[int],
    ) -> None:
        self._plan = plan
        self._control = control
        self._stack = stack
        self._flags = ("--resume", kept_in, *_FLAGS)
        self._cores = cores
        self._replicas = [self._start(name, number, ()) for number, name in enumerate(names)]

    def _start(self, name: str, number: int, ports: Sequence[int]) -> Proxy:
        core = self._cores[number % len(self._cores)]
        return self._stack.enter_context(proxy(name, self._control.port, *self._flags, core=core, ports=ports))

    async def killed(self, title: str, victim: int, stay_seconds: tuple[float, float]) -> Toll:
        """Let readers begin, kill the replica *victim*, start it again, and see the readers to their end."""
        plan = self._plan
        self._control.set(Manner(rate=plan.rate))
        ports = [replica.port for replica in self._replicas]
        readers = [
            Roamer(
                name=f"{title} {plan.seed} {number}".replace(" ", "-").replace(",", ""),
                ports=ports,
                dice=random.Random(f"{plan.seed} {title} {number}"),  # noqa: S311  where it goes, and when
                tokens=plan.tokens,
                patience_seconds=plan.patience_seconds,
                stay_seconds=stay_seconds,
            )
            for number in range(plan.readers)
        ]
        async with asyncio.TaskGroup() as group:
            for reader in readers:
                group.create_task(_later(reader))
            await asyncio.gather(*(reader.begun.wait() for reader in readers))
            await asyncio.sleep(plan.kill_after_seconds)
            killed = asyncio.get_running_loop().time()
            await asyncio.to_thread(self._kill_and_start, victim)
        return await self._toll(title, readers, killed)

    def _kill_and_start(self, victim: int) -> None:
        dead = self._replicas[victim]
        os.kill(dead.pid, signal.SIGKILL)
        dead.process.wait()
        time.sleep(self._plan.away_seconds)
        self._replicas[victim] = self._start(dead.name, victim, (dead.port, dead.admin_port))

    async def _toll(self, title: str, readers: Sequence[Roamer], killed: float) -> Toll:
        ledgers = [reader.ledger for reader in readers]
        generations, _ = self._control.generations()
        told = Counter(str(reader.verdict) for reader in readers)
        # Not how it ended, but on the way: a response that ended as if the answer were whole.
        told[SILENT_END] += sum(reader.troubles[SILENT_END] for reader in readers)
        toll = Toll(
            title=title,
            readers=len(readers),
            written=self._control.stop(),
            read=sum(_tokens(reader.ledger) for reader in readers),
            told=+told,
            doubled=sum(ledger.doubled + ledger.garbled for ledger in ledgers),
            skipped=sum(ledger.lost for ledger in ledgers),
            noticed_seconds=[reader.cut_at[0] - killed for reader in readers if reader.cut_at],
            second_generations=generations - len(readers),
        )
        if len(self._replicas) > 1:
            had = [(reader.path, reader.ledger.last) for reader in readers]
            found = await replayed(had, [replica.port for replica in self._replicas], self._plan.tokens)
            toll.replayed = sum(least for least, _ in found)
            # Others may have had events that the dead process had not stored: they are told 410, or the error.
            of_reader = zip(readers, found, strict=True)
            toll.kept = sum(one.ledger.last if one.verdict == WHOLE else most for one, (_, most) in of_reader)
        return toll


def _tokens(ledger: Ledger) -> int:
    """How many tokens a reader has got: an error that is part of its stream has a number too."""
    told = ledger.last - OPENING_EVENTS - (ledger.error is not None)
    return min(max(told, 0), ledger.tokens)


async def _later(reader: Roamer) -> None:
    await asyncio.sleep(reader.dice.uniform(0, _BEGIN_SECONDS))
    await reader.run()


def is_met(toll: Toll, plan: Plan) -> list[str]:
    """What a kill has done that it may not, in words."""
    wrong = []
    if toll.untold:
        wrong.append(f"{toll.title}: {toll.untold} readers were told nothing")
    if toll.doubled or toll.skipped:
        wrong.append(f"{toll.title}: {toll.doubled} events doubled or garbled, {toll.skipped} left out")
    if sum(toll.told.values()) < plan.readers:
        wrong.append(f"{toll.title}: {plan.readers} readers, {sum(toll.told.values())} of them told")
    if toll.kept is not None and toll.replayed is not None and toll.replayed < toll.kept:
        wrong.append(f"{toll.title}: {toll.kept} events were had, {toll.replayed} of them replayed")
    if toll.second_generations:
        wrong.append(f"{toll.title}: {toll.second_generations} answers were generated twice")
    if toll.told[WHOLE] and toll.kept is None:
        wrong.append(f"{toll.title}: {toll.told[WHOLE]} readers had all, though the proxy was gone")
    return wrong
