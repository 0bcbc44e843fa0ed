"""A little that becomes very much: compressed answers and requests, JSON that is all brackets; at a real process."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import brotli
import pytest
import zstandard

from .process import Process, serving
from .streaming import GENEROUS_SECONDS
from .wire import ask

MEBIBYTE = 1 << 20
UNPACKED_BYTES = 96 * MEBIBYTE
#: Far under what is unpacked, far over what a process needs for its ordinary work.
ALLOWED_BYTES = 48 * MEBIBYTE
EVENT = b"data: x\n\n"
JSON_BODY = b'{"model": "m", "stream": true, "messages": []}'


def _gzip(pieces: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join([*map(packer.compress, pieces), packer.flush()])


def _brotli(pieces: Iterable[bytes]) -> bytes:
    packer = brotli.Compressor(quality=1)
    return b"".join([*map(packer.process, pieces), packer.finish()])


def _zstd(pieces: Iterable[bytes]) -> bytes:
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join([*map(packer.compress, pieces), packer.flush()])


PACKERS: dict[str, Callable[[Iterable[bytes]], bytes]] = {
    "gzip": _gzip,
    "br": _brotli,
    "zstd": _zstd,
}


def bomb(coding: str, *, begins: bytes) -> bytes:
    """Line ends, which are no event of any size, behind *begins*."""
    return PACKERS[coding]([begins, *[b"\n" * MEBIBYTE] * (UNPACKED_BYTES // MEBIBYTE)])


@asynccontextmanager
async def answering(answer: bytes, coding: str) -> AsyncIterator[tuple[int, bytearray]]:
    """An upstream whose every answer is *answer*, but for ``/hello``; and what it received."""
    received = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            received.extend(head + await reader.readexactly(int(length[1]) if length else 0))
            own = b"Content-Encoding: %b\r\nContent-Type: text/event-stream\r\n" % coding.encode()
            body, fields = (b"hello", b"") if b"GET /hello" in head else (answer, own)
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\n%bContent-Length: %d\r\n\r\n" % (fields, len(body)) + body
            )
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], received
    finally:
        server.close()


def peak_bytes(proxy: Process) -> int:
    """The most memory that it ever had, as the kernel counts."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{proxy.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.parametrize("coding", ["br", "zstd"])
async def test_a_bomb_of_the_upstream_costs_little_memory_and_nobody_else_s_turn(coding: str) -> None:
    """It ends as too large; meanwhile others are served, between its portions rather than behind all of them.

    In br 400 bytes are enough; zstd's decoder knows no limit of its own. The other codings, and several at once, are
    `core.decoding`'s tests.
    """
    packed = bomb(coding, begins=EVENT)
    assert len(packed) < MEBIBYTE
    flags = "--readiness-upstream", "off", "--max-event-bytes", str(MEBIBYTE // 4)
    async with answering(packed, coding) as (port, _), serving(port, *flags) as proxy:
        await ask(proxy.port, target="/hello")
        before = peak_bytes(proxy)
        fields = {"Content-Type": "application/json"}
        bombed = asyncio.create_task(ask(proxy.port, "POST", "/v1/chat/completions", headers=fields, body=JSON_BODY))
        served = 0
        while not bombed.done():
            served += (await ask(proxy.port, target="/hello")).body == b"hello"
        answer = await bombed
        assert b"over the size limit" in answer.body
        assert peak_bytes(proxy) - before < ALLOWED_BYTES
        assert served >= 2
        _, metrics = await proxy.admin("/metrics")
        assert b'outcome="too_large"} 1.0' in metrics


async def test_a_bomb_without_a_beginning_is_not_unpacked_to_be_looked_at() -> None:
    """What the first bytes are is told from the first bytes."""
    packed = bomb("br", begins=b"")
    async with answering(packed, "br") as (port, _), serving(port, "--readiness-upstream", "off") as proxy:
        await ask(proxy.port, target="/hello")
        before = peak_bytes(proxy)
        await ask(
            proxy.port, "POST", "/v1/chat/completions", headers={"Content-Type": "application/json"}, body=JSON_BODY
        )
        assert peak_bytes(proxy) - before < ALLOWED_BYTES


async def test_requests_are_never_unpacked_and_brackets_are_no_trouble() -> None:
    """A compressed request goes on as it came; a body of brackets is no JSON that anybody reads."""
    packed = bomb("gzip", begins=JSON_BODY)
    brackets = b"[" * (4 * MEBIBYTE)
    answer = _gzip([EVENT])
    async with answering(answer, "gzip") as (port, received), serving(port, "--readiness-upstream", "off") as proxy:
        await ask(proxy.port, target="/hello")
        before = peak_bytes(proxy)
        fields = {"Content-Type": "application/json"}
        coded = {**fields, "Content-Encoding": "gzip"}
        async with asyncio.timeout(2 * GENEROUS_SECONDS):
            await ask(proxy.port, "POST", "/v1/chat/completions", headers=coded, body=packed)
            await ask(proxy.port, "POST", "/v1/chat/completions", headers=fields, body=brackets)
        assert packed in received
        assert brackets in received
        assert peak_bytes(proxy) - before < ALLOWED_BYTES
