"""Where cells are played: a proxy with settings of its own, and what stands behind it and before it.

    patient    timeouts that nothing runs into
    hasty      timeouts of some seconds, which is what the cell is about
    promised   the response is begun after a second, whatever the upstream does
    refused    nobody listens behind it
    deaf       somebody listens behind it who accepts nothing
    front      a relay between the proxy and the upstream, whose manner each cell chooses
    porch      the same between the client and the proxy
    pool       as patient; one cell at a time, so that the connection which it keeps is the one that it gets

The others are in `deep_worlds` (resolver, TLS, store, kernel) and `process_worlds`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Literal

from .ends import LIMIT_SECONDS
from .proxies import Holding, Proxy, proxy
from .relay import Relay
from .upstream import Upstream, upstream

__all__ = ["HASTY", "PATIENT", "PLAIN_WORLDS", "Action", "World", "deaf_port", "plain_world", "refused_port"]

PATIENT = (
    *("--connect-timeout-seconds", "30", "--first-event-timeout-seconds", "40", "--idle-timeout-seconds", "40"),
    *("--client-stall-timeout-seconds", "40", "--completion-grace-seconds", "1", "--max-event-bytes", "65536"),
    *("--max-request-bytes", "16000000", "--commit-after-seconds", "0"),
)
HASTY = (
    *("--connect-timeout-seconds", "2", "--first-event-timeout-seconds", "4", "--idle-timeout-seconds", "4"),
    *("--client-stall-timeout-seconds", "4", "--completion-grace-seconds", "1", "--commit-after-seconds", "0"),
    *("--keep-alive-seconds", "4", "--client-send-buffer-bytes", "8192"),
)
_PROMISED = (*HASTY, "--commit-after-seconds", "1", "--heartbeat-seconds", "1")

#: Which cells are played at the same time: all, one, or those of one fault, which meet at each `Do`.
Together = Literal["all", "one", "fault"]

#: Name → settings, and who plays together.
PLAIN_WORLDS: dict[str, tuple[tuple[str, ...], Together]] = {
    "patient": (PATIENT, "all"),
    "hasty": (HASTY, "all"),
    "promised": (_PROMISED, "all"),
    "refused": (HASTY, "all"),
    "deaf": (HASTY, "all"),
    "front": (PATIENT, "fault"),
    "porch": (PATIENT, "one"),
    "pool": (PATIENT, "one"),
}

Action = Callable[[str], Awaitable[None]]


async def _nothing(action: str) -> None:
    raise KeyError(action)


@dataclass
class World:
    """A proxy and what is around it."""

    name: str
    proxy: Proxy
    upstream: Upstream
    together: Together = "all"
    #: Has the manner of the cell; None: there is none.
    relay: Relay | None = None
    #: Where clients connect, if not to the proxy.
    port: int = 0
    #: Carries out what a `Do` says.
    act: Action = _nothing
    #: What has been done is undone between two faults: `act` knows how to "tidy".
    tidies: bool = False
    #: What the proxy held before the first cell, and what it may hold besides at the end.
    baseline: Holding = field(default_factory=dict)
    allowance: Holding = field(default_factory=dict)
    #: The proxy is gone at the end, as it was told; with this exit code.
    exit_code: int | None = None
    #: How many cells meet at a `Do`, and those that wait there.
    parties: int = 1
    _waiting: dict[str, list[asyncio.Future[None]]] = field(default_factory=dict)

    async def do(self, action: str) -> None:
        """Carry *action* out, once all cells that play now have come to it."""
        future = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(action, [])
        waiting.append(future)
        if len(waiting) >= self.parties:
            del self._waiting[action]
            await self.act(action)
            for each in waiting:
                each.set_result(None)
        async with asyncio.timeout(LIMIT_SECONDS):
            await future


@contextmanager
def refused_port() -> Iterator[int]:
    """A port on which nobody listens, nor will."""
    with socket.socket() as handle:
        handle.bind(("127.0.0.1", 0))
        yield handle.getsockname()[1]


@contextmanager
def deaf_port(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port whose connections nobody accepts: the queue is full, so the kernel drops what asks to connect (Linux)."""
    with socket.socket() as handle, socket.socket() as first:
        handle.bind((host, port))
        handle.listen(0)
        first.connect(handle.getsockname())
        yield handle.getsockname()[1]


@asynccontextmanager
async def plain_world(name: str) -> AsyncIterator[World]:
    """One of `PLAIN_WORLDS`."""
    flags, together = PLAIN_WORLDS[name]
    async with AsyncExitStack() as stack:
        playing = await stack.enter_async_context(upstream())
        port = playing.port
        relay: Relay | None = None
        if name == "refused":
            port = stack.enter_context(refused_port())
        elif name == "deaf":
            port = stack.enter_context(deaf_port())
        elif name == "front":
            relay = await stack.enter_async_context(Relay(port))
            port = relay.port
        running = await stack.enter_async_context(proxy(f"http://127.0.0.1:{port}", *flags))
        world = World(name, running, playing, together, relay, running.port)
        if name == "porch":
            world.relay = await stack.enter_async_context(Relay(running.port))
            world.port = world.relay.port
        yield world
