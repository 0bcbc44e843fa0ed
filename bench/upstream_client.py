"""CPU time of the client side alone, per event: our transport beside httpx's own and httpx over aiohttp.

One event a segment, 50 events a second on each of 60 streams, so that each event costs a wake-up as it does in life.
The upstream is a process of its own. httpx-aiohttp is compared where it is installed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import cast

import httpx
import uvloop

from sse_proxy.upstream import HTTPTransport

_STREAMS = 60
_EVENTS = 200
_PAUSE_SECONDS = 0.02
_ROUNDS = 3
_EVENT = b"data: " + b"x" * 292 + b"\n\n"
_CHUNK = b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class _Paced(asyncio.Protocol):
    """Answers whatever it reads with the same paced stream."""

    _transport: asyncio.Transport
    _sent = 0
    _next = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour only

    def data_received(self, _data: bytes) -> None:
        self._transport.write(_HEAD)
        self._sent = 0
        self._next = asyncio.get_running_loop().time()
        self._tick()

    def _tick(self) -> None:
        if self._sent == _EVENTS:
            self._transport.write(b"0\r\n\r\n")
            return
        self._sent += 1
        self._transport.write(_CHUNK)
        self._next += _PAUSE_SECONDS
        asyncio.get_running_loop().call_at(self._next, self._tick)


def _upstream(port: Connection) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(_Paced, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


def _transports() -> dict[str, Callable[[], httpx.AsyncBaseTransport]]:
    known: dict[str, Callable[[], httpx.AsyncBaseTransport]] = {
        "ours": HTTPTransport,
        "httpx over httpcore": lambda: httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=None)),
    }
    if find_spec("httpx_aiohttp") is not None:
        known["httpx over aiohttp"] = _over_aiohttp
    return known


def _over_aiohttp() -> httpx.AsyncBaseTransport:
    aiohttp, httpx_aiohttp = import_module("aiohttp"), import_module("httpx_aiohttp")

    def session() -> object:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)

    return cast(httpx.AsyncBaseTransport, httpx_aiohttp.AiohttpTransport(client=session))


async def _microseconds(make: Callable[[], httpx.AsyncBaseTransport], port: int) -> float:
    transport = make()
    received = 0

    async def one() -> None:
        nonlocal received
        request = httpx.Request("GET", f"http://127.0.0.1:{port}/", extensions={"timeout": {"connect": 5.0}})
        response = await transport.handle_async_request(request)
        async for data in response.aiter_raw():
            received += len(data)
        await response.aclose()

    await one()
    before, received = time.process_time(), 0
    await asyncio.gather(*(one() for _ in range(_STREAMS)))
    spent = time.process_time() - before
    await transport.aclose()
    return spent / (received / len(_EVENT)) * 1e6


def main() -> None:
    """Print the table: the rounds are interleaved, so that noise meets all alike."""
    ours, theirs = multiprocessing.Pipe()
    upstream = multiprocessing.Process(target=_upstream, args=(theirs,), daemon=True)
    upstream.start()
    port = ours.recv()
    found: dict[str, list[float]] = {name: [] for name in _transports()}
    for _ in range(_ROUNDS):
        for name, make in _transports().items():
            found[name].append(uvloop.run(_microseconds(make, port)))
    upstream.kill()
    print("| client | CPU us an event, median | min-max |")
    print("|---|---|---|")
    for name, rounds in found.items():
        print(f"| {name} | {sorted(rounds)[_ROUNDS // 2]:.1f} | {min(rounds):.1f}-{max(rounds):.1f} |")


if __name__ == "__main__":
    main()
