"""Measures every hop and writes the table of docs/hops.md: ``python -m tests.hops_page`` (``make hops``)."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .conftest import LIMIT_SECONDS
from .hops_checks import (
    CHAT,
    EVENTS,
    INTERVAL_SECONDS,
    Metronome,
    Pace,
    asking,
    pace,
    raw_server,
    seconds_until_left,
    silent,
    torn,
)
from .hops_clients import Http
from .hops_programs import ROOT, Hop
from .hops_reload import Reload, reload_under_load
from .hops_running import hop_running
from .hops_table import HOPS
from .streaming import Proxy, proxied
from .wire import chat

PAGE = ROOT / "docs" / "hops.md"
BEGIN, END = "<!-- begin: written by make hops -->\n", "<!-- end: written by make hops -->\n"
STREAMS = 4
HEAD = (
    "| hop | client speaks | added ms an event: median, max | a client leaves: LLM stopped after ms, in the stream, "
    "before the answer | sse-proxy dies: client sees | LLM server closes on a POST: sent, client gets | "
    "reload: streams whole, requests meanwhile refused |\n|---|---|---|---|---|---|---|\n"
)
Way = tuple[Hop, Http]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one hop did to one version of HTTP."""

    paces: list[Pace]
    left_seconds: list[float | None]
    torn_is_seen: bool
    posts: int
    status: int


async def added(hop: Hop, http: Http, scratch: Path) -> list[Pace]:
    """Some streams, one after the other."""
    metronome = Metronome()
    found = []
    async with proxied(metronome) as proxy, hop_running(hop, scratch / f"pace-{http}", proxy.port) as running:
        for _ in range(STREAMS):
            metronome.paces.clear()
            found.append(await pace(running, http, metronome))
            assert found[-1].held_back == 0
    return found


async def left(hop: Hop, http: Http, scratch: Path) -> list[float | None]:
    """How long a client's leaving takes to the LLM server, at two moments."""
    async with proxied(silent) as proxy, hop_running(hop, scratch / f"left-{http}", proxy.port) as running:
        return [
            await seconds_until_left(running, http, proxy.upstream, target, LIMIT_SECONDS)
            for target in (CHAT, "/v1/messages")
        ]


async def measured(hop: Hop, http: Http, scratch: Path) -> Found:
    """Everything that is asked for each version of HTTP."""
    paces = await added(hop, http, scratch)
    left_seconds = await left(hop, http, scratch)
    async with raw_server() as (port, raw), hop_running(hop, scratch / f"raw-{http}", port, port) as running:
        passed_off = await torn(running, http, raw)
        async with asking(running, http, "/mute/chat/completions", Idempotency_Key="key") as call:
            mute = await call.answer()
        posts = sum("mute" in path for path in raw.requests)
    return Found(paces=paces, left_seconds=left_seconds, torn_is_seen=not passed_off, posts=posts, status=mute.status)


async def alone(proxy: Proxy, metronome: Metronome) -> Pace:
    """A stream without a hop or TLS: what all of the others share."""
    mine = metronome.paces.setdefault("alone", Pace())
    async with chat(proxy.port, headers={"X-Pace": "alone"}) as call:
        for number in range(EVENTS):
            await call.until(b"\n\n")
            mine.came.append(time.monotonic())
            metronome.seen("alone", number).set()
        await call.rest()
    return mine


async def floor() -> list[Pace]:
    """`alone` as often as the others."""
    metronome = Metronome()
    found = []
    async with proxied(metronome) as proxy:
        for _ in range(STREAMS):
            metronome.paces.clear()
            found.append(await alone(proxy, metronome))
    return found


def shown_pace(paces: list[Pace]) -> str:
    """Median and maximum over all events."""
    seconds = [each for one in paces for each in one.added_seconds]
    return f"{statistics.median(seconds) * 1e3:.1f}, {max(seconds) * 1e3:.1f}"


def shown_left(seconds: list[float | None]) -> str:
    """Both moments."""
    return ", ".join("never" if each is None else f"{each * 1e3:.1f}" for each in seconds)


def shown_reload(reload: Reload) -> str:
    """Both counts; the same for either version of HTTP, as both took part."""
    return f"{reload.whole} of {reload.streams}, {len(reload.refused)} of {reload.asked - reload.sent_back}"


def rows(hop: Hop, found: dict[Http, Found], reload: Reload) -> Iterator[str]:
    """The lines of one hop."""
    for http, each in found.items():
        name = {"h1": "HTTP/1.1", "h2": "HTTP/2"}[http]
        crash = "a broken answer" if each.torn_is_seen else "**a whole answer**"
        status = each.status or "**REFUSED_STREAM**"
        yield (
            f"| {hop.title} {hop.version} | {name} | {shown_pace(each.paces)} | {shown_left(each.left_seconds)} "
            f"| {crash} | {each.posts}, {status} | {shown_reload(reload)} |\n"
        )


async def table() -> str:
    """All lines, the floor first."""
    lines = [f"| none (sse-proxy alone, no TLS) | HTTP/1.1 | {shown_pace(await floor())} | | | | |\n"]
    for hop in HOPS.values():
        sys.stderr.write(f"measuring {hop.title} {hop.version}\n")
        with tempfile.TemporaryDirectory(prefix="sse-proxy-hops-") as directory:
            scratch = Path(directory)
            found: dict[Http, Found] = {http: await measured(hop, http, scratch) for http in ("h1", "h2")}
            reload = await reload_under_load(hop, scratch / "reload")
        lines += rows(hop, found, reload)
    return "".join(lines)


def note() -> str:
    """Where and how it was measured."""
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    machine = f"{model[1] if model else 'unknown processor'}, {os.cpu_count()} cores"
    return (
        f"\n{today}, {machine}, load {os.getloadavg()[0]:.1f}: {STREAMS} streams of {EVENTS} events, one every "
        f"{INTERVAL_SECONDS * 1e3:.0f} ms, for each line. LLM server, sse-proxy and client share one process.\n"
    )


def main() -> None:
    """Measure, and put the table in its place."""
    logging.disable()  # of every stream the proxy has a line
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{HEAD}{asyncio.run(table())}{note()}{END}{after}")


if __name__ == "__main__":
    main()
