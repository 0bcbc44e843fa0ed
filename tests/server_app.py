"""A small app for the tests of the server, and ways to run it: in the test's own loop, or as a process to be signalled.

``python -m tests.server_app PORTS_FILE [NAME=VALUE ...]`` serves it with these settings, as a command would.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from sse_proxy.cli.loop import run_loop
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.base import NullMetrics
from sse_proxy.server import Bound, serve
from sse_proxy.settings import Settings

from .conftest import LIMIT_SECONDS

__all__ = ["Client", "Running", "StreamApp", "running"]


class _Stream:
    """What the lifecycle knows of a stream."""

    def __init__(self) -> None:
        self.is_cut = asyncio.Event()

    def describe(self) -> dict[str, object]:
        return {}

    def cut(self) -> None:
        self.is_cut.set()


@dataclass
class StreamApp:
    """Answers by path, refuses while the lifecycle does, and tells what happened to it.

    ``/release`` sets *release*. ``/hello``, ``/scope`` and ``/echo`` answer at once; ``/stream`` says ``one``, waits
    for *release* or to be cut, and says ``two`` or ``cut``; ``/stubborn`` does not mind to be cut; ``/request`` is no
    stream and waits for *release*. Three end the connection as *ending* says: ``/flood`` once nothing more is taken and
    *release* is set, ``/broken`` after *size* bytes of a stream, ``/late`` after a whole answer.
    """

    lifecycle: Lifecycle
    release: asyncio.Event = field(default_factory=asyncio.Event)
    lifespan: list[str] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    ending: str = "sse_proxy.abort"
    size: int = 1000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["path"] == "/readyz":
            await _answer(send, 503 if self.lifecycle.draining else 200, b"")
        elif scope["path"] == "/release":
            self.release.set()
            await _answer(send, 200, b"")
        elif self.lifecycle.refusing:
            await _answer(send, 503, b"draining")
        else:
            handler = getattr(self, scope["path"].strip("/"), self.hello)
            await handler(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while "shutdown" not in self.lifespan:
            message = await receive()
            self.lifespan.append(message["type"].removeprefix("lifespan."))
            await send({"type": f"{message['type']}.complete"})

    async def hello(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(send, 200, b"hello")

    async def scope(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [[name.decode(), value.decode()] for name, value in scope["headers"]]
        facts = {"client": scope["client"], "scheme": scope["scheme"], "extensions": sorted(scope["extensions"])}
        await _answer(send, 200, json.dumps({**facts, "headers": headers}).encode())

    async def echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        fields = [name.decode() for name, _value in scope["headers"]]
        await _answer(send, 200, json.dumps({"body": body.decode(), "fields": fields}).encode())

    async def stream(self, scope: Scope, receive: Receive, send: Send, *, minds: bool = True) -> None:
        stream = _Stream()
        self.lifecycle.add(stream)
        waits = [asyncio.create_task(self.release.wait()), asyncio.create_task(_disconnected(receive))]
        if minds:
            waits.append(asyncio.create_task(stream.is_cut.wait()))
        try:
            await _begin(send)
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            last = b"cut" if minds and stream.is_cut.is_set() else b"two"
            await send({"type": "http.response.body", "body": last, "more_body": False})
        finally:
            self.lifecycle.remove(stream)
            for wait in waits:
                wait.cancel()

    async def stubborn(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.stream(scope, receive, send, minds=False)

    async def request(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.release.wait()
        await _answer(send, 200, b"done")

    async def flood(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _begin(send)
        leaves = asyncio.create_task(_disconnected(receive))
        while not leaves.done():
            await asyncio.sleep(0)  # sending to nobody returns without a pause
            try:
                async with asyncio.timeout(0.2):
                    await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            except TimeoutError:  # nothing more is taken
                await self.release.wait()
                scope["extensions"][self.ending]()
        scope["extensions"][self.ending]()
        self.left.set()

    async def late(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(send, 200, b"hello")
        scope["extensions"][self.ending]()

    async def broken(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _begin(send, b"x" * self.size)
        scope["extensions"][self.ending]()
        scope["extensions"][self.ending]()


async def _begin(send: Send, first: bytes = b"one") -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": first, "more_body": True})


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Client:
    """A raw connection to a listener."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, address: tuple[str, int], **options: Any) -> AsyncIterator[Client]:
        """Connect; the connection is closed in the end."""
        client = cls(*await asyncio.open_connection(*address, **options))
        try:
            yield client
        finally:
            client.writer.transport.abort()
            with contextlib.suppress(OSError):
                await client.writer.wait_closed()

    def ask(self, path: str, method: str = "GET", extra: str = "", body: str = "") -> None:
        """Send a request; *extra* are header lines, each with its line end."""
        length = f"content-length: {len(body)}\r\n" if body else ""
        self.writer.write(f"{method} {path} HTTP/1.1\r\nhost: test\r\n{length}{extra}\r\n{body}".encode())

    async def until(self, end: bytes) -> bytes:
        """Return what comes up to and with *end*."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return await self.reader.readuntil(end)

    async def rest(self) -> bytes:
        """Return everything up to the end of the connection."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return await self.reader.read()

    async def answer(self, path: str, **request: str) -> tuple[int, bytes]:
        """Ask and return status and body of an answer with a Content-Length."""
        self.ask(path, **request)
        head = await self.until(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        async with asyncio.timeout(LIMIT_SECONDS):
            return int(head.split()[1]), await self.reader.readexactly(length)


@dataclass
class Running:
    """A server in the test's own loop."""

    app: StreamApp
    bound: Bound
    stop: asyncio.Event
    task: asyncio.Task[int]

    def client(self, **options: Any) -> contextlib.AbstractAsyncContextManager[Client]:
        """Connect to the traffic listener."""
        return Client.to(self.bound.traffic, **options)

    def admin(self) -> contextlib.AbstractAsyncContextManager[Client]:
        """Connect to the admin listener."""
        assert self.bound.admin is not None
        return Client.to(self.bound.admin)

    async def code(self) -> int:
        """Wait for the end and return the exit code."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return await self.task


@contextlib.asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Running]:
    """Serve a `StreamApp` on free ports, for traffic and as admin app; it is stopped in the end."""
    lifecycle = Lifecycle()
    app = StreamApp(lifecycle)
    stop = asyncio.Event()
    bound: list[Bound] = []
    is_up = asyncio.Event()

    def tell(where: Bound) -> None:
        bound.append(where)
        is_up.set()

    values = {"port": 0, "admin_port": 0, "drain_delay_seconds": 0, "drain_seconds": 0, **settings}
    task = asyncio.create_task(
        serve(
            app,
            app,
            Settings(**values),
            lifecycle=lifecycle,
            metrics=NullMetrics(),
            on_ready=tell,
            stop=stop,
        )
    )
    waiting = asyncio.create_task(is_up.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=LIMIT_SECONDS)
    waiting.cancel()
    if task.done():
        task.result()
    try:
        yield Running(app, bound[0], stop, task)
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=LIMIT_SECONDS)
        task.cancel()
        await asyncio.wait({task})


async def _main(ports_file: str, settings: Sequence[str]) -> int:
    lifecycle = Lifecycle()
    app = StreamApp(lifecycle)

    def tell(bound: Bound) -> None:
        temporary = Path(f"{ports_file}.new")
        temporary.write_text(json.dumps([bound.traffic, bound.admin]))
        temporary.rename(ports_file)

    values = dict(setting.split("=", 1) for setting in settings)
    loaded = Settings.model_validate({"port": 0, "admin_port": 0, **values})
    return await serve(app, app, loaded, lifecycle=lifecycle, metrics=NullMetrics(), on_ready=tell)


if __name__ == "__main__":
    sys.exit(run_loop(_main(sys.argv[1], sys.argv[2:])))
