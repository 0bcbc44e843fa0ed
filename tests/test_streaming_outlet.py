"""The way that nearly every event takes: from the upstream's socket to the client's outside of any task."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from sse_proxy.wire import Wire

from .streaming import DONE, Upstream, body, chunk, event, proxied, start
from .wire import calling, chat

_EVENTS = 20


@pytest.fixture(name="wired")
def _wired(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, bool]]:
    """What went over a `Wire`, and whether in a task."""
    sent: list[tuple[bytes, bool]] = []
    write = Wire.write

    def noted(self: Wire, data: bytes) -> bool:
        sent.append((data, asyncio.current_task() is not None))
        return write(self, data)

    monkeypatch.setattr(Wire, "write", noted)
    return sent


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_events_flow_outside_of_tasks(wired: list[tuple[bytes, bool]], end: str) -> None:
    """Canonical or rewritten, all but those at either end of the stream."""
    texts = [f" w{number}" for number in range(_EVENTS)]
    go = asyncio.Semaphore(0)

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        for text in texts:
            await go.acquire()
            await body(send, chunk(text).replace(b"\n", end.encode()))
        await body(send, (chunk("", finish="stop") + DONE).replace(b"\n", end.encode()), more=False)

    async with proxied(handler) as proxy, chat(proxy.port) as call:
        for text in texts:
            go.release()
            assert await call.until(chunk(text)) == chunk(text)
        assert await call.rest() == chunk("", finish="stop") + DONE
        assert await proxy.outcome() == "completed"
        assert proxy.value('events_total{dialect="openai_chat"}') == _EVENTS + 2
        assert proxy.value("inter_event_seconds_count") == _EVENTS + 1
    assert not any(in_task for _, in_task in wired)
    assert [data for data, _ in wired][: _EVENTS - 2] == [chunk(text) for text in texts[1:-1]]


async def test_a_client_of_http_1_0_gets_no_chunks(wired: list[tuple[bytes, bool]]) -> None:
    """The end of its connection is the end of the body."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        for number in range(_EVENTS):
            await body(send, chunk(f" w{number}"))
            await asyncio.sleep(0.001)
        await body(send, chunk("", finish="stop") + DONE, more=False)

    async with proxied(handler) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        document = b'{"stream":true}'
        head = b"POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(document) + document)
        answer = (await reader.read()).partition(b"\r\n\r\n")[2]
        assert answer == b"".join(chunk(f" w{number}") for number in range(_EVENTS)) + chunk("", finish="stop") + DONE
        writer.close()
    assert wired


async def test_a_broken_event_that_flows_ends_as_any_other(wired: list[tuple[bytes, bool]]) -> None:
    """With the error in the stream, behind all that was whole; and the upstream is left."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("a"))
        await upstream.go.wait()
        await body(send, chunk("b"))
        await asyncio.sleep(0.01)
        await body(send, b"data: " + b"x" * 3000)
        await upstream.left.wait()

    async with proxied(handler, max_event_bytes=1024) as proxy, chat(proxy.port) as call:
        await call.until(chunk("a"))
        proxy.upstream.go.set()
        stream = await call.rest()
        assert stream.startswith(chunk("b"))
        assert b'"code":"too_large"' in stream
        assert call.complete
        await event(proxy.upstream.left)
        assert await proxy.outcome() == "too_large"
    assert wired == [(chunk("b"), False)]


async def test_what_a_slow_client_cannot_take_waits_for_it(wired: list[tuple[bytes, bool]]) -> None:
    """Whichever way it took, every byte arrives once and in order."""
    events = [b'data: {"n":"' + b"%06d" % number + b"x" * 3000 + b'"}\n\n' for number in range(600)]

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        for each in events:
            await body(send, each)
        await body(send, b"", more=False)

    async with proxied(handler) as proxy, calling(proxy.port, "POST", receive_buffer_bytes=4096) as call:
        for each in events:
            await call.until(each[:18])
        assert (await call.rest()).endswith(b'x"}\n\n')
        assert call.complete
        assert await proxy.outcome() == "completed"
        assert proxy.value('events_total{dialect="generic"}') == len(events)
    assert 0 < len(wired) < len(events)
