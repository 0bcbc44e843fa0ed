"""The proxy as a process: what SIGTERM does to live streams, and what ten thousand streams leave behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable

import pytest

from .process import Process, serving, stream_once, token_server
from .streaming import GENEROUS_SECONDS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_STREAMS = 50
_SHORT_STREAMS = 10_000
_CONCURRENCY = 50


async def _stream_on_new_connection(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await stream_once(reader, writer)
    finally:
        writer.close()


async def _until(condition: Callable[[], bool], seconds: float = GENEROUS_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_sigterm_under_fifty_live_streams_loses_no_event() -> None:
    """Streams that are open at SIGTERM run to their end, readiness fails at once, and the exit code is 0."""
    tokens = 60
    async with (
        token_server(tokens, pause=0.03) as (upstream_port, upstream),
        serving(upstream_port, "--drain-delay-seconds", "0.5", "--drain-seconds", "30") as proxy,
    ):
        streams = [asyncio.create_task(_stream_on_new_connection(proxy.port)) for _ in range(_STREAMS)]
        await _until(lambda: upstream.connections >= _STREAMS)
        os.kill(proxy.pid, signal.SIGTERM)
        await _until_not_ready(proxy)
        bodies = await asyncio.gather(*streams)
        assert await proxy.exit_code() == 0
    for body in bodies:
        assert body.count(b'"content":"token ') == tokens
        assert body.count(b"data: [DONE]\n\n") == 1


async def _until_not_ready(proxy: Process) -> None:
    async with asyncio.timeout(GENEROUS_SECONDS):
        while (await proxy.admin("/readyz"))[0] != 503:
            await asyncio.sleep(0.02)


async def test_a_stream_that_does_not_end_in_time_is_told_so() -> None:
    """After ``drain_seconds`` a stream gets the dialect's in-stream error, its terminator and a clean end."""
    async with (
        token_server(100_000, pause=0.05) as (upstream_port, upstream),
        serving(upstream_port, "--drain-delay-seconds", "0", "--drain-seconds", "0.5") as proxy,
    ):
        stream = asyncio.create_task(_stream_on_new_connection(proxy.port))
        await _until(lambda: upstream.connections >= 1)
        os.kill(proxy.pid, signal.SIGTERM)
        body = await stream
        assert await proxy.exit_code() == 0
    assert b'"code":"drained"' in body
    assert body.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_a_second_signal_ends_at_once() -> None:
    """The first SIGTERM waits for the stream, the second does not."""
    async with (
        token_server(100_000, pause=0.05) as (upstream_port, upstream),
        serving(upstream_port, "--drain-delay-seconds", "0", "--drain-seconds", "600") as proxy,
    ):
        stream = asyncio.create_task(_stream_on_new_connection(proxy.port))
        await _until(lambda: upstream.connections >= 1)
        os.kill(proxy.pid, signal.SIGTERM)
        await _until_not_ready(proxy)
        os.kill(proxy.pid, signal.SIGTERM)
        assert await proxy.exit_code() == 128 + signal.SIGTERM
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await stream


async def test_ten_thousand_short_streams_leave_nothing_behind(record_property: Callable[[str, object], None]) -> None:
    """Descriptors, open streams and memory are where they were after the first thousand."""
    async with token_server(5) as (upstream_port, upstream), serving(upstream_port) as proxy:
        await _many(proxy, _SHORT_STREAMS // 10)
        await _until(lambda: upstream.connections == 0)  # the proxy's idle connections have expired
        descriptors, resident = proxy.descriptors(), proxy.resident_bytes()
        await _many(proxy, _SHORT_STREAMS)
        await _until(lambda: upstream.connections == 0)
        await _until(lambda: proxy.descriptors() <= descriptors)
        grown = proxy.resident_bytes() - resident
        streams = json.loads((await proxy.admin("/-/streams"))[1])
        metrics = (await proxy.admin("/metrics"))[1].decode()
    record_property("resident_bytes_grown", grown)
    sys.stdout.write(f"{_SHORT_STREAMS} streams: {grown / 1024:.0f} KiB more, {descriptors} descriptors\n")
    assert upstream.served == _SHORT_STREAMS + _SHORT_STREAMS // 10
    assert streams == []
    assert "sse_proxy_streams_active 0.0" in metrics
    assert f'outcome="completed"}} {float(upstream.served)}' in metrics
    assert grown < 4 << 20


async def _many(proxy: Process, streams: int) -> None:
    async def some(count: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port, limit=1 << 20)
        for _ in range(count):
            body = await stream_once(reader, writer)
            assert body.count(b"token ") == 5
            assert b"data: [DONE]\n\n" in body
        writer.close()

    await asyncio.gather(*(some(streams // _CONCURRENCY) for _ in range(_CONCURRENCY)))
