"""The fake LLM server: ``python -m bench.upstream``, told what to do by lines of JSON on stdin; each gets one back.

``{"do": "set", …}`` lays down how the streams from here on are (`Manner`) and counts from 0, ``{"do": "pour"}`` lets
firehoses begin, ``{"do": "stop"}`` ends all streams as their API ends them, ``{"do": "tell"}`` does nothing. Each
answer tells how many tokens were written since ``set``, how many generations were asked for since then, and how many
run. The end of stdin is the end. It answers anything but POST with ``{}``, which is what health
checks want. A ``max_tokens`` in the request is obeyed.

Written to cost less an event than any server under test: a stream has no task, no timer, and nothing formatted but the
mark.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import uvloop

from .events import LAST_CHUNK, Form, form_for
from .manner import Manner, writes
from .request import max_tokens, path_of, request_length
from .wheel import TICK_SECONDS, Wheel

__all__ = ["Upstream"]

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_SMALL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
#: Small, so that a server which cannot keep up is felt at once and the end of a firehose is near.
_SEND_BUFFER_BYTES = 131_072
_BACKLOG = 4096


class Upstream:
    """What the connections share: the manner, the wheel and the count."""

    def __init__(self) -> None:
        self.manner = Manner()
        self.written = 0
        self.requests = 0
        self.streams: set[_Connection] = set()
        self.wheel: Wheel[_Connection] = Wheel(self.manner.rate)
        self._forms: dict[tuple[str, bool], Form] = {}
        self._loop = asyncio.get_running_loop()
        self._next_tick = 0.0
        self._is_ticking = False

    def form(self, path: str) -> Form:
        """The form of a stream at *path*."""
        key = (path, self.manner.crlf)
        if key not in self._forms:
            self._forms[key] = form_for(path, crlf=self.manner.crlf)
        return self._forms[key]

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Do what *order* says and return what there is to tell."""
        match order.pop("do"):
            case "set":
                self.manner = Manner(**order)
                self.wheel = Wheel(self.manner.rate)
                self.written = self.requests = 0
            case "tell":
                pass
            case "pour":
                for stream in tuple(self.streams):
                    stream.pour()
            case "stop":
                for stream in tuple(self.streams):
                    stream.finish()
            case other:
                raise ValueError(f"no such order: {other}")
        return {"written": self.written, "requests": self.requests, "streams": len(self.streams)}

    def pace(self, stream: _Connection) -> None:
        """Let *stream* have its turns; the ticks run while anybody has."""
        if not self._is_ticking:
            self._is_ticking = True
            self._next_tick = time.monotonic() + TICK_SECONDS
            self._loop.call_later(TICK_SECONDS, self._tick)
        self.wheel.add(stream)

    def _tick(self) -> None:
        now = time.monotonic()
        while self.wheel and self._next_tick <= now:
            for stream in self.wheel.turn():
                stream.write_token()
            self._next_tick += TICK_SECONDS
        self._is_ticking = len(self.wheel) > 0
        if self._is_ticking:
            # A whole tick: the loop's clock is no finer, and would run in circles for less.
            self._loop.call_later(TICK_SECONDS, self._tick)


class _Connection(asyncio.Protocol):
    """One connection and the stream on it, if any."""

    __slots__ = (
        "_data",
        "_form",
        "_is_paused",
        "_is_pouring",
        "_limit",
        "_manner",
        "_number",
        "_transport",
        "_upstream",
    )

    _transport: asyncio.Transport
    _form: Form
    _manner: Manner

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._data = b""
        self._is_paused = self._is_pouring = False
        self._number = self._limit = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour only
        # Each write is then sent at once, as a segment of its own, and pauses when the socket takes no more.
        self._transport.set_write_buffer_limits(0)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._upstream.streams.discard(self)
        self._upstream.wheel.discard(self)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._manner.burst and not self._is_pouring:
            self.pour()

    def data_received(self, data: bytes) -> None:
        self._data += data
        length = request_length(self._data)
        if length is None:
            return
        request, self._data = self._data[:length], self._data[length:]
        if not request.startswith(b"POST "):
            self._transport.write(_SMALL)
            return
        self._upstream.requests += 1
        self._limit = max_tokens(request)
        self._form = self._upstream.form(path_of(request))
        self._manner = self._upstream.manner
        self._number = 0
        self._upstream.streams.add(self)
        prefill = self._manner.prefill_seconds
        asyncio.get_running_loop().call_later(prefill, self._begin) if prefill else self._begin()

    def _begin(self) -> None:
        if self not in self._upstream.streams:
            return  # it left meanwhile
        self._transport.write(_HEAD)
        self._transport.write(self._form.opening)
        if self._manner.burst:
            return  # until all are there
        self.write_token()
        if self in self._upstream.streams:
            self._upstream.pace(self)

    def write_token(self) -> None:
        """Write the next token, unless the connection takes no more, and the end behind the last one."""
        if self._is_paused or self._transport.is_closing():
            return
        tokens, number = self._form.tokens, self._number
        self._transport.write(tokens[number % len(tokens)] % (number, time.monotonic_ns()))
        self._number = number + 1
        self._upstream.written += 1
        if self._number >= self._limit:
            self.finish()

    def pour(self) -> None:
        """One write, and the next one when the others have had their turn; `resume_writing` goes on after a pause."""
        self._is_pouring = False
        manner, tokens = self._manner, self._form.tokens
        if self._is_paused or not manner.burst or self not in self._upstream.streams:
            return
        if manner.burst == 1:
            self._transport.write(tokens[self._number % len(tokens)] % (self._number, 0))
        else:
            ready = writes(self._form, manner)
            self._transport.write(ready[self._number // manner.burst % len(ready)])
        self._number += manner.burst
        self._upstream.written += manner.burst
        self._is_pouring = True
        asyncio.get_running_loop().call_soon(self.pour)

    def finish(self) -> None:
        """End the stream as its API does; the connection stays."""
        self._upstream.streams.discard(self)
        self._upstream.wheel.discard(self)
        self._transport.write(self._form.closing + LAST_CHUNK)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    upstream = Upstream()
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listening.bind(("127.0.0.1", 0))
        server = await loop.create_server(lambda: _Connection(upstream), sock=listening, backlog=_BACKLOG)
        orders = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        _tell({"port": listening.getsockname()[1]})
        while line := await orders.readline():
            _tell(upstream.obey(json.loads(line)))
        server.close()


def _tell(document: object) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def main(run: Callable[[Any], None] = uvloop.run) -> None:
    """Serve until stdin ends."""
    # Nothing here makes circles, and looking for them takes milliseconds with thousands of streams.
    gc.freeze()
    gc.disable()
    run(_serve())


if __name__ == "__main__":
    main()
