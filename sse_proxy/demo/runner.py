"""Carries out a script on an ASGI connection, and stops the moment that the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from starlette.types import Receive, Scope, Send

from ..client_protocol import ABORT_EXTENSION
from .stats import Record, State
from .steps import Abort, Start, Step, Wait, Write

__all__ = ["run"]


async def run(steps: Iterator[Step], scope: Scope, receive: Receive, send: Send, record: Record) -> State:
    """Do all *steps*, counting into *record*, and return how it ended; *receive* must be through with the body."""
    watcher = asyncio.create_task(_client_left(receive))
    performer = asyncio.create_task(_perform(steps, scope, send, record))
    try:
        await asyncio.wait({watcher, performer}, return_when=asyncio.FIRST_COMPLETED)
        # Both may be done: a server reports a disconnect after a complete response too.
        return performer.result() if performer.done() else State.DISCONNECTED
    finally:
        for task in (watcher, performer):
            task.cancel()
        await asyncio.gather(watcher, performer, return_exceptions=True)


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _perform(steps: Iterator[Step], scope: Scope, send: Send, record: Record) -> State:
    for step in steps:
        match step:
            case Start(status, headers):
                await send({"type": "http.response.start", "status": status, "headers": headers})
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Write(data, events):
                await send({"type": "http.response.body", "body": data, "more_body": True})
                record.bytes_sent += len(data)
                record.events_sent += events
                # `send` returns without a pause while the socket takes all; others want the loop, too.
                await asyncio.sleep(0)
            case Abort():
                # Without the extension the server closes when the app returns in the middle of a response.
                if abort := (scope.get("extensions") or {}).get(ABORT_EXTENSION):
                    abort()
                return State.DIED
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return State.COMPLETED
