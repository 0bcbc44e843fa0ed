"""Upstreams for the tests of `sse_proxy.upstream`: sockets that say exactly what a test wants, and break on demand."""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from .conftest import LIMIT_SECONDS

__all__ = [
    "OK",
    "Peer",
    "Talk",
    "both_loops",
    "keep_answering",
    "open_sockets",
    "peer",
    "silent_listener",
    "splits",
    "until",
]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def both_loops(scenario: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs *scenario* on asyncio's event loop and on uvloop, which differ in how they close and fail."""

    def test(*, run: Callable[[Coroutine[Any, Any, None]], None], **fixtures: Any) -> None:
        async def limited() -> None:
            async with asyncio.timeout(LIMIT_SECONDS * 3):
                await scenario(**fixtures)

        run(limited())

    functools.update_wrapper(test, scenario)
    given = inspect.signature(scenario)
    run = inspect.Parameter("run", inspect.Parameter.KEYWORD_ONLY)
    test.__signature__ = given.replace(parameters=[*given.parameters.values(), run])  # type: ignore[attr-defined]
    marked: Callable[..., None] = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])(
        test
    )
    return marked


class Talk:
    """The peer's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """The next request head, with its empty line."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def say(self, *parts: bytes) -> None:
        """Send each part in a segment of its own, as far as the kernel plays along."""
        for part in parts:
            if self.writer.transport.is_closing():  # uvloop would raise a RuntimeError
                raise ConnectionResetError
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def answer(self, *parts: bytes) -> bytes:
        """Read a request head without a body, then `say` *parts*; returns the head."""
        head = await self.head()
        await self.say(*parts)
        return head

    async def gone(self) -> None:
        """Return when the client has closed or reset the connection; what it still sends is dropped."""
        try:
            while await self.reader.read(65536):
                pass
        except OSError:
            pass

    def reset(self) -> None:
        """Close with a reset (RST)."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Handler = Callable[[Talk], Awaitable[None]]


async def keep_answering(talk: Talk) -> None:
    """A handler that gives `OK` to every request without a body, for as long as the client likes."""
    while True:
        await talk.answer(OK)


class Peer:
    """A listening peer; counts its connections."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.url = ""
        self.connections = 0
        self.open = 0
        self.errors: list[BaseException] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            await self._handler(Talk(reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client left in the middle: what many tests are about
        except BaseException as exc:
            self.errors.append(exc)
            raise
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def peer(
    handler: Handler, *, context: ssl.SSLContext | None = None, path: Path | None = None
) -> AsyncIterator[Peer]:
    """*handler* at ``Peer.url``, once for each connection; closed when it returns."""
    self = Peer(handler)
    if path is not None:
        server: asyncio.Server = await asyncio.start_unix_server(self, path)
        self.url = "http://localhost"
    else:
        server = await asyncio.start_server(self, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}" if context is None else f"https://localhost:{port}"
    before = asyncio.all_tasks()
    try:
        yield self
    finally:
        server.close()
        handlers = [task for task in asyncio.all_tasks() - before if _runs(task, self)]
        for task in handlers:
            task.cancel()
        if handlers:
            await asyncio.wait(handlers)
        assert not [error for error in self.errors if not isinstance(error, asyncio.CancelledError)]


def _runs(task: asyncio.Task[Any], self: Peer) -> bool:
    coroutine = task.get_coro()
    frame = getattr(coroutine, "cr_frame", None)
    return frame is not None and frame.f_locals.get("self") is self


async def until(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds; for what nothing tells of, such as the number of descriptors."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.002)


def splits(data: bytes) -> list[list[bytes]]:
    """*data* whole, byte by byte, and cut at random places."""
    cuts = sorted(random.Random(len(data)).sample(range(1, len(data)), min(4, len(data) - 1)))
    cut = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [[data], [data[index : index + 1] for index in range(len(data))], cut]


def open_sockets() -> int:
    """How many sockets this process has open, by its descriptors; uvloop opens some others when it first needs them."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one of this very directory
            count += str(descriptor.readlink()).startswith("socket:")
    return count


@contextmanager
def silent_listener() -> Iterator[tuple[str, int]]:
    """The address of a listener whose queue is full, so that connecting to it gets no answer at all."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address: tuple[str, int] = listener.getsockname()
        for _ in range(16):
            sock = waiting.enter_context(socket.socket())
            sock.settimeout(0.05)
            try:
                sock.connect(address)
            except TimeoutError:
                break
        else:
            pytest.fail("the listener's queue never filled")
        yield address
