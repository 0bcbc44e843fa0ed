"""Shared parts of the tests that run the proxy as a process, in front of a cheap upstream in the test's loop."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .accepting import Accepting
from .streaming import DONE, GENEROUS_SECONDS, chunk

_READY = re.compile(rb"http://(127\.0\.0\.1:\d+).*admin on http://(127\.0\.0\.1:\d+)")


@dataclass
class Process:
    """A running ``sse-proxy serve``."""

    process: asyncio.subprocess.Process
    port: int
    admin_port: int
    #: What it has written to stderr so far.
    log: bytearray = field(default_factory=bytearray)

    @property
    def pid(self) -> int:
        return self.process.pid

    def descriptors(self) -> int:
        """Open file descriptors."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def resident_bytes(self) -> int:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * 4096

    async def admin(self, path: str) -> tuple[int, bytes]:
        """GET from the admin port: status and body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.admin_port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(GENEROUS_SECONDS):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body

    async def exit_code(self) -> int:
        """Wait for its end."""
        async with asyncio.timeout(GENEROUS_SECONDS * 2):
            return await self.process.wait()


@asynccontextmanager
async def serving(upstream_port: int, *flags: str, descriptors: int | None = None) -> AsyncIterator[Process]:
    """``sse-proxy serve`` in front of *upstream_port*; killed at the end if it still runs.

    *descriptors*: how many it may have; None: as many as this process.
    """
    limited = () if descriptors is None else ("sh", "-c", 'ulimit -n "$0" && exec "$@"', str(descriptors))
    process = await asyncio.create_subprocess_exec(
        *limited,
        *(sys.executable, "-m", "sse_proxy", "serve", "--upstream", f"http://127.0.0.1:{upstream_port}"),
        *("--port", "0", "--admin-port", "0", "--log-format", "json", *flags),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    running = Process(process, 0, 0)
    follower: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(GENEROUS_SECONDS):
            while (found := _READY.search(running.log)) is None:
                line = await process.stderr.readline()
                assert line, running.log.decode()
                running.log += line
        running.port, running.admin_port = (int(address.rpartition(b":")[2]) for address in found.groups())
        follower = asyncio.create_task(_follow(process.stderr, running.log))
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if follower is not None:
            await follower


async def _follow(stderr: asyncio.StreamReader, log: bytearray) -> None:
    while data := await stderr.read(65536):
        log += data


@dataclass
class TokenServer(Accepting):
    """A raw HTTP/1.1 server that answers each POST with *tokens* chat events, *pause* seconds apart."""

    tokens: int
    pause: float = 0.0
    connections: int = 0
    served: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                self.served += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.connections -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if length is None:  # a readiness probe
            return False
        await reader.readexactly(int(length[1]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(self.tokens):
            self._event(writer, chunk(f"token {number} "))
            if self.pause:
                await asyncio.sleep(self.pause)
        self._event(writer, chunk("", finish="stop"))
        self._event(writer, DONE)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    @staticmethod
    def _event(writer: asyncio.StreamWriter, event: bytes) -> None:
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))


@asynccontextmanager
async def token_server(tokens: int, pause: float = 0.0) -> AsyncIterator[tuple[int, TokenServer]]:
    """A `TokenServer` on a free port."""
    tokens_of = TokenServer(tokens, pause)
    server = await asyncio.start_server(tokens_of.accept, "127.0.0.1", 0, backlog=1024)
    try:
        yield server.sockets[0].getsockname()[1], tokens_of
    finally:
        server.close()
        await tokens_of.stop()


PAYLOAD = json.dumps({"model": "m", "stream": True, "messages": []}).encode()
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(PAYLOAD)
) + PAYLOAD


async def stream_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """One chat stream on an open connection: everything up to the end of the chunked body."""
    writer.write(REQUEST)
    async with asyncio.timeout(GENEROUS_SECONDS * 2):
        return await reader.readuntil(b"\r\n0\r\n\r\n")
