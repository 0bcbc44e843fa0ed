"""How a kubelet ends the containers of a pod that was deleted.

KEP-753 ("Sidecar Containers", pod termination) and pkg/kubelet/kuberuntime: `killContainer` in
kuberuntime_container.go, which is begun for all containers at once, and kuberuntime_termination_order.go.

    preStop hook ─returned, or grace is over▶ wait for my turn ─▶ SIGTERM ─at least 2 s▶ SIGKILL

A main container's turn has come at once, a native sidecar's when all main containers, and the sidecars that were
started after it, have ended. What hook and turn took comes off the grace period, in whole seconds rounded down. A hook
that fails holds nothing up. The kubelet's client for ``httpGet`` hooks has no timeout of its own, so such a hook may
take all of the grace period.

Left out: start-up, restarts, and probes, whose failures have no effect once a pod is deleted.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from .timeline import Timeline

__all__ = ["MINIMUM_GRACE_SECONDS", "Container", "terminate"]

#: `minimumGracePeriodInSeconds`: between SIGTERM and SIGKILL, also where the grace period is over.
MINIMUM_GRACE_SECONDS = 2


@dataclass
class Container:
    """A running container; *pre_stop* returns when the hook is answered. Pods list sidecars in the order of start."""

    name: str
    process: asyncio.subprocess.Process
    pre_stop: Callable[[], Awaitable[object]] | None = None
    is_sidecar: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


async def terminate(pod: Sequence[Container], *, grace_seconds: float, timeline: Timeline) -> None:
    """End the containers of *pod* as after its deletion; return when all have ended."""
    sidecars = [container for container in pod if container.is_sidecar]
    mains = [container for container in pod if not container.is_sidecar]
    async with asyncio.TaskGroup() as tasks:
        for container in pod:
            later = sidecars[sidecars.index(container) + 1 :] + mains if container.is_sidecar else []
            tasks.create_task(_kill(container, later, grace_seconds, timeline))


async def _kill(container: Container, before: Sequence[Container], grace_seconds: float, timeline: Timeline) -> None:
    """End *container*, after those that must end *before* it."""
    if container.pre_stop is not None:
        grace_seconds -= await _run_hook(container, container.pre_stop, grace_seconds, timeline)
    if before and grace_seconds > 0:
        grace_seconds -= await _wait_for_turn(before, grace_seconds)
    timeline.note(f"SIGTERM to {container.name}")
    container.process.terminate()
    try:
        async with asyncio.timeout(max(grace_seconds, MINIMUM_GRACE_SECONDS)):
            await container.process.wait()
    except TimeoutError:
        timeline.note(f"SIGKILL to {container.name}")
        container.process.kill()
    code = await container.process.wait()
    timeline.note(f"{container.name} has ended, exit code {code}")
    container.ended.set()


async def _run_hook(
    container: Container, hook: Callable[[], Awaitable[object]], grace_seconds: float, timeline: Timeline
) -> int:
    """Run the hook of *container*; the whole seconds that it took."""
    begun = timeline.now()
    timeline.note(f"preStop of {container.name} begins")
    try:
        async with asyncio.timeout(grace_seconds):
            await hook()
    except TimeoutError:
        timeline.note(f"preStop of {container.name} is given up: the grace period is over")
    except OSError as error:
        timeline.note(f"preStop of {container.name} fails: {error}")
    else:
        timeline.note(f"preStop of {container.name} returns")
    return math.floor(timeline.now() - begun)


async def _wait_for_turn(before: Sequence[Container], grace_seconds: float) -> int:
    """Wait until all of *before* have ended, or the grace period has; the whole seconds that it took."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    waits = [asyncio.create_task(container.ended.wait()) for container in before]
    await asyncio.wait(waits, timeout=grace_seconds)
    for wait in waits:
        wait.cancel()
    return math.floor(loop.time() - begun)
