"""What the tests of replay share: a gate and a router in front of an upstream that counts, and streams fed by hand."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from starlette.types import Receive, Scope, Send

from sse_proxy import Settings
from sse_proxy.core.dialects import StreamState, dialect_by_name
from sse_proxy.core.owner import ANONYMOUS
from sse_proxy.gate import Gate
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.prometheus import PrometheusMetrics
from sse_proxy.replay.base import Batch, End, Glance, Head, Journal, Opening, Recording, StoreUnavailable, Taken
from sse_proxy.replay.memory import MemoryJournal
from sse_proxy.replay.null import NullJournal
from sse_proxy.resume.attaching import Attaching
from sse_proxy.resume.endpoints import STREAMS, Endpoints
from sse_proxy.resume.heads import Pace, head_of
from sse_proxy.routing import Router

from .streaming import Proxy, served, until
from .wire import Answer, Call, ask, calling

_TOO_SHORT = ("heartbeat_seconds", "commit_after_seconds", "client_stall_timeout_seconds", "client_send_buffer_bytes")
IDENTITY = {"id": "chatcmpl-1", "created": 1, "model": "m"}


#: Of no route in particular.
PACE = Pace(heartbeat_mode="auto", heartbeat_seconds=15.0, client_stall_timeout_seconds=60.0)


def head(voice: str = "openai_chat", pace: Pace | None = None) -> Head:
    """What is kept of a response's beginning; *pace* None: of a version that told none, so readers have their own."""
    headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-model", b"m"), (b"set-cookie", b"a=b")]
    told = head_of(200, headers, dialect_by_name(voice), StreamState(identity=dict(IDENTITY)), pace or PACE)
    return told if pace is not None else {name: value for name, value in told.items() if name != "pace"}


@dataclass
class Stream:
    """A recorded stream, which the test feeds."""

    recording: Recording
    id: str
    stops: list[str]
    count: int = 0

    def say(self, *texts: str) -> None:
        """Append an event for each of *texts*."""
        for text in texts:
            self.count += 1
            self.recording.append(self.count, b"data: " + text.encode() + b"\n\n")

    def told(self, *texts: str, after: int = 0, apart: bool = False) -> bytes:
        """The bytes of events with *texts*, of which the first follows the event *after*."""
        line = b"\n\n" if apart else b"\n"
        numbered = enumerate(texts, after + 1)
        return b"".join(b"id: %b%bdata: %b\n\n" % (self.event(n), line, text.encode()) for n, text in numbered)

    def event(self, n: int) -> bytes:
        """The id of the event *n*."""
        return f"{self.id}.{n}".encode()

    @property
    def path(self) -> str:
        return f"/-/sse-proxy/streams/{self.id}"


@dataclass
class Kept(Proxy):
    """A running proxy in front of an upstream that answers ``upstream``; its journal is the test's to fill."""

    journal: Journal
    #: Requests that got as far as the upstream.
    requests: list[Scope] = field(default_factory=list)

    async def stream(self, *texts: str, voice: str | None = "openai_chat", **opening: Any) -> Stream:
        """A new stream with the events *texts*; *voice* None: it has not begun."""
        identity, stops = secrets.token_hex(16), list[str]()
        of = Opening(**{"stream": identity, "owner": ANONYMOUS, **opening})
        recording = await self.journal.open(of, lambda: stops.append(identity))
        assert not isinstance(recording, Taken)
        if voice is not None:
            recording.begin(head(voice))
        stream = Stream(recording, identity, stops)
        stream.say(*texts)
        return stream

    def get(
        self, stream: Stream, after: int | None = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> AbstractAsyncContextManager[Call]:
        """A reader of *stream* that has the events up to *after*."""
        told = {} if after is None else {"Last-Event-ID": stream.event(after).decode()}
        return calling(self.port, "GET", stream.path, headers={**told, **headers})

    async def ask(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] = MappingProxyType({})
    ) -> Answer:
        """The whole answer to a request."""
        return await ask(self.port, method, target, headers=headers, body=body)

    async def unread(self) -> None:
        """Return when no reader is left."""
        await until(lambda: not len(self.lifecycle))

    def resumed(self) -> dict[str, float]:
        """``resumes_total`` by result, those that are not 0."""
        prefix = "resumes_total{"
        found = {name: value for name, value in self.samples().items() if name.startswith(prefix) and value}
        return {name.partition('result="')[2].partition('"')[0]: value for name, value in found.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The upstream."""
        self.requests.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"upstream"})


def memory(*, stream_bytes: int = 1 << 20, ttl_seconds: float = 60.0) -> MemoryJournal:
    """A journal in memory."""
    return MemoryJournal(ttl_seconds=ttl_seconds, stream_bytes=stream_bytes, total_bytes=1 << 24, clock=time.monotonic)


@asynccontextmanager
async def keeping(
    journal: Journal | None = None, *, patience_seconds: float = 0.0, **settings: Any
) -> AsyncIterator[Kept]:
    """A proxy with *settings* whose streams are kept in *journal*; at the end no reader may be left open.

    A store that is down is said to be after *patience_seconds*.
    """
    short = {name: settings.pop(name) for name in _TOO_SHORT if name in settings}
    chosen = Settings(upstream="http://127.0.0.1:1", resume="memory", **settings).model_copy(update=short)
    journal = memory() if journal is None else journal
    kept = Kept(0, PrometheusMetrics(), Lifecycle(), journal)
    attaching = Attaching(journal, metrics=kept.metrics, lifecycle=kept.lifecycle, patience_seconds=patience_seconds)
    gate = Gate(
        Router(_Lives(kept), chosen, attaching),
        chosen,
        lifecycle=kept.lifecycle,
        metrics=kept.metrics,
        upstream_ready=lambda: True,
        named={STREAMS: Endpoints(attaching, chosen)},
    )
    async with served(gate, send_buffer_bytes=chosen.client_send_buffer_bytes) as port:
        kept.port = port
        yield kept
        await kept.unread()
    await journal.close()


class _Lives:
    """*app* with a lifespan."""

    def __init__(self, app: Kept) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
            return
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})


class ScriptedReader:
    """A `Reader` that reads *batches*, and then waits for ever; the first *down* times it is looked at the store is."""

    def __init__(self, batches: Sequence[Batch], *, head: Head | None, down: int = 0) -> None:
        self.head = head
        self._batches = list(batches)
        self._down = down
        self.closed = False

    async def look(self) -> Glance | None:
        if self._down:
            self._down -= 1
            raise StoreUnavailable
        return Glance(head=self.head, oldest=1, latest=99, end=None)

    async def read(self, after: int) -> Batch:
        if not self._batches:
            await asyncio.get_running_loop().create_future()
        return self._batches.pop(0)

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ScriptedJournal(NullJournal):
    """A journal with one *reader*; None: the store is down, else it is for the first *down* times that it is asked."""

    def __init__(self, reader: ScriptedReader | None, *, down: int = 0) -> None:
        super().__init__()
        self.reader = reader
        self._down = down
        self.asked: list[str] = []

    async def attach(self, stream: str, owner: str) -> ScriptedReader:
        self.asked.append(stream)
        return self._reader()

    async def latest(self, owner: str, chat: str) -> str | None:
        self.asked.append(chat)
        self._reader()
        return None

    async def stop(self, stream: str, owner: str) -> bool:
        self.asked.append(stream)
        self._reader()
        return False

    def _reader(self) -> ScriptedReader:
        if self.reader is None or self._down:
            self._down -= 1
            raise StoreUnavailable
        return self.reader


def ends(end: End) -> Batch:
    """The news of *end* alone."""
    return Batch(end=end)
