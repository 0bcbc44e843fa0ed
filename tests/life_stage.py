"""One stream through the real middleware on an event loop whose time is a number: nothing waits, nothing is random.

The upstream is an application that does what it is told, the client a ``send`` that stops reading when it is told, the
store a journal in memory that answers as it is told.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from sse_proxy import Settings, SSEMiddleware
from sse_proxy.core.admission import Admission
from sse_proxy.entrance import Entrance
from sse_proxy.errors import SSEProxyError
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.base import NullMetrics, StreamReport
from sse_proxy.replay.base import Opening, Recording, Taken
from sse_proxy.replay.memory import MemoryJournal
from sse_proxy.replay.null import NullRecording
from sse_proxy.resume.attaching import Attaching
from sse_proxy.resume.resumption import Resumption
from sse_proxy.resume.seats import Seats

from .clocked_loop import ClockedLoop

__all__ = ["OWNER", "TTL_SECONDS", "Stage"]

OWNER = "owner"
#: Of what is kept; longer than any life.
TTL_SECONDS = 1_000_000.0


class Counted(NullMetrics):
    """What was opened and what became of it."""

    def __init__(self) -> None:
        self.started = 0
        self.reports: list[StreamReport] = []
        self.codes: list[int] = []

    def opened(self) -> None:
        self.started += 1

    def closed(self, report: StreamReport, exemplar: Any = None) -> None:
        self.reports.append(report)

    def request(self, route: str, code: int) -> None:
        self.codes.append(code)


class Store(MemoryJournal):
    """A journal whose answer to `open` is scripted: ``ok``, ``slow`` (at `answer`), ``down``."""

    def __init__(self, manner: str, loop: ClockedLoop, *, stream_bytes: int) -> None:
        super().__init__(ttl_seconds=TTL_SECONDS, stream_bytes=stream_bytes, total_bytes=1 << 20, clock=loop.time)
        self._manner = manner
        self.answer = asyncio.Event()
        self.streams: list[str] = []

    async def open(self, opening: Opening, on_stop: Callable[[], None]) -> Recording | Taken:
        self.streams.append(opening.stream)
        if self._manner == "slow":
            await self.answer.wait()
        if self._manner == "down":
            return NullRecording()
        return await super().open(opening, on_stop)


class Stage:
    """See the module header.

    Attributes:
        said: What the client was sent, each piece with its time: a status, or bytes.
        end: How the client's half ended: ``clean``, ``abort`` (at once), ``close`` (without the end); None: not yet.
        late: Whatever was sent behind that end.
    """

    def __init__(self, settings: Settings, *, store: str | None, stream_bytes: int) -> None:
        self.loop = ClockedLoop()
        self.metrics, self.lifecycle = Counted(), Lifecycle()
        self.said: list[tuple[float, int | bytes]] = []
        self.headers: dict[bytes, bytes] = {}
        self.end: str | None = None
        self.late: list[Message] = []
        self._commands: deque[Message | Exception | None] = deque()
        self._told = asyncio.Event()
        self._reads = asyncio.Event()
        self._reads.set()
        self._left = asyncio.Event()
        self.upstream = "idle"
        self.store: Store | None = None
        resumption = None
        if store is not None:
            self.store = Store(store, self.loop, stream_bytes=stream_bytes)
            resumption = self._resumption(self.store, settings)
        self.middleware = SSEMiddleware(
            self._app,
            settings=settings,
            metrics=self.metrics,
            lifecycle=self.lifecycle,
            resumption=resumption,
            owns_app=True,
        )
        self.task = self.loop.create_task(self._serve(store is not None))
        self.loop.settle()

    def _resumption(self, store: Store, settings: Settings) -> Resumption:
        entrance = Entrance(Admission.of(settings, self.lifecycle.ledger), self.metrics)
        attaching = Attaching(
            store, metrics=self.metrics, lifecycle=self.lifecycle, seats=Seats(entrance), patience_seconds=0.0
        )
        return Resumption(
            store, attaching, entrance=entrance, detach_seconds=settings.detach_seconds, clock=self.loop.time
        )

    async def _serve(self, resumes: bool) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"50")]
        if resumes:
            headers.append((b"x-sse-resume", b"on"))
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/v1/chat/completions",
            "raw_path": b"/v1/chat/completions",
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "sse_proxy.owner": OWNER,
            "extensions": {
                "sse_proxy.abort": lambda: self._broke("abort"),
                "sse_proxy.close": lambda: self._broke("close"),
            },
        }
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": json.dumps({"stream": True, "messages": []}).encode()}
            await self._left.wait()
            return {"type": "http.disconnect"}

        try:
            await self.middleware(scope, receive, self._send)
        except SSEProxyError:
            self.end = self.end or "raised"

    async def _send(self, message: Message) -> None:
        if self._left.is_set():
            return  # as uvicorn: silent
        if self.end is not None:
            self.late.append(message)
            return
        now = self.loop.time()
        if message["type"] == "http.response.start":
            self.said.append((now, message["status"]))
            self.headers = dict(message["headers"])
            return  # the first that a connection carries: there is room for it
        if message["body"]:
            self.said.append((now, bytes(message["body"])))
        if not message["more_body"]:
            self.end = "clean"
        await self._reads.wait()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.upstream = "running"
        try:
            while (await receive()).get("more_body", False):
                pass
            while True:
                while not self._commands:
                    self._told.clear()
                    await self._told.wait()
                command = self._commands.popleft()
                if command is None:
                    self.upstream = "over"
                    return
                if isinstance(command, Exception):
                    self.upstream = "over"
                    raise command
                await send(command)
                if command["type"] == "http.response.body" and not command["more_body"]:
                    self.upstream = "over"
                    return
        except asyncio.CancelledError:
            self.upstream = "cancelled"
            raise

    def tell(self, *commands: Message | Exception | None) -> None:
        """Have the upstream send messages, raise an error, or return (None)."""
        self._commands.extend(commands)
        self._told.set()
        self.loop.settle()

    def stall(self) -> None:
        """The client reads no more."""
        self._reads.clear()

    def read(self) -> None:
        """The client reads again."""
        self._reads.set()
        self.loop.settle()

    def leave(self) -> None:
        """The client is gone; what waits for it to read waits no more."""
        self._left.set()
        self._reads.set()
        self.loop.settle()

    def _broke(self, how: str) -> None:
        if not self._left.is_set():
            self.end = self.end or how
        self._reads.set()

    def close(self) -> None:
        """Let the loop go; whatever is left on it is the caller's to have looked at."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.settle()
        self.loop.close()
