"""A client that leaves: whatever the upstream is doing, it sees the connection close within a second.

The limit of a test is generous; the delay that was measured is logged (``pytest --log-cli-level=INFO``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import trustme
from starlette.types import Receive, Scope, Send

from .streaming import DONE, Handler, Proxy, Upstream, body, chunk, event, proxied, proxying, start, until
from .upstream_peers import Talk, both_loops, open_sockets, peer, silent_listener
from .wire import Call, calling, chat

_log = logging.getLogger(__name__)

#: Far more than the kernel and all buffers between here and there hold.
_ENDLESS_BYTES = 256 * 1024 * 1024


async def _leave(call: Call, seen: Callable[[], bool]) -> None:
    """Let the client leave, wait until the upstream has *seen* it, and log how long that took."""
    before = time.monotonic()
    call.leave()
    await until(seen)
    _log.info("the upstream saw it after %.1f ms", 1000 * (time.monotonic() - before))


async def _silence(_upstream: Upstream, _scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def _only_headers(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    upstream.go.set()
    await asyncio.Event().wait()


async def _only_pings(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    upstream.go.set()
    while True:
        await body(send, b": ping\n\n")
        await asyncio.sleep(0.002)


@both_loops
async def test_a_client_that_leaves_before_the_headers_stops_the_upstream() -> None:
    """The GPU must not prefill for nobody."""
    async with proxied(_silence) as proxy, chat(proxy.port) as call:
        await event(proxy.upstream.arrived)
        await _leave(call, proxy.upstream.left.is_set)
        assert await proxy.outcome() == "client_disconnected"
        await until(lambda: proxy.value('requests_total{code="499",route="openai_chat"}') == 1)


@pytest.mark.parametrize("handler", [_only_headers, _only_pings])
@both_loops
async def test_a_client_that_leaves_before_the_first_event_stops_the_upstream(handler: Handler) -> None:
    """The upstream has answered, but has generated nothing yet."""
    async with proxied(handler) as proxy, chat(proxy.port) as call:
        await event(proxy.upstream.go)
        await _leave(call, proxy.upstream.left.is_set)
        assert await proxy.outcome() == "client_disconnected"


async def _one_event(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, chunk("x"))
    await asyncio.Event().wait()


async def _many_events(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send)
    while True:
        await body(send, chunk("x"))
        await asyncio.sleep(0.002)


@pytest.mark.parametrize("handler", [_one_event, _many_events])
@both_loops
async def test_a_client_that_leaves_in_the_middle_stops_the_upstream(handler: Handler) -> None:
    """Between two events that are far apart, and under a flow of events."""
    async with proxied(handler) as proxy, chat(proxy.port) as call:
        await call.until(chunk("x"))
        await _leave(call, proxy.upstream.left.is_set)
        assert await proxy.outcome() == "client_disconnected"


@both_loops
async def test_a_client_that_resets_its_connection_has_left_too() -> None:
    """As a process that is killed with unread data does."""
    async with proxied(_one_event) as proxy, chat(proxy.port) as call:
        await call.until(chunk("x"))
        call.reset()
        await event(proxy.upstream.left)
        assert await proxy.outcome() == "client_disconnected"


@both_loops
async def test_a_client_that_leaves_after_the_commit_stops_the_upstream() -> None:
    """Our 200 and our heartbeats change nothing about it."""
    async with proxied(_silence, commit_after_seconds=0.01) as proxy, chat(proxy.port) as call:
        await call.until(b": ping\n")
        await _leave(call, proxy.upstream.left.is_set)
        assert await proxy.outcome() == "client_disconnected"


async def _half_a_document(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    await start(send, "application/json", content_length="1000")
    await body(send, b'{"half":')
    await asyncio.Event().wait()


@both_loops
async def test_a_client_that_leaves_during_an_ordinary_answer_stops_the_upstream() -> None:
    """Not a stream: the request is counted with 499, and no stream is."""
    async with proxied(_half_a_document) as proxy, chat(proxy.port, stream=False) as call:
        await call.until(b'{"half":')
        await _leave(call, proxy.upstream.left.is_set)
        await proxy.idle()
        assert proxy.outcomes() == {}


@both_loops
async def test_a_client_that_leaves_before_an_ordinary_answer_stops_the_upstream() -> None:
    """A long generation without ``stream`` costs as much."""
    async with proxied(_silence) as proxy, chat(proxy.port, stream=False) as call:
        await event(proxy.upstream.arrived)
        await _leave(call, proxy.upstream.left.is_set)
        await proxy.idle()
        assert proxy.outcomes() == {}
        assert proxy.value('requests_total{code="499",route="openai_chat"}') == 1


@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/event-stream"])
@both_loops
async def test_a_client_that_leaves_a_download_it_does_not_read_stops_the_upstream(content_type: str) -> None:
    """The proxy's write waits for the client: leaving interrupts the wait."""
    sent = 0

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal sent
        await start(send, content_type)
        while sent < _ENDLESS_BYTES:
            await body(send, b"data: " + b"x" * 65536 + b"\n\n")
            sent += 65536
            await asyncio.sleep(0)  # sending to nobody waits for nothing, so the handler could not be stopped

    async with proxied(handler) as proxy, calling(proxy.port, receive_buffer_bytes=4096) as call:
        await _stands_still(lambda: sent)
        await _leave(call, proxy.upstream.left.is_set)
    assert sent < _ENDLESS_BYTES


