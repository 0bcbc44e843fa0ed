"""Minutes of traffic that change as a day does: what the documentation's picture shows.

Streams come at random times and want random lengths; most end well, some clients leave. In the middle the upstream gets
slow and unreliable for a while. Same seed, same wishes; what becomes of them is up to the machine.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from .lab import Kind, Lab, lab
from .panels import Panel
from .prometheus import Series, expanded
from .rows import ROWS
from .traffic import COMING_BACK, ENDINGS, Call, chat, leaving

__all__ = ["Results", "observed"]

#: Timeouts of seconds, but longer than a busy machine holds things up: what the picture shows is the traffic's doing.
_PATIENT = Kind(
    flags=(
        *("--first-event-timeout-seconds", "3", "--idle-timeout-seconds", "3", "--total-timeout-seconds", "10"),
        *("--heartbeat-seconds", "1", "--commit-after-seconds", "0.5"),
        *("--resume", "memory", "--resume-stream-bytes", "20000"),
    )
)
_KINDS = (_PATIENT, _PATIENT)
_STREAMS_PER_SECOND = 5.0
#: From when to when the upstream is in trouble, as parts of the whole.
_TROUBLE = (0.4, 0.6)
#: How often each call is made instead of a plain chat: usually, and in trouble.
_USUAL: Mapping[str, float] = {
    "client_disconnected": 0.06,
    "upstream_error": 0.004,
    "upstream_truncated": 0.002,
    "stopped": 0.01,
    "replayed": 0.03,
    "joined": 0.01,
    "evicted": 0.004,
    "unknown": 0.004,
    "messages": 0.15,
    "repaired": 0.05,
}
_IN_TROUBLE: Mapping[str, float] = {
    **_USUAL,
    "client_disconnected": 0.12,
    "upstream_error": 0.05,
    "upstream_truncated": 0.04,
    "idle_timeout": 0.03,
    "first_event_timeout": 0.02,
    "evicted": 0.01,
    "unknown": 0.01,
}
_CALLS: Mapping[str, Call] = {
    **ENDINGS,
    **COMING_BACK,
    "messages": lambda client: chat(client, path="/v1/messages", tokens=40, rate=30),
    "repaired": lambda client: chat(client, tokens=40, rate=30, defect="single_newline"),
}
#: Of a window, and between two points: four scrapes and more, as Grafana would choose.
_WINDOW, _STEP_SECONDS = "10s", 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What Prometheus had: the series of each query of each panel, by the panel's title, from *began* to *ended*."""

    began: float
    ended: float
    series: Mapping[str, Sequence[Sequence[Series]]]


async def observed(program: str, directory: Path, *, seconds: float, seed: int) -> Results:
    """Run the traffic for so long and ask Prometheus (*program*) what the dashboard asks."""
    async with lab(program, directory, _KINDS) as running:
        await _traffic(running, seconds, random.Random(seed))  # noqa: S311  wishes, not secrets
        ended = time.time()
        panels = [panel for row in ROWS for panel in row.panels]
        return Results(
            began=running.began,
            ended=ended,
            series={panel.title: await _series(running, panel, ended) for panel in panels},
        )


async def _series(running: Lab, panel: Panel, ended: float) -> list[list[Series]]:
    whole = f"{ended - running.began:.0f}s"
    return [
        await running.prometheus.over(
            expanded(query.expr, window=_WINDOW, whole=whole), running.began, ended, _STEP_SECONDS
        )
        for query in panel.queries
    ]


async def _traffic(running: Lab, seconds: float, wishes: random.Random) -> None:
    began = time.monotonic()
    async with asyncio.TaskGroup() as streams:
        while (passed := (time.monotonic() - began) / seconds) < 1:
            proxy = wishes.choice(running.proxies)
            streams.create_task(_wish(proxy.client, wishes, in_trouble=_TROUBLE[0] < passed < _TROUBLE[1]))
            await asyncio.sleep(wishes.expovariate(_STREAMS_PER_SECOND))


async def _wish(client: httpx.AsyncClient, wishes: random.Random, *, in_trouble: bool) -> None:
    """One client's wish: an ordinary chat, or one of the calls by its chance."""
    chances = _IN_TROUBLE if in_trouble else _USUAL
    name = wishes.choices([*chances, "chat"], [*chances.values(), 1 - sum(chances.values())])[0]
    prefill = wishes.lognormvariate(-0.9 if in_trouble else -2.0, 0.5)
    tokens, rate = wishes.randint(20, 60), wishes.uniform(15, 25) if in_trouble else wishes.uniform(30, 45)
    if name == "chat":
        await chat(client, tokens=tokens, rate=f"{rate:.1f}", prefill=f"{prefill:.3f}")
    elif name == "client_disconnected":
        await leaving(client, after_seconds=wishes.uniform(0.1, 0.9), stall_after=wishes.randint(3, 20))
    else:
        await _CALLS[name](client)
