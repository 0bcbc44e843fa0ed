"""Clients that do not read, and huge events, under several ``max_buffer_bytes``: resident memory, and who goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from .asking import connect
from .llm import Manner, serving
from .proxy import labelled, running

__all__ = ["memory"]

_MIB = 1 << 20
_CLIENTS, _EVENT_BYTES = 50, 4 * _MIB
_LIMITS = (32 * _MIB, 96 * _MIB, 1024 * _MIB)
#: For the last event to have come, or to have been given up.
_SECONDS = 10.0


async def memory() -> str:
    """A table."""
    rows = [
        (
            "| `max_buffer_bytes` | most counted | most resident, above idle | `/readyz` | outcomes | refused for | "
            "counted afterwards |"
        ),
        "|---|---|---|---|---|---|---|",
    ]
    for limit in _LIMITS:
        # Two events each: the second is never asked for, since nobody takes the first.
        manner = Manner(slots=1000, tokens=2, pause_seconds=0.1, token_bytes=_EVENT_BYTES)
        flags = ("--max-buffer-bytes", str(limit), "--client-stall-timeout-seconds", "300")
        async with serving(manner) as port, running(port, *flags) as proxy:
            idle, counted, connections = proxy.look(), 0.0, []
            for number in range(_CLIENTS):
                connections.append(await connect(proxy.port, receive_buffer_bytes=4096))
                await asyncio.sleep(_SECONDS / _CLIENTS)
                if number % 4 == 0:
                    counted = max(counted, (await proxy.metrics()).get("buffer_bytes", 0.0))
            await asyncio.sleep(_SECONDS / 2)
            counted = max(counted, (await proxy.metrics()).get("buffer_bytes", 0.0))
            status, _ = await proxy.admin("/readyz")
            for _, writer in connections:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()
            async with asyncio.timeout(30):
                while (await proxy.metrics()).get("streams_active"):  # noqa: ASYNC110  another process
                    await asyncio.sleep(0.1)
            metrics = await proxy.metrics()
            outcomes = labelled(metrics, "streams_total", "outcome")
            reasons = labelled(metrics, "refusals_total", "reason") or ""
            rows.append(
                f"| {limit // _MIB} MiB | {counted / _MIB:.0f} MiB | {(proxy.peak_bytes - idle) / _MIB:.0f} MiB | "
                f"{status} | {outcomes} | {reasons} | {metrics.get('buffer_bytes', 0.0):.0f} |"
            )
    return "\n".join(rows)