async def _stands_still(count: Callable[[], int]) -> None:
    """Return when *count* is above zero and has not moved for a while: everything in between is full."""
    before, same = -1, 0
    while same < 10:
        now = count()
        same = same + 1 if 0 < now == before else 0
        before = now
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("framing", [("Content-Length", "100000000"), ("Transfer-Encoding", "chunked")])
@both_loops
async def test_a_client_that_leaves_during_its_upload_stops_the_upstream(framing: tuple[str, str]) -> None:
    """The upstream gets what was sent, and then the end of the connection instead of a whole request."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def talk(client: Talk) -> None:
        await client.head()
        await client.reader.readexactly(100_000)
        arrived.set()
        await client.gone()
        gone.set()

    data = b"x" * 200_000
    headers = [("Content-Type", "application/octet-stream"), framing]
    async with (
        peer(talk) as upstream,
        proxying(upstream.url) as proxy,
        calling(proxy.port, "POST", "/upload", headers=headers, body=None) as call,
    ):
        await call.write(b"%x\r\n%b\r\n" % (len(data), data) if framing[1] == "chunked" else data)
        await event(arrived)
        await _leave(call, gone.is_set)


@both_loops
async def test_a_client_that_leaves_before_its_request_is_whole_never_reaches_the_upstream() -> None:
    """A JSON body is held until it is known whether it asks for a stream."""
    async with peer(Talk.gone) as upstream, proxying(upstream.url) as proxy:
        headers = {"Content-Type": "application/json", "Content-Length": "100000"}
        async with calling(proxy.port, "POST", "/v1/chat/completions", headers=headers, body=None) as call:
            await call.write(b'{"stream": true, ')
            call.leave()
            await until(lambda: proxy.value('requests_total{code="499",route="other"}') == 1)
        assert upstream.connections == 0
        assert proxy.outcomes() == {}


@both_loops
async def test_a_client_that_leaves_while_we_connect_stops_the_connecting() -> None:
    """An upstream that does not accept: the descriptor of the attempt is closed, and nobody is to blame."""
    with silent_listener() as (_host, port):
        async with proxying(f"http://127.0.0.1:{port}", connect_timeout_seconds=60) as proxy:
            before = open_sockets()
            async with chat(proxy.port) as call:
                # Both ends of the client's connection, and the attempt.
                await until(lambda: open_sockets() == before + 3)
                await _leave(call, lambda: open_sockets() == before)
            assert await proxy.outcome() == "client_disconnected"


@both_loops
async def test_a_client_that_leaves_its_upload_while_we_connect_is_noticed_behind_what_it_sent() -> None:
    """Nobody asks for the body yet, so it is read ahead, within a bound."""
    headers = {"Content-Type": "application/octet-stream", "Content-Length": "10000000"}
    with silent_listener() as (_host, port):
        async with proxying(f"http://127.0.0.1:{port}", connect_timeout_seconds=60) as proxy:
            async with calling(proxy.port, "POST", "/upload", headers=headers, body=None) as call:
                await call.write(b"x" * 500_000)
                await until(lambda: len(proxy.lifecycle) == 1)
                await _leave(call, lambda: not len(proxy.lifecycle))
            await until(lambda: proxy.value('requests_total{code="499",route="other"}') == 1)


@both_loops
async def test_a_client_that_leaves_during_the_tls_handshake_stops_it(tmp_path: Path) -> None:
    """An upstream that accepts and then says nothing."""
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    hello, gone = asyncio.Event(), asyncio.Event()

    async def talk(client: Talk) -> None:
        await client.reader.readexactly(1)
        hello.set()
        await client.gone()
        gone.set()

    async with peer(talk) as upstream:
        url = upstream.url.replace("http://", "https://")
        async with proxying(url, upstream_ca_file=authority, connect_timeout_seconds=60) as proxy:
            async with chat(proxy.port) as call:
                await event(hello)
                await _leave(call, gone.is_set)
            assert await proxy.outcome() == "client_disconnected"


@both_loops
async def test_a_client_that_leaves_after_the_terminator_has_it_all() -> None:
    """Most SDKs close at [DONE] without waiting for the end of the body; so the stream is a completed one."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("x") + chunk("", finish="stop") + DONE)
        await asyncio.Event().wait()

    async with proxied(handler) as proxy, chat(proxy.port) as call:
        await call.until(DONE)
        call.leave()
        await event(proxy.upstream.left)
        assert await proxy.outcome() == "completed"
        assert proxy.value("disconnect_silence_seconds_count") == 0


