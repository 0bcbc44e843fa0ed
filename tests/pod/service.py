"""What the cluster sees of a pod that ends: its readiness, and what becomes of new streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus

from ..process import Process
from .streams import Stream, get
from .timeline import Timeline

__all__ = ["Latecomers", "watch_readiness"]

#: Often, so that the table shows when readiness changes and not when somebody looked.
_LOOK_SECONDS = 0.05


async def watch_readiness(proxy: Process, timeline: Timeline) -> None:
    """Ask ``/readyz`` until it fails, as what takes a pod out of a Service's endpoints does."""
    while await get(proxy.admin_port, "/readyz") == HTTPStatus.OK:
        await asyncio.sleep(_LOOK_SECONDS)
    timeline.note("readiness fails: new streams are sent elsewhere from now on")


@dataclass
class Latecomers:
    """Clients of a load balancer that has not heard that the pod ends: a short stream every *every_seconds*."""

    proxy: Process
    timeline: Timeline
    every_seconds: float = 0.25
    #: When each asked, and its stream.
    asked: list[tuple[float, Stream]] = field(default_factory=list)

    async def run(self) -> None:
        """Ask until nobody listens any more; both listeners must answer till then."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                stream, asked_at = Stream(tokens=2, rate=0), self.timeline.now()
                try:
                    await self._look_at_listeners()
                except OSError:
                    return
                self.asked.append((asked_at, stream))
                tasks.create_task(self._ask(stream))
                await asyncio.sleep(self.every_seconds)

    async def _ask(self, stream: Stream) -> None:
        await stream.run(self.proxy.port, self.timeline)
        if stream.verdict == "refused 503":
            retry_after = stream.header("retry-after")
            self.timeline.note(f"new streams are refused: 503, Retry-After: {retry_after}")

    async def _look_at_listeners(self) -> None:
        assert await get(self.proxy.port, "/-/sse-proxy/healthz") == HTTPStatus.OK
        assert await get(self.proxy.admin_port, "/healthz") == HTTPStatus.OK

    def verdicts(self) -> list[str]:
        """What became of them, in the order in which they asked."""
        return [stream.verdict for _asked_at, stream in self.asked]
