"""A proxy that gets a fraction of a core, by SIGSTOP and SIGCONT: its loop lags, and new streams are refused."""

from __future__ import annotations

import asyncio
import os
import signal

from .asking import Told, ask
from .llm import Manner, serving
from .proxy import Proxy, labelled, running

__all__ = ["late"]

_STOPPED_SECONDS, _RUNS_SECONDS = 2.0, 0.2
_STARVED_SECONDS = 14.0
_STREAMS = 10


async def late() -> str:
    """A table."""
    manner = Manner(slots=1000, tokens=80, pause_seconds=0.25)
    async with serving(manner) as port, running(port) as proxy:
        streams = [asyncio.ensure_future(ask(proxy.port)) for _ in range(_STREAMS)]
        await asyncio.sleep(1.0)
        starved = asyncio.ensure_future(_starve(proxy))
        asked: list[Told] = []
        while not starved.done():
            request = asyncio.ensure_future(ask(proxy.port))
            await asyncio.wait({request}, timeout=3.0)
            if request.done():
                asked.append(request.result())
            else:
                streams.append(request)
        status, _ = await proxy.admin("/readyz")
        for _ in range(20):
            await asyncio.sleep(0.5)
            if (after := await asyncio.wait_for(_first(proxy), 5.0)) == 200:
                break
        ended = await asyncio.gather(*streams)
        reasons = labelled(await proxy.metrics(), "refusals_total", "reason")
        told = [line.decode() for line in proxy.lines if b"new streams are" in line]
    refused = [one for one in asked if one.status == 503]
    return "\n".join((
        "| what | seen |",
        "|---|---|",
        f"| streams that ran before, and were whole | {sum(one.is_whole for one in ended[:_STREAMS])} of {_STREAMS} |",
        f"| refused while starved | {len(refused)}, {reasons} |",
        f"| of them with 503, `Retry-After` | {sum(one.is_proper for one in refused)} |",
        f"| `/readyz` at the end of it | {status} |",
        f"| a new stream some seconds later | {after} |",
        f"| lines of the log about it | {len(told)} |",
    ))  # fmt: skip


async def _first(proxy: Proxy) -> int:
    """The status of one more stream, which is left at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    body = b'{"model":"m","stream":true,"messages":[]}'
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    writer.write(head % len(body) + body)
    status = int((await reader.readuntil(b"\r\n"))[9:12])
    writer.transport.abort()
    return status


async def _starve(proxy: Proxy) -> None:
    end = asyncio.get_running_loop().time() + _STARVED_SECONDS
    try:
        while asyncio.get_running_loop().time() < end:
            os.kill(proxy.process.pid, signal.SIGSTOP)
            await asyncio.sleep(_STOPPED_SECONDS)
            os.kill(proxy.process.pid, signal.SIGCONT)
            await asyncio.sleep(_RUNS_SECONDS)
    finally:
        os.kill(proxy.process.pid, signal.SIGCONT)
