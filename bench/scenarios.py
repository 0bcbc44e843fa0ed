"""How each case is measured: figures by name, in the units that the names end with."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .client import CountingClient, StreamClient
from .control import Control
from .load import Failed, check, ended, open_all, open_at_once, probe, request_for
from .manner import Manner
from .meter import Meter
from .plan import Case, Plan
from .processes import clocks, spent_seconds
from .servers import Running
from .stats import percentile

__all__ = ["SCENARIOS", "Figures", "Stage", "warm_up"]

Figures = dict[str, float]
_WARM_UP_STREAMS = 20
#: So that each further stream meets a server that has done with the one before, slow ones too.
_PROBE_PAUSE_SECONDS = 0.02
_MILLISECONDS = 1e6  # nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a scenario has at hand."""

    case: Case
    plan: Plan
    control: Control
    #: None: the load goes to the upstream itself.
    server: Running | None
    #: What is asked for.
    path: str

    @property
    def port(self) -> int:
        """Where the load goes."""
        return self.server.port if self.server else self.control.port

    def clocks(self) -> dict[int, float]:
        """CPU time of the server's threads; of none where there is no server."""
        return self.server.clocks if self.server else {}


async def warm_up(stage: Stage) -> None:
    """Some short streams, so that nothing is done for the first time later on.

    Raises:
        Failed: they do not work.
    """
    stage.control.set(Manner(crlf=stage.case.form == "crlf"))
    if stage.path.startswith("/v1/"):
        request = request_for(stage.path, max_tokens=2)
        await probe(request, stage.port, _WARM_UP_STREAMS, _PROBE_PAUSE_SECONDS)
        return
    # A bridge takes no number of tokens.
    meter = Meter()
    clients = await open_all(StreamClient, request_for(stage.path), meter, stage.port, _WARM_UP_STREAMS)
    stage.control.stop()
    await ended(clients)
    check(meter)


async def load(stage: Stage) -> Figures:
    """Paced streams: CPU and memory of the server, how late tokens come, and how long further streams take to begin."""
    return await _paced(stage, probes=stage.plan.probes)


async def paced(stage: Stage) -> Figures:
    """Paced streams without further ones."""
    return await _paced(stage, probes=0)


async def _paced(stage: Stage, *, probes: int) -> Figures:
    case = stage.case
    idle_bytes = stage.server.resident_bytes if stage.server else 0
    stage.control.set(Manner(rate=case.rate, crlf=case.form == "crlf"))
    meter = Meter()
    clients = await open_all(StreamClient, request_for(stage.path), meter, stage.port, case.streams)
    await asyncio.sleep(stage.plan.settle_seconds)
    meter.record()
    figures = await _window(stage, meter)
    meter.rest()
    figures |= _times(meter)
    if stage.server:
        figures["resident_bytes_per_stream"] = (stage.server.resident_bytes - idle_bytes) / case.streams
    probed = Meter()
    if probes:
        request = request_for(stage.path, max_tokens=1)
        probed = await probe(request, stage.port, probes, _PROBE_PAUSE_SECONDS)
        figures |= _first_bytes(probed.first_bytes)
    await _finish(stage, meter, clients, probed.events)
    return figures


async def saturation(stage: Stage) -> Figures:
    """Streams that are written as fast as they are taken: tokens a second, and how busy the server's core was."""
    case = stage.case
    stage.control.set(Manner(burst=case.burst, together=case.together))
    meter = Meter()
    clients = await open_all(CountingClient, request_for(stage.path), meter, stage.port, case.streams)
    stage.control.pour()
    await asyncio.sleep(stage.plan.settle_seconds)
    figures = await _window(stage, meter)
    check(meter)
    # Not to the end: what lies in buffers would keep a slow server busy for minutes.
    for client in clients:
        client.leave()
    stage.control.stop()
    return figures


async def burst(stage: Stage) -> Figures:
    """Many streams opened at once, each of one token: how long until they begin."""
    stage.control.set(Manner())
    request = request_for(stage.path, max_tokens=1)
    before = stage.clocks()
    first_bytes = await open_at_once(request, stage.port, stage.plan.burst_opens)
    figures = _first_bytes(first_bytes)
    if stage.server:
        spent = spent_seconds(before, stage.clocks())
        figures["cpu_us_per_open"] = spent / stage.plan.burst_opens * 1e6
    return figures


async def _window(stage: Stage, meter: Meter) -> Figures:
    """Tokens that arrive over the window, and what they cost: the server, and those who make and take them."""
    looks: dict[str, Callable[[], dict[int, float]]] = {
        "": stage.clocks,
        "upstream_": stage.control.clocks,
        "load_": lambda: clocks((os.getpid(),)),
    }
    before = {name: look() for name, look in looks.items()}
    events, began = meter.events, time.monotonic()
    await asyncio.sleep(stage.plan.window_seconds)
    spent = {name: spent_seconds(before[name], look()) for name, look in looks.items()}
    seconds = time.monotonic() - began
    count = meter.events - events
    if not count:
        raise Failed("nothing arrived")
    if stage.server is None:
        del spent[""]
    figures = {f"{name}cpu_us_per_event": each / count * 1e6 for name, each in spent.items()}
    figures |= {f"{name}busy_percent": each / seconds * 100 for name, each in spent.items()}
    return {**figures, "events_per_second": count / seconds}


def _times(meter: Meter) -> Figures:
    return {
        "delay_p50_ms": percentile(meter.delays, 50) / _MILLISECONDS,
        "delay_p99_ms": percentile(meter.delays, 99) / _MILLISECONDS,
        "jitter_p99_ms": percentile(meter.jitters, 99) / _MILLISECONDS,
    }


def _first_bytes(nanoseconds: list[int]) -> Figures:
    return {
        "first_byte_p50_ms": percentile(nanoseconds, 50) / _MILLISECONDS,
        "first_byte_p99_ms": percentile(nanoseconds, 99) / _MILLISECONDS,
    }


async def _finish(stage: Stage, meter: Meter, clients: list[StreamClient], others: int) -> None:
    """End all streams, and see that every token that was written did arrive."""
    written = stage.control.stop()
    await ended(clients)
    check(meter)
    if written != meter.events + others:
        raise Failed(f"{written} tokens were written, {meter.events + others} arrived")


SCENARIOS: dict[str, Callable[[Stage], Awaitable[Figures]]] = {
    "load": load,
    "anthropic": paced,
    "reframing": paced,
    "growth": paced,
    "burst": burst,
    "saturation": saturation,
}
