"""A new configuration for a hop that is at work: streams run through it, and requests keep coming."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import Receive, Scope, Send

from .conftest import LIMIT_SECONDS
from .hops_checks import asking
from .hops_clients import H2Call, Http
from .hops_programs import Change, Hop
from .hops_running import RunningHop, hop_running
from .streaming import DONE, Upstream, body, chunk, event, proxied, start

__all__ = ["Reload", "reload_under_load"]

_STREAMS_EACH = 10


@dataclass
class Reload:
    """What became of it all."""

    streams: int = 2 * _STREAMS_EACH
    #: Streams that the old upstream had when the reload began.
    begun_before: int = 0
    #: Of them, those that ended whole.
    whole: int = 0
    #: Requests that were sent meanwhile.
    asked: int = 0
    #: Of them, those that HTTP/2 sent back unseen (RFC 9113 § 6.8), which clients repeat by themselves.
    sent_back: int = 0
    #: What those got that were not answered as they should.
    refused: list[str] = field(default_factory=list)


async def _held(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """Streams named ``held`` wait in their middle for the test, others do not."""
    await start(send)
    await body(send, chunk("old"))
    if b"held" in dict(scope["headers"])[b"x-pace"]:
        await event(upstream.go)
    await body(send, chunk("", finish="stop") + DONE, more=False)


async def _new(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, chunk("new", finish="stop") + DONE, more=False)


async def reload_under_load(
    hop: Hop, directory: Path, *, change: Change | None = None, hold_seconds: float = 0.0
) -> Reload:
    """Lead *hop* to another upstream while streams run; they are held for *hold_seconds* after that has happened."""
    found = Reload()
    async with (
        proxied(_held) as old,
        proxied(_new) as new,
        hop_running(hop, directory, old.port, change=change) as running,
        AsyncExitStack() as opened,
    ):
        calls = []
        for number in range(found.streams):
            call = await opened.enter_async_context(asking(running, "h2" if number % 2 else "h1", X_Pace="held"))
            await call.until(b"\n\n")
            calls.append(call)
        found.begun_before = len(old.upstream.requests)
        await running.reload(new.port)
        async with asyncio.timeout(LIMIT_SECONDS):
            while not new.upstream.requests:
                await _ask(running, found)
                await asyncio.sleep(0.01)
        await asyncio.sleep(hold_seconds)
        old.upstream.go.set()
        for call in calls:
            rest = await call.rest()
            found.whole += bool(call.complete) and rest.endswith(DONE)
    return found


async def _ask(running: RunningHop, found: Reload) -> None:
    http: Http = "h2" if found.asked % 2 else "h1"
    found.asked += 1
    try:
        async with asking(running, http, X_Pace="quick") as call:
            answer = await call.answer()
            if isinstance(call, H2Call) and call.sent_back:
                found.sent_back += 1
                return
    except (OSError, AssertionError) as error:  # not even a connection
        found.refused.append(repr(error))
    else:
        if not (answer.status == 200 and answer.complete and answer.body.endswith(DONE)):
            found.refused.append(f"{http} {answer.status} {answer.body!r} {answer.complete}")
