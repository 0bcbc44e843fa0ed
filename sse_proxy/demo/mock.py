"""The mock as an ASGI app: one record a request, bodies counted as they come, the client's close noticed everywhere.

Paths and knobs are told in the package header. A knob that cannot be read is a 400 whose message names it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from .apis import EVENTS
from .blocks import JSONObject
from .knobs import KnobError, Knobs, read_knobs
from .routes import Request, keeps_body, respond, route_of
from .runner import run
from .script import document_steps
from .stats import Record, State, Stats
from .steps import Step

__all__ = ["create_mock"]


def create_mock() -> ASGIApp:
    """A fresh mock, with counters of its own; see the package header for what it answers."""
    return _Mock()


class _ClientLeft(Exception):
    """The client closed before its request was complete."""


class _Mock:
    def __init__(self) -> None:
        self._stats = Stats()
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http" if scope["path"].startswith("/mock/"):
                await run(self._control(scope), scope, receive, send, Record(path="/mock"))
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await _lifespan(receive, send)
            case _:
                await send({"type": "websocket.close"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = dict(scope["headers"]).get(b"x-mock-id")
        record = self._stats.begin(route_of(scope["path"]), None if name is None else name.decode("latin-1"))
        state = State.DISCONNECTED
        try:
            steps = await self._steps(scope, receive, record)
            state = await run(steps, scope, receive, send, record)
        except _ClientLeft:
            pass
        finally:
            self._stats.close(record, state)

    async def _steps(self, scope: Scope, receive: Receive, record: Record) -> Iterator[Step]:
        try:
            knobs = read_knobs(scope["query_string"], scope["headers"])
        except KnobError as error:
            return document_steps(Knobs(), 400, EVENTS.refusal(400, str(error)))
        request = Request(
            method=scope["method"],
            route=record.path,
            raw_path=scope["raw_path"],
            query=scope["query_string"],
            headers=list(scope["headers"]),
            knobs=knobs,
            number=next(self._numbers),
            now=int(time.time()),
        )
        # Not even a close is noticed meanwhile: who does not read cannot see it.
        await asyncio.sleep(knobs.read_delay)
        return respond(await _with_body(request, receive, record))

    def _control(self, scope: Scope) -> Iterator[Step]:
        status, document = self._told(scope["method"], scope["path"], scope["query_string"])
        return document_steps(Knobs(), status, document)

    def _told(self, method: str, path: str, query: bytes) -> tuple[int, JSONObject]:
        match method, path:
            case "POST", "/mock/reset":
                self._stats.reset()
                return 200, {}
            case "GET", "/mock/stats" if names := parse_qs(query.decode("latin-1")).get("id"):
                record = self._stats.describe_one(names[0])
                return (404, EVENTS.refusal(404, "no request had this id")) if record is None else (200, record)
            case "GET", "/mock/stats" if names := parse_qs(query.decode("latin-1")).get("ids"):
                known = ((name, self._stats.describe_one(name)) for name in names[0].split(","))
                return 200, {name: record for name, record in known if record is not None}
            case "GET", "/mock/stats":
                return 200, self._stats.describe()
            case _:
                return 404, EVENTS.refusal(404, "GET /mock/stats or POST /mock/reset")


async def _with_body(request: Request, receive: Receive, record: Record) -> Request:
    digest = hashlib.sha256()
    pieces: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeft
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        record.bytes_received += len(piece)
        digest.update(piece)
        if keeps_body(request.route):
            pieces.append(piece)
    return replace(request, body=b"".join(pieces), body_bytes=record.bytes_received, body_sha256=digest.hexdigest())


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
