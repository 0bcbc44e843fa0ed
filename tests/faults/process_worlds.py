"""The worlds in which a process ends, stops, or runs out of something; and their rows."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from sse_proxy import errors

from ..streaming import chunk
from .cells import Cell, Fault
from .expect import Expected, Moment, failed, left, whole
from .messages import Kind, chunked, pieces
from .proxies import end, proxy
from .steps import Ask, Await, Close, Do, Flood, Hang, Read, Send, Step
from .upstream import upstream
from .worlds import HASTY, PATIENT, World

__all__ = ["PROCESS_WORLDS", "process_cells"]

_STOPPED_SECONDS = 1.0
#: Few descriptors: those of the process itself, and some dozens of connections.
_DESCRIPTORS = 64
_HOARD = 80
#: What may be open besides when the hoard is gone: the client whose cell it is, its upstream connection.
_SLACK = 8


def process_cells() -> Iterator[Cell]:
    """All of them."""
    for kind in Kind:
        start = pieces(kind).until("first")
        rest = pieces(kind).whole[len(start) :]
        ask: tuple[Step, ...] = (Ask(kind), Read())
        going: tuple[Step, ...] = (Send(start), Await("seen"))
        yield from _ended(kind, going, rest)
        yield _cell(
            "stops the proxy for a second (SIGSTOP, SIGCONT)", "between events", kind, "proxy-stopped",
            (*going, Do("STOP"), Send(rest), Close()), ask, whole(kind),
        )  # fmt: skip
        yield from _upstream(kind)
        yield from _client(kind, going)
        yield from _scarce(kind)


def _cell(
    does: str, phase: str, kind: Kind, world: str, upstream_steps: tuple[Step, ...], client: tuple[Step, ...],
    expected: Expected, **more: str,
) -> Cell:  # fmt: skip
    fault = Fault(part="process", does=does, phase=phase)
    scripts = (upstream_steps,) if upstream_steps else ()
    return Cell(
        fault=fault, kind=kind, world=world, upstream=scripts, client=client, expected=expected,
        client_signal=more.get("client_signal", ""),
    )  # fmt: skip


def _ended(kind: Kind, going: tuple[Step, ...], rest: bytes) -> Iterator[Cell]:
    """SIGTERM lets streams end, and then ends them; SIGKILL asks nobody."""
    ask: tuple[Step, ...] = (Ask(kind), Read())
    does = "ends the proxy (SIGTERM)"
    yield _cell(
        does,
        "an answer that ends in time",
        kind,
        "proxy-ended",
        (*going, Do("TERM"), Send(rest), Close()),
        ask,
        whole(kind),
    )
    for phase, steps, moment in (
        ("between events", (*going, Do("TERM"), Hang()), Moment.SOME),
        ("before the answer", (Do("TERM"), Hang()), Moment.NOTHING),
    ):
        drained = failed(kind, errors.Drained, moment, cancels=True)
        yield _cell(does, phase, kind, f"proxy-drained-{moment.name.lower()}", steps, ask, drained)
        killed = replace(left(kind, moment=moment), outcomes=(), counted=())
        yield _cell(
            "kills the proxy (SIGKILL)", phase, kind, f"proxy-killed-{moment.name.lower()}",
            (*steps[:-2], Do("KILL"), Hang()), ask, killed,
        )  # fmt: skip


def _upstream(kind: Kind) -> Iterator[Cell]:
    """The upstream is a process of its own here: it begins an answer, and sends the rest two seconds later."""
    ask: tuple[Step, ...] = (Ask(kind), Await("seen"))
    unseen = {"requests": None, "cancels": None}
    cut = failed(kind, errors.UpstreamClosed, Moment.SOME)
    silent = failed(kind, errors.IdleTimeout, Moment.SOME)
    for does, action, expected in (
        ("kills the upstream (SIGKILL)", "KILL", cut),
        ("ends the upstream (SIGTERM)", "TERM", cut),
        ("stops the upstream (SIGSTOP)", "STOP", silent),
        ("stops the upstream for a second (SIGSTOP, SIGCONT)", "PAUSE", whole(kind)),
    ):
        yield _cell(
            does, "between events", kind, f"upstream-{action.lower()}", (), (*ask, Do(action), Read()),
            replace(expected, **unseen),  # type: ignore[arg-type]  # two fields of it
        )  # fmt: skip


def _client(kind: Kind, going: tuple[Step, ...]) -> Iterator[Cell]:
    """The client is a process of its own here, of which nothing is known but what the proxy and the upstream saw."""
    nothing = {"statuses": (), "ending": "none", "tokens": 0}
    gone = replace(left(kind, moment=Moment.SOME), **nothing)  # type: ignore[arg-type]  # fields of it
    stalled = replace(left(kind, errors.ClientStalled, Moment.SOME), **nothing)  # type: ignore[arg-type]
    flood = Flood(chunked(chunk("m" * 4000) if kind is Kind.STREAM else b" " * 4000))
    yield _cell(
        "kills the client (SIGKILL)", "between events", kind, "hasty", (*going, Hang()), (), gone, client_signal="KILL"
    )
    yield _cell(
        "stops the client (SIGSTOP)",
        "between events",
        kind,
        "hasty",
        (*going, flood),
        (),
        stalled,
        client_signal="STOP",
    )


def _scarce(kind: Kind) -> Iterator[Cell]:
    again = Ask(kind)
    # Who is connected has a descriptor towards the upstream as well; the surplus of connections is turned away.
    yield _cell(
        "has more clients than descriptors", "in the proxy", kind, "no-descriptors",
        (Send(pieces(kind).whole), Close()), (Do("hoard"), again, Read(1), Do("release")), whole(kind),
    )  # fmt: skip
    yield _cell(
        "cannot write its log (ENOSPC)", "in the proxy", kind, "full-disk", (Send(pieces(kind).whole), Close()),
        (again, Read()), whole(kind),
    )  # fmt: skip


@asynccontextmanager
async def _proxy_world(name: str, *flags: str, exit_code: int | None) -> AsyncIterator[World]:
    async with upstream() as playing, proxy(f"http://127.0.0.1:{playing.port}", *flags) as running:

        async def act(action: str) -> None:
            os.kill(running.pid, getattr(signal, f"SIG{action}"))
            if action == "STOP":
                await asyncio.sleep(_STOPPED_SECONDS)
                os.kill(running.pid, signal.SIGCONT)

        yield World(name, running, playing, "fault", port=running.port, act=act, exit_code=exit_code)


@asynccontextmanager
async def _upstream_world(name: str) -> AsyncIterator[World]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.upstream_process"),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        async with upstream() as unused, proxy(f"http://127.0.0.1:{port}", *HASTY) as running:

            async def act(action: str) -> None:
                os.kill(process.pid, getattr(signal, f"SIG{action.replace('PAUSE', 'STOP')}"))
                if action == "PAUSE":
                    await asyncio.sleep(_STOPPED_SECONDS)
                    os.kill(process.pid, signal.SIGCONT)

            yield World(name, running, unused, "fault", port=running.port, act=act)
    finally:
        await end(process)


def _few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))


@asynccontextmanager
async def _no_descriptors() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        playing = await stack.enter_async_context(upstream())
        running = await stack.enter_async_context(
            proxy(f"http://127.0.0.1:{playing.port}", *PATIENT, before=_few_descriptors)
        )
        hoard: list[socket.socket] = []
        before: list[int] = []
        stack.callback(lambda: _close(hoard))

        async def act(action: str) -> None:
            if action == "hoard":
                before.append(running.descriptors())
                hoard.extend(socket.create_connection(("127.0.0.1", running.port), 30.0) for _ in range(_HOARD))
                told = await asyncio.to_thread(hoard[-1].recv, 1024)
                if not told.startswith(b"HTTP/1.1 503 "):
                    raise RuntimeError(f"a connection over the limit was told {told!r}")
                return
            _close(hoard)
            while running.descriptors() > before[-1] + _SLACK:
                await asyncio.sleep(0.02)

        yield World("no-descriptors", running, playing, "fault", port=running.port, act=act)


def _close(handles: list[socket.socket]) -> None:
    while handles:
        handles.pop().close()


@asynccontextmanager
async def _full_disk() -> AsyncIterator[World]:
    async with (
        upstream() as playing,
        proxy(f"http://127.0.0.1:{playing.port}", *PATIENT, log=Path("/dev/full")) as running,
    ):
        yield World("full-disk", running, playing, port=running.port)


_DRAINING = (*PATIENT, "--drain-delay-seconds", "0", "--drain-seconds")

PROCESS_WORLDS: dict[str, Callable[[], AbstractAsyncContextManager[World]]] = {
    "proxy-ended": partial(_proxy_world, "proxy-ended", *_DRAINING, "30", exit_code=0),
    "proxy-drained-some": partial(_proxy_world, "proxy-drained-some", *_DRAINING, "0.5", exit_code=0),
    "proxy-drained-nothing": partial(_proxy_world, "proxy-drained-nothing", *_DRAINING, "0.5", exit_code=0),
    "proxy-killed-some": partial(_proxy_world, "proxy-killed-some", *PATIENT, exit_code=-signal.SIGKILL),
    "proxy-killed-nothing": partial(_proxy_world, "proxy-killed-nothing", *PATIENT, exit_code=-signal.SIGKILL),
    "proxy-stopped": partial(_proxy_world, "proxy-stopped", *PATIENT, exit_code=None),
    **{f"upstream-{name}": partial(_upstream_world, f"upstream-{name}") for name in ("kill", "term", "stop", "pause")},
    "no-descriptors": _no_descriptors,
    "full-disk": _full_disk,
}
