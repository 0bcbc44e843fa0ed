"""The relay of the fault matrix does what its manner says and only that: one that just relays would prove nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from .conftest import LIMIT_SECONDS
from .faults.relay import Manner, Relay

Line = tuple[Relay, asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def echoing(manner: Manner) -> AsyncIterator[Line]:
    """A connection through a relay to somebody who says everything twice, and ends when the other does."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()
        over.set()

    over = asyncio.Event()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Relay(server.sockets[0].getsockname()[1]) as relay, asyncio.timeout(LIMIT_SECONDS):
        relay.manner = manner
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        yield relay, reader, writer
        writer.transport.abort()
        if relay.open:
            await over.wait()
    server.close()
    await asyncio.sleep(0)  # the event loop closes the sockets one turn later


async def test_by_itself_it_changes_nothing() -> None:
    """Bytes and ends pass, both ways."""
    async with echoing(Manner()) as (relay, reader, writer):
        writer.write(b"m" * 200_000)
        writer.write_eof()
        assert await reader.read() == b"m" * 200_000
        assert (relay.accepted, relay.open) == (1, 1) or relay.open == 0


async def test_it_splits_and_pauses() -> None:
    """Every byte comes by itself, and what is between them takes its time: there and back."""
    async with echoing(Manner(piece_bytes=1, pause_seconds=0.02)) as (_, reader, writer):
        began = time.monotonic()
        writer.write(b"abcde")
        assert await reader.readexactly(5) == b"abcde"
        assert time.monotonic() - began >= 5 * 0.02


async def test_it_delays() -> None:
    """By its latency, once each way; jitter comes on top."""
    async with echoing(Manner(latency_seconds=0.1, jitter_seconds=0.01)) as (_, reader, writer):
        began = time.monotonic()
        writer.write(b"a")
        assert await reader.readexactly(1) == b"a"
        assert time.monotonic() - began >= 0.2


async def test_what_goes_into_a_hole_is_lost() -> None:
    """Until the hole is closed, and nobody is told."""
    async with echoing(Manner(is_hole_towards=frozenset({"caller"}))) as (relay, reader, writer):
        writer.write(b"lost")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        relay.manner = Manner()
        writer.write(b"found")
        assert await reader.readexactly(5) == b"found"


async def test_noise_comes_before_the_first_bytes() -> None:
    """Once, and towards the caller only."""
    async with echoing(Manner(noise=b"noise ")) as (_, reader, writer):
        writer.write(b"word")
        assert await reader.readexactly(10) == b"noise word"


@pytest.mark.parametrize("way", ["reset", "half-close", "welcome"])
async def test_it_ends_connections(way: str) -> None:
    """With a reset, or with an end towards one side."""
    async with echoing(Manner(welcome="reset" if way == "welcome" else "")) as (relay, reader, writer):
        if way == "half-close":
            writer.write(b"a")
            await reader.readexactly(1)
            relay.half_close("caller")
            assert await reader.read() == b""
            return
        if way == "reset":
            writer.write(b"a")
            await reader.readexactly(1)
            relay.reset()
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_it_refuses_and_listens_again_on_the_same_port() -> None:
    """What is open goes on."""
    async with echoing(Manner()) as (relay, reader, writer):
        writer.write(b"a")
        await reader.readexactly(1)
        relay.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"b")
        assert await reader.readexactly(1) == b"b"
        await relay.listen()
        _, other = await asyncio.open_connection("127.0.0.1", relay.port)
        other.close()
