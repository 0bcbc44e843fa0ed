"""One pod, from the first stream to the last exit code."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from ..conftest import LIMIT_SECONDS
from ..process import Process, serving
from .kubelet import Container, terminate
from .service import Latecomers, watch_readiness
from .streams import Stream, get
from .timeline import Timeline

__all__ = ["Plan", "Played", "llm_server", "play"]

_SERVED = {"whole", "refused 503"}
_LISTENS = re.compile(rb"running on http://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A pod and its streams. The chart's LLM hook waits for delay and drain, then cuts; None: it has no hook."""

    streams: int
    tokens: int
    rate: float
    delay_seconds: float
    drain_seconds: float
    grace_seconds: float
    native_sidecar: bool = True
    llm_hook: bool = True

    @property
    def wait_path(self) -> str:
        """What the LLM container's hook asks for on the proxy's admin port."""
        return f"/-/drain?wait={self.delay_seconds + self.drain_seconds:g}&cut=true"


@dataclass(frozen=True, kw_only=True)
class Played:
    """What was seen."""

    timeline: Timeline
    streams: list[Stream]
    latecomers: Latecomers
    #: Exit code of the proxy.
    code: int

    def verdicts(self) -> Counter[str]:
        """What became of the streams that were in flight when the pod was deleted."""
        return Counter(stream.verdict for stream in self.streams)

    def unserved(self) -> list[str]:
        """What latecomers got that is neither a whole answer nor the 503 that sends them elsewhere.

        That the proxy has closed its port once the last stream was over is as it should be.
        """
        over = self.timeline.when("the last stream has ended")
        found = [stream for _asked_at, stream in self.latecomers.asked if stream.verdict not in _SERVED]
        return [one.verdict for one in found if one.verdict != "no answer" or (one.ended_at or 0) < over]


async def play(plan: Plan) -> Played:
    """Start the pod, let its streams begin, delete it, and watch."""
    flags = (f"--drain-delay-seconds={plan.delay_seconds:g}", f"--drain-seconds={plan.drain_seconds:g}")
    timeline = Timeline()
    async with llm_server() as (llm, port), serving(port, *flags) as proxy:
        streams = [Stream(plan.tokens, plan.rate) for _ in range(plan.streams)]
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(stream.run(proxy.port, timeline)) for stream in streams]
            async with asyncio.timeout(LIMIT_SECONDS):
                for stream in streams:
                    await stream.begun.wait()
            assert not any(task.done() for task in running), "a stream had ended before the pod was deleted"
            latecomers = Latecomers(proxy, timeline)
            timeline.start()
            timeline.note(f"the pod is deleted, {len(streams)} streams in flight")
            tasks.create_task(watch_readiness(proxy, timeline))
            tasks.create_task(latecomers.run())
            tasks.create_task(_note_end(running, timeline))
            await terminate(_pod(plan, llm, proxy), grace_seconds=plan.grace_seconds, timeline=timeline)
        return Played(timeline=timeline, streams=streams, latecomers=latecomers, code=await proxy.exit_code())


def _pod(plan: Plan, llm: asyncio.subprocess.Process, proxy: Process) -> list[Container]:
    hook = partial(get, proxy.admin_port, plan.wait_path) if plan.llm_hook else None
    return [
        Container("the proxy", proxy.process, is_sidecar=plan.native_sidecar),
        Container("the LLM server", llm, pre_stop=hook),
    ]


async def _note_end(streams: list[asyncio.Task[None]], timeline: Timeline) -> None:
    await asyncio.wait(streams)
    timeline.note("the last stream has ended")


@asynccontextmanager
async def llm_server() -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """The mock on a uvicorn that drops what is open on SIGTERM, as vLLM does by default (--shutdown-timeout 0)."""
    llm = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "--factory", "sse_proxy.demo:create_mock", "--port", "0"),
        *("--timeout-graceful-shutdown", "0", "--no-access-log"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert llm.stderr is not None
    follower: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while (found := _LISTENS.search(line := await llm.stderr.readline())) is None:
                assert line, "the LLM server did not start"
        # Its log has the errors of the streams that it drops; unread, it would block.
        follower = asyncio.create_task(llm.stderr.read())
        yield llm, int(found[1])
    finally:
        if llm.returncode is None:
            llm.kill()
        await llm.wait()
        if follower is not None:
            await follower
