"""For the test of secrets: what is planted, an upstream that fails in every way, and everything that came out."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from traceback import format_exception

from click.testing import CliRunner

from sse_proxy.cli import main

from .streaming import DONE, GENEROUS_SECONDS, chunk

__all__ = ["SECRETS", "FailingUpstream", "Outcome", "failing_upstream", "forms", "run_commands"]

#: Name of a secret → what it looks like; the places are in the test.
SECRETS = {
    name: f"canary-{name.replace('_', '-')}-{number:04x}e7c1"
    for number, name in enumerate((
        "token", "admin_token", "wrong_token", "upstream_key", "redis_password", "query", "prompt", "system", "cookie",
        "field", "chat_key", "idempotency", "answer", "garbage", "refusal", "upstream_field", "upstream_cookie",
        "file_line",
    ))
}  # fmt: skip


def forms(secret: str) -> tuple[str, ...]:
    """A secret as it is, as somebody may have encoded it, and as its hash."""
    raw = secret.encode()
    return (secret, base64.b64encode(raw).decode().rstrip("="), hashlib.sha256(raw).hexdigest())


@dataclass
class Outcome:
    """Everything that came out, by where it did."""

    texts: dict[str, str] = field(default_factory=dict)

    def add(self, place: str, text: str | bytes) -> None:
        """Keep *text*; a place may be told of more than once."""
        told = text if isinstance(text, str) else text.decode("latin-1")
        self.texts[place] = self.texts.get(place, "") + told

    def leaks(self, homes: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
        """Each secret with a place where it is and should not be; *homes*: beginnings of places where it may be."""
        return [
            (name, place)
            for name, secret in SECRETS.items()
            for place, text in self.texts.items()
            if any(form in text for form in forms(secret)) and not place.startswith(homes.get(name, ("\0",)))
        ]


async def run_commands(
    outcome: Outcome, rows: Sequence[tuple[str, int, Sequence[str]]], environment: Mapping[str, str]
) -> None:
    """Run ``sse-proxy`` for each row (place, expected exit code, arguments), and keep what it writes.

    In one process for all of them, since most of the time that a command takes is Python's own start.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.secret_places"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=dict(environment),
    )
    try:
        async with asyncio.timeout(GENEROUS_SECONDS * 3):
            written, _ = await process.communicate(json.dumps([arguments for _, _, arguments in rows]).encode())
    except BaseException:
        process.kill()
        raise
    told: list[tuple[int, str]] = json.loads(written)
    for (place, code, _), (exit_code, text) in zip(rows, told, strict=True):
        outcome.add(place, text)
        assert (exit_code, bool(text)) == (code, True), (place, exit_code, text)


@dataclass
class FailingUpstream:
    """Answers as ``kind=`` of the query says; keeps what it was sent."""

    port: int = 0
    received: bytearray = field(default_factory=bytearray)
    #: ``kind=hold`` ends its stream when this is set.
    release: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            self.received += head + await reader.readexactly(int(length[1]) if length else 0)
            kind = re.search(rb"kind=([a-z]+)", head)
            await getattr(self, (kind[1] if kind else b"ok").decode())(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def ok(self, writer: asyncio.StreamWriter) -> None:
        self._begin(writer)
        writer.write(chunk(SECRETS["answer"]) + chunk("", finish="stop") + DONE)

    async def hold(self, writer: asyncio.StreamWriter) -> None:
        self._begin(writer)
        writer.write(chunk(SECRETS["answer"]))
        await self.release.wait()
        writer.write(chunk("", finish="stop") + DONE)

    async def truncated(self, writer: asyncio.StreamWriter) -> None:
        self._begin(writer)
        writer.write(chunk(SECRETS["answer"]))

    async def malformed(self, writer: asyncio.StreamWriter) -> None:
        self._begin(writer)
        writer.write(f"data: {{{SECRETS['garbage']}\n\nevent: {SECRETS['garbage']}\nnonsense\n\n".encode())

    async def coded(self, writer: asyncio.StreamWriter) -> None:
        self._begin(writer, "Content-Encoding: gzip\r\n")
        writer.write(SECRETS["garbage"].encode())

    async def garbage(self, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{SECRETS['garbage']} is no HTTP\r\n\r\n".encode())

    async def refuse(self, writer: asyncio.StreamWriter) -> None:
        body = b'{"error":{"message":"%b"}}' % SECRETS["refusal"].encode()
        fields = b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n" + fields + body)

    async def close(self, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def hang(self, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(GENEROUS_SECONDS)

    @staticmethod
    def _begin(writer: asyncio.StreamWriter, more: str = "") -> None:
        cookie = f"Set-Cookie: s={SECRETS['upstream_cookie']}\r\n"
        fields = f"X-Upstream: {SECRETS['upstream_field']}\r\n{cookie}{more}Connection: close\r\n\r\n"
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{fields}".encode())


@asynccontextmanager
async def failing_upstream() -> AsyncIterator[FailingUpstream]:
    """It on a free port."""
    upstream = FailingUpstream()
    server = await asyncio.start_server(upstream.accept, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for task in upstream.tasks:
            task.cancel()
        await asyncio.gather(*upstream.tasks, return_exceptions=True)


def _run_in_turn() -> None:
    """The other side of `run_commands`."""
    found = []
    for arguments in json.load(sys.stdin):
        done = CliRunner().invoke(main, arguments, prog_name="sse-proxy")
        traceback = "" if done.exc_info is None else "".join(format_exception(done.exc_info[1]))
        found.append((done.exit_code, done.output + ("" if isinstance(done.exception, SystemExit) else traceback)))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    _run_in_turn()
