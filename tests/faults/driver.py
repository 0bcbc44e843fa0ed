"""Plays cells in their worlds and tells, of each, the facts; of each world, what was counted and what was left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from .cells import Cell
from .client import Got, play_client
from .ends import LIMIT_SECONDS, Stage
from .messages import CELL, request
from .proxies import end
from .steps import Ask, Do, Read, Send, Step, Trickle
from .upstream import Seen
from .worlds import World

__all__ = ["Facts", "Remains", "named", "play", "play_all", "remains"]

#: Played at once in one world.
_AT_ONCE = 30
_LOG_SECONDS = 20.0
#: Of a body: there is an event, or a part of the document.
_BEGUN_BYTES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What came of one cell."""

    got: Got
    seen: Seen
    #: Outcomes, as logged.
    outcomes: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Remains:
    """What is left of a world when all cells are over."""

    #: Over what there was at the beginning, by kind; empty: nothing.
    held: dict[str, int] = field(default_factory=dict)
    #: Connections that the upstream still has.
    upstream_connections: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    #: ``store_errors_total``.
    store_errors: int = 0
    #: Lines in the log that nobody should ever see: exceptions, tasks that were lost.
    complaints: tuple[str, ...] = ()


def named(step: Step, cell: str) -> Step:
    """*step* with the name of its cell put in."""
    if isinstance(step, (Send, Trickle)) and CELL.encode() in step.data[:2000]:
        return replace(step, data=step.data.replace(CELL.encode(), cell.encode(), 4))
    return step


async def play(cell: Cell, world: World) -> Facts:
    """Play one."""
    stage = world.upstream.put_on(cell.name, cell.upstream, reads=cell.reads)
    stage.do = world.do
    if world.relay is not None:
        world.relay.manner = cell.manner
    steps = cell.client or (Ask(cell.kind), Read())
    steps = tuple(named(step, cell.name) for step in steps)
    if cell.client_signal:
        got = await _play_process(cell, world, stage)
    else:
        got = await play_client(world.port, steps, stage, receive_buffer_bytes=cell.receive_buffer_bytes)
    seen, expected = world.upstream.seen[cell.name], cell.expected
    if world.proxy.process.stderr is not None:  # the last line may be on its way, also of a proxy that has ended
        await _until(lambda: len(world.proxy.outcomes(cell.name)) >= len(expected.outcomes))
    if expected.cancels is not None:
        await _until(lambda: seen.was_left == expected.cancels)
    return Facts(got=got, seen=seen, outcomes=await _outcomes(cell, world))


async def _outcomes(cell: Cell, world: World) -> tuple[str, ...]:
    if world.proxy.process.stderr is not None:
        return world.proxy.outcomes(cell.name)
    # Without a log the counter has to tell, for the one stream of its world.
    counted = await world.proxy.counted("sse_proxy_streams_total", "outcome")
    return tuple(counted.elements()) if cell.expected.outcomes else ()


async def _play_process(cell: Cell, world: World, stage: Stage) -> Got:
    """The client is a process: it gets its signal when the answer has begun, and its end when the upstream was left."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.client_process", str(world.port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    try:
        process.stdin.write(request(cell.kind, cell.name))
        process.stdin.close()
        with suppress(TimeoutError):  # the facts will tell
            async with asyncio.timeout(LIMIT_SECONDS):
                await _signalled(process, cell, stage)
    finally:
        await end(process)
    return Got(statuses=(), ending="none", code="", tokens=0, is_complete=False, may_retry=None)


async def _signalled(process: asyncio.subprocess.Process, cell: Cell, stage: Stage) -> None:
    assert process.stdout is not None
    begun = b""
    while len(begun.partition(b"\r\n\r\n")[2]) < _BEGUN_BYTES:
        begun += await process.stdout.read(100)
    stage.seen.set()
    os.kill(process.pid, getattr(signal, f"SIG{cell.client_signal}"))
    await stage.left.wait()


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for what should come in a moment; if it does not, the facts will tell."""
    deadline = asyncio.get_running_loop().time() + _LOG_SECONDS
    while not condition() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)


def _acts(cell: Cell) -> bool:
    return any(isinstance(step, Do) for steps in (cell.client, *cell.upstream) for step in steps)


async def play_all(cells: Sequence[Cell], world: World) -> dict[str, Facts]:
    """Play *cells*, as many at a time as the world lets play together."""
    if world.exit_code is None:
        world.baseline = {**await world.proxy.holding(), **world.allowance}
    facts: dict[str, Facts] = {}
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(cell: Cell) -> None:
        async with places:
            facts[cell.name] = await play(cell, world)

    if world.together == "all":
        groups = [list(cells)]
    elif world.together == "one":
        groups = [[cell] for cell in cells]
    else:
        ordered = sorted(cells, key=lambda cell: str(cell.fault))
        groups = [list(group) for _, group in groupby(ordered, key=lambda cell: cell.fault)]
    for group in groups:
        world.parties = sum(map(_acts, group)) if world.together == "fault" else 1
        async with asyncio.TaskGroup() as tasks:
            for cell in group:
                tasks.create_task(one(cell))
        if world.tidies:
            await world.act("tidy")
    return facts


async def remains(world: World) -> Remains:
    """What is left, once the idle connections had the time to expire."""
    complaints = tuple(
        str(line) for line in world.proxy.lines() if "exc_info" in line or line.get("level") in {"error", "critical"}
    )
    if world.exit_code is not None:
        code = await world.proxy.process.wait()
        left = {} if code == world.exit_code else {f"exit code {code}": 1}
        return Remains(held=left, upstream_connections=world.upstream.open, complaints=complaints)
    held = await world.proxy.settles(world.baseline)
    await _until(lambda: not world.upstream.open)
    return Remains(
        held=held,
        upstream_connections=world.upstream.open,
        outcomes=dict(await world.proxy.counted("sse_proxy_streams_total", "outcome")),
        codes=dict(await world.proxy.counted("sse_proxy_requests_total", "code")),
        store_errors=int(sum((await world.proxy.samples("sse_proxy_store_errors_total")).values())),
        complaints=complaints,
    )
