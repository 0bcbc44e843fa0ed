"""Half a minute in which everything happens that panels show and alerts are about: what the tests look at."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx

from .lab import ALONE, KEEPING, NARROW, Lab, Proxy
from .traffic import COMING_BACK, ENDINGS, Call, chat, leaving
from .waiting import until

__all__ = ["KINDS", "everything"]

#: The proxies that it needs, in this order.
KINDS = (KEEPING, ALONE, NARROW)

#: So many at once of each ending: more than the alerts' own minimum of traffic.
_TIMES = 3
#: So many more clients leave, so that it is a third of all.
_LEAVING = 30
_WAVES = 2
#: A series that begins at its first event shows an increase at its second, in a later scrape.
_BETWEEN_WAVES_SECONDS = 2.5
_PAUSE_SECONDS = 1.5


@contextlib.asynccontextmanager
async def everything(lab: Lab) -> AsyncGenerator[None]:
    """Let everything happen in a lab of `KINDS`, then run the block, while streams stall and one proxy is gone."""
    keeping, alone, narrow = lab.proxies
    async with _stalled(narrow):
        for wave in range(_WAVES):
            if wave:
                await asyncio.sleep(_BETWEEN_WAVES_SECONDS)
            await asyncio.gather(_endings(keeping.client), _alone(alone.client), _full(narrow))
        await narrow.admin.get("/-/drain")
        _tighten(narrow)
        alone.kill()
        yield


async def _endings(client: httpx.AsyncClient) -> None:
    calls = [*ENDINGS.values(), *COMING_BACK.values(), *_ODD]
    crowd = [leaving] * _LEAVING
    await asyncio.gather(*(call(client) for call in (*crowd, *calls * _TIMES)))


#: What is no ending of its own: silence with heartbeats, another dialect, a framing to be repaired.
_ODD: tuple[Call, ...] = (
    lambda client: chat(client, prefill=1.6, rate=0),
    lambda client: chat(client, path="/v1/messages", rate=0),
    lambda client: chat(client, defect="single_newline", rate=0),
)


async def _alone(client: httpx.AsyncClient) -> None:
    """Streams towards an upstream that does not accept, and clients that come back while the store is down."""
    where = f"/-/sse-proxy/streams/{'0' * 32}"
    await asyncio.gather(*(chat(client) for _ in range(_TIMES)), *(client.get(where) for _ in range(_TIMES)))


async def _full(narrow: Proxy) -> None:
    """Streams that find no room, and an event loop that is late."""
    await asyncio.gather(*(chat(narrow.client) for _ in range(_TIMES)))
    narrow.pause()
    await asyncio.sleep(_PAUSE_SECONDS)
    narrow.go_on()


@contextlib.asynccontextmanager
async def _stalled(narrow: Proxy) -> AsyncGenerator[None]:
    """Two streams that begin, fall silent, and stay."""
    streams = [asyncio.create_task(leaving(narrow.client, after_seconds=600, stall_after=1)) for _ in range(2)]

    async def open_all() -> bool:
        return len((await narrow.admin.get("/-/streams")).json()) == len(streams)

    try:
        await until(open_all)
        yield
    finally:
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)


def _tighten(proxy: Proxy) -> None:
    """Let *proxy* have hardly more files open than it has (Linux)."""
    number = proxy.process.pid
    limit = int(len(list(Path(f"/proc/{number}/fd").iterdir())) / 0.9)
    resource.prlimit(number, resource.RLIMIT_NOFILE, (limit, limit))
