"""What one event costs the process from the upstream's read to the client's write, and what an open stream weighs.

python bench/event_cost.py [--against CHECKOUT] [--rounds 5]

Without sockets: the connections are ours, the transports below them do nothing. Warm is one event right behind
another; cold is one after the caches were flushed, as they are in a process that sleeps between events. A server that
is 10 % busy is somewhere between the two. "ids" is chat behind a bridge, whose events get ids, and "kept" the same with
``resume = "memory"``. ``--against`` measures another checkout in turns, each round in a process of its own; what that
does not know is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import statistics
import sys
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import uvloop
from uvicorn.config import Config
from uvicorn.server import ServerState

from bench.events import form_for
from bench.rounds import HERE, round_of
from sse_proxy import Settings, create_app
from sse_proxy.client_protocol import ClientProtocol
from sse_proxy.settings import Route
from sse_proxy.upstream.connection import Connection
from sse_proxy.upstream.transport import HTTPTransport

_STREAMS = 60
_TURNS = 10
#: More than the caches of a core hold.
_FLUSHED_BYTES = 6 << 20
_CHAT = "/v1/chat/completions"
_ASKED = {"model": "m", "stream": True, "messages": []}
#: Name, the API's path, and the settings.
_MEASURED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("chat", _CHAT, {}),
    ("chat, CRLF", _CHAT, {}),
    ("Anthropic", "/v1/messages", {}),
    ("chat, ids", _CHAT, {"resume": "off"}),
    ("chat, kept", _CHAT, {"resume": "memory"}),
)


class _Socket:
    """Takes every option."""

    def setsockopt(self, *_option: object) -> None: ...

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 1

    getpeername = getsockname


class _Transport:
    """Takes everything and does nothing."""

    __slots__ = ("writes",)

    def __init__(self) -> None:
        self.writes = 0

    def write(self, _data: bytes) -> None:
        self.writes += 1

    def get_extra_info(self, name: str, default: object = None) -> object:
        return _Socket() if name == "socket" else default

    def is_closing(self) -> bool:
        return False

    def nothing(self, *_arguments: object) -> None: ...

    abort = close = pause_reading = resume_reading = set_write_buffer_limits = nothing


class _Unconnected(HTTPTransport):
    """Its connections lead nowhere; *made*: where they are put."""

    def __init__(self, made: list[Connection]) -> None:
        super().__init__()
        self._made = made

    async def _connect(self, origin: Any, timeout_seconds: float | None) -> Connection:
        del timeout_seconds
        connection = Connection(origin, self._pool)
        connection.connection_made(cast("Any", _Transport()))
        self._made.append(connection)
        return connection


class _Streams:
    """Open streams of one proxy: the upstream's end of each, and what its client gets."""

    def __init__(self, path: str, settings: dict[str, Any], *, crlf: bool = False) -> None:
        self.upstreams: list[Connection] = []
        self.clients: list[_Transport] = []
        bridge = Route(path="/bridge", upstream_path=path, output="native", body=_ASKED)
        self._path = "/bridge" if settings else path
        self._form = form_for(path, crlf=crlf)
        chosen = Settings(upstream="http://127.0.0.1:9", routes=(bridge,), **settings)
        app = create_app(chosen, transport=_Unconnected(self.upstreams))
        self._config = Config(app, lifespan="off", log_config=None, proxy_headers=False)
        self._config.load()

    def token(self, number: int) -> bytes:
        """One event, as its chunk."""
        tokens = self._form.tokens
        return tokens[number % len(tokens)] % (number, 0)

    async def open(self) -> None:
        """One more, which flows."""
        loop = asyncio.get_running_loop()
        client = ClientProtocol(config=self._config, server_state=ServerState(), app_state={}, _loop=loop)
        self.clients.append(_Transport())
        client.connection_made(cast("Any", self.clients[-1]))
        body = json.dumps(_ASKED).encode()
        head = f"POST {self._path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        client.data_received(head.encode() + b"\r\n\r\n" + body)
        await _settled()
        read = self.upstreams[-1].data_received
        read(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for data in (self._form.opening, *map(self.token, range(4))):
            read(data)
            await _settled()

    async def pass_on(self, number: int, token: bytes) -> int:
        """Nanoseconds until *token*, read from the upstream of stream *number*, is written to its client."""
        client = self.clients[number]
        written = client.writes
        began = time.perf_counter_ns()
        self.upstreams[number].data_received(token)
        while client.writes == written:  # noqa: ASYNC110  nothing tells of it
            await asyncio.sleep(0)
        return time.perf_counter_ns() - began


async def _settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def _times(streams: _Streams) -> tuple[float, float]:
    """Microseconds of an event, cold and warm: medians."""
    for _ in range(_STREAMS):
        await streams.open()
    gc.collect()
    gc.disable()
    cold, warm = [], []
    caches, zeros = bytearray(_FLUSHED_BYTES), bytes(_FLUSHED_BYTES)
    for turn in range(_TURNS):
        for number in random.sample(range(_STREAMS), _STREAMS):
            tokens = streams.token(turn), streams.token(turn + 1)
            caches[:] = zeros
            cold.append(await streams.pass_on(number, tokens[0]))
            warm.append(await streams.pass_on(number, tokens[1]))
    gc.enable()
    return statistics.median(cold) / 1000, statistics.median(warm) / 1000


async def _heap(streams: _Streams) -> float:
    """Bytes of an open stream."""
    for _ in range(10):
        await streams.open()
    gc.collect()
    tracemalloc.start()
    for _ in range(_STREAMS):
        await streams.open()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / _STREAMS


def _measure() -> None:
    """One round, as JSON."""
    found: dict[str, float] = {}
    for name, path, settings in _MEASURED:
        with suppress(ValueError):  # a checkout that knows no such setting
            times = uvloop.run(_times(_Streams(path, settings, crlf=name.endswith("CRLF"))))
            found |= {f"{name}, cold, us": times[0], f"{name}, warm, us": times[1]}
    for name, _, settings in (_MEASURED[0], *_MEASURED[-2:]):
        with suppress(ValueError):
            found[f"{name}, heap of a stream, bytes"] = uvloop.run(_heap(_Streams(_CHAT, settings)))
    sys.stdout.write(json.dumps(found))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="measure that one too, in turns")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.round:
        _measure()
        return
    checkouts = [HERE]
    if arguments.against is not None:
        checkouts.append(arguments.against.resolve())
    rounds = [[round_of(__file__, checkout) for checkout in checkouts] for _ in range(arguments.rounds)]
    print("| | now | before | ratio |" if arguments.against else "| | now |")
    print("|---|---|---|---|" if arguments.against else "|---|---|")
    for name in rounds[0][0]:
        if any(name not in each for each in rounds[0]):
            continue
        medians = [statistics.median(each[index][name] for each in rounds) for index in range(len(checkouts))]
        ratio = f" {medians[0] / medians[1]:.2f} |" if arguments.against else ""
        print(f"| {name} | " + " | ".join(f"{median:,.1f}" for median in medians) + f" |{ratio}")


if __name__ == "__main__":
    main()