@both_loops
async def test_a_client_that_leaves_at_the_upstreams_error_does_not_hide_it() -> None:
    """SDKs raise on the error event and close: the stream failed, and not because the client left."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("x") + b'data: {"error":{"message":"out of memory"}}\n\n')
        await asyncio.Event().wait()

    async with proxied(handler) as proxy, chat(proxy.port) as call:
        await call.until(b"out of memory")
        call.leave()
        assert await proxy.outcome() == "upstream_error"


@both_loops
async def test_a_client_that_leaves_before_it_was_sent_the_terminator_does_not_have_it_all() -> None:
    """The upstream is done, but the client has not taken what it sent."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        for _ in range(4):
            await body(send, chunk("x" * 8_000_000))
        await body(send, chunk("", finish="stop") + DONE, more=False)

    async with proxied(handler) as proxy, chat(proxy.port, receive_buffer_bytes=4096) as call:
        await _stands_still(lambda: _bytes_out(proxy) if len(proxy.lifecycle) else 0)
        call.leave()
        assert await proxy.outcome() == "client_disconnected"


def _bytes_out(proxy: Proxy) -> int:
    [stream] = proxy.lifecycle.streams
    return cast("int", stream.describe()["bytes_out"])


async def test_the_silence_before_a_client_left_is_measured() -> None:
    """A spike at some number of seconds is the idle timeout of a hop in between."""
    async with proxied(_one_event) as proxy, chat(proxy.port) as call:
        await call.until(chunk("x"))
        call.leave()
        assert await proxy.outcome() == "client_disconnected"
        await until(lambda: proxy.value("disconnect_silence_seconds_count") == 1)


async def test_a_second_stream_uses_the_proxy_after_many_were_left() -> None:
    """Nothing of a cancelled request keeps a place, a connection or a task."""
    async with proxied(_only_headers, max_streams=8) as proxy:
        for _ in range(40):
            async with chat(proxy.port) as call:
                await event(proxy.upstream.go)
                proxy.upstream.go.clear()
                call.leave()
            await proxy.idle()
        tasks = len(asyncio.all_tasks())
        descriptors = open_sockets()
        async with chat(proxy.port) as call:
            await event(proxy.upstream.go)
            call.leave()
        await proxy.idle()
        await until(lambda: len(asyncio.all_tasks()) <= tasks and open_sockets() <= descriptors)
