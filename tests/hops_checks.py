"""What is asked of every hop, each as a function that returns what was found; tests judge it, and a page tells it.

The LLM server, sse-proxy and the client run in one loop, so that their clocks are one; the hop is a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from .accepting import Accepting
from .conftest import LIMIT_SECONDS
from .hops_clients import Calling, Http, calling
from .hops_running import READY_PATH, RunningHop
from .streaming import DONE, Upstream, body, chunk, event, start

__all__ = [
    "CHAT", "EVENTS", "INTERVAL_SECONDS", "Metronome", "Pace", "RawServer", "asking", "pace", "raw_server",
    "seconds_until_left", "silent", "torn",
]  # fmt: skip

CHAT = "/v1/chat/completions"
EVENTS = 4
INTERVAL_SECONDS = 0.3
_PROMPT = json.dumps({"model": "m", "stream": True, "messages": []}).encode()
_FIELDS = {"Content-Type": "application/json"}


@asynccontextmanager
async def asking(hop: RunningHop, http: Http, target: str = CHAT, **headers: str) -> AsyncIterator[Calling]:
    """A chat request through *hop* that asks for a stream."""
    fields = {**_FIELDS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with calling(hop.port, hop.trust, http, target, method="POST", headers=fields, body=_PROMPT) as call:
        yield call


@dataclass
class Pace:
    """When events were sent and when they came."""

    sent: list[float] = field(default_factory=list)
    came: list[float] = field(default_factory=list)

    @property
    def added_seconds(self) -> list[float]:
        """What the way took, for each event."""
        return [came - sent for sent, came in zip(self.sent, self.came, strict=True)]

    @property
    def median_seconds(self) -> float:
        return statistics.median(self.added_seconds)

    @property
    def held_back(self) -> int:
        """Events that came only after the next one had been sent, however long that waited for them."""
        return sum(came >= after for came, after in zip(self.came, self.sent[1:], strict=False))


class Metronome:
    """An upstream that sends each of its streams an event every 300 ms.

    It waits longer, up to *patience_seconds*, for an event to be seen before it sends the next: a busy machine makes
    the stream slow, and only what holds events back makes them late. After the first that is late it waits no more.
    """

    def __init__(self, patience_seconds: float = LIMIT_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self.paces: dict[str, Pace] = {}
        self._seen: dict[tuple[str, int], asyncio.Event] = {}

    def seen(self, name: str, number: int) -> asyncio.Event:
        return self._seen.setdefault((name, number), asyncio.Event())

    async def __call__(self, upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        name = dict(scope["headers"])[b"x-pace"].decode()
        mine = self.paces.setdefault(name, Pace())
        patience = self._patience_seconds
        await start(send)
        for number in range(EVENTS):
            mine.sent.append(time.monotonic())
            await body(send, chunk(f"token {number}"))
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                async with asyncio.timeout(patience):
                    await self.seen(name, number).wait()
            except TimeoutError:
                patience = 0.0
        await body(send, chunk("", finish="stop") + DONE, more=False)


async def pace(hop: RunningHop, http: Http, metronome: Metronome, target: str = CHAT, **headers: str) -> Pace:
    """One stream of *metronome* through *hop*, to its end."""
    mine = metronome.paces.setdefault(f"{http} {target}", Pace())
    async with asking(hop, http, target, X_Pace=f"{http} {target}", **headers) as call:
        for number in range(EVENTS):
            await call.until(b"\n\n")
            mine.came.append(time.monotonic())
            metronome.seen(f"{http} {target}", number).set()
        assert (await call.rest()).endswith(DONE)
        assert call.complete
    return mine


async def silent(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """An upstream that is asked, and says one event if the path is that of chats, and then nothing."""
    if scope["path"] == CHAT:
        await start(send)
        await body(send, chunk("token"))
    await event(upstream.go)


async def torn(hop: RunningHop, http: Http, raw: RawServer) -> bool:
    """Whether an answer that breaks off after its second event ends like a whole one."""
    raw.seen.clear()
    async with asking(hop, http, "/torn/chat/completions") as call:
        for _ in range(2):
            await call.until(b"\n\n")
        raw.seen.set()
        assert await call.rest() == b""
        return bool(call.complete)


async def seconds_until_left(
    hop: RunningHop, http: Http, upstream: Upstream, target: str, limit: float
) -> float | None:
    """From a client's leaving to the upstream's noticing, behind `silent`; None: not within *limit* seconds."""
    upstream.left.clear()
    upstream.arrived.clear()
    async with asking(hop, http, target) as call:
        await event(upstream.arrived)
        if target == CHAT:
            await call.until(b"\n\n")
        call.leave()
        left = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await upstream.left.wait()
                return time.monotonic() - left
        return None


class RawServer(Accepting):
    """An HTTP/1.1 server that breaks off at a named point: ``torn`` two events into its answer, ``mute`` before it."""

    def __init__(self) -> None:
        super().__init__()
        #: Requests that were read whole, by path.
        self.requests: list[str] = []
        #: The client has the events of a torn answer, so the connection may break.
        self.seen = asyncio.Event()
        #: What accepts its connections, once it does.
        self.server: asyncio.Server | None = None

    async def close(self) -> None:
        """Listen no more, and end the connections that are left."""
        if self.server is not None:
            self.server.close()
        await self.stop()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        lengths = [int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:")]
        await reader.readexactly(sum(lengths))
        if path == READY_PATH or path.endswith("readyz"):
            status = "404 Not Found" if path == READY_PATH else "200 OK"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
            return True
        self.requests.append(path)
        if "mute" in path:
            return False
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        events = chunk("token") * 2
        if "torn" in path:
            writer.write(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(events), events))
            await writer.drain()
            await event(self.seen)
            return False
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(events), events))
        return True


@asynccontextmanager
async def raw_server() -> AsyncIterator[tuple[int, RawServer]]:
    """A `RawServer` on a free port."""
    raw = RawServer()
    raw.server = await asyncio.start_server(raw.accept, "127.0.0.1", 0)
    try:
        yield raw.server.sockets[0].getsockname()[1], raw
    finally:
        await raw.close()
