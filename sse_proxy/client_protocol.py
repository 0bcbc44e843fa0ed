"""uvicorn's HTTP/1.1 connection, with what a proxy of long streams needs besides.

- Two callables in ``scope["extensions"]`` end the connection without ending the response: ``sse_proxy.abort`` with a
  reset at once, for a client that does not read; ``sse_proxy.close`` once the client has what it was sent, for one that
  is to see a broken end. An ASGI app can only ask for a close that waits for the flush, for ever if need be.
- ASGI's ``send`` has a `Wire`, as its attribute ``wire``, which takes body bytes from any callback of the event loop.
- An offer to upgrade is ignored (RFC 9110 § 7.8) and the request is served. uvicorn's parser would take the body for
  the other protocol and lose it: every POST of Java's HttpClient, which offers ``h2c``, would arrive empty.
- Trailer fields are dropped (RFC 9110 § 6.5.1); uvicorn adds them to the headers while the app may be reading those.
- Heads, trailers and chunk headers have a size limit, and a connection that sends no request is closed after the
  keep-alive time from its beginning on.
- A client of HTTP/1.0 is sent no chunks. What is no HTTP at all gets its 400 in JSON, as every other error of ours.

Relies on these parts of uvicorn's `HttpToolsProtocol` besides its callbacks: ``connections``, ``cycle``, ``flow``,
``headers``, ``parser``, ``pipeline``, ``transport``, ``timeout_keep_alive*``, ``_unset_keepalive_if_required`` and
``send_400_response``.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Any, cast
from uuid import uuid4

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .errors import BadRequest
from .errors_http import render_plain
from .flag import Flag
from .wire import UNTIL_CLOSE, Endings, Flow, WiredSend

__all__ = [
    "ABORT_EXTENSION",
    "CLOSE_EXTENSION",
    "LINGER_SECONDS",
    "MAX_FRAMING_BYTES",
    "ClientProtocol",
]

#: Keys of the extensions in the ASGI scope. The first two hold a callable without arguments.
ABORT_EXTENSION = "sse_proxy.abort"
CLOSE_EXTENSION = "sse_proxy.close"

#: How long the last bytes may take to leave after ``sse_proxy.close``.
LINGER_SECONDS = 5.0

#: Bytes read in a row that are no body: a head or trailers; the one read that ends them may exceed it.
MAX_FRAMING_BYTES = 65_536

# struct linger: on, zero seconds. Closing then discards what was not sent, and resets.
_LINGER_RESET = struct.pack("ii", 1, 0)


class ClientProtocol(HttpToolsProtocol):
    """One connection of a client."""

    # Slots, since with more than 30 attributes an instance's dictionary is no longer shared with others: 1.5 KiB.
    __slots__ = ("_framing_bytes", "_is_head_complete")

    @property
    def is_idle(self) -> bool:
        """True before the first request and between two; a request begins at the end of its head."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # uvicorn hides None

    def abort(self) -> None:
        """Reset the connection now, whatever is still to be sent, and free its file descriptor; idempotent."""
        if self in self.connections:  # else the descriptor may be another connection's by now
            self._forget_response()
            with suppress(OSError):
                handle: socket.socket = self.transport.get_extra_info("socket")
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            self.transport.abort()

    def close(self) -> None:
        """Close the connection after what was sent, or reset it when the client does not read; idempotent."""
        if self.flow.write_paused:
            self.abort()
        elif not self.transport.is_closing():
            self._forget_response()
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(LINGER_SECONDS, self.abort)
            self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self._framing_bytes = 0
        self._is_head_complete = False
        self.flow = Flow(transport)
        self.app = partial(_call, self.app)
        self.pipeline = _Queue()  # type: ignore[assignment]  # by behaviour a deque
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        cast("Flow", self.flow).timed_out = isinstance(exc, TimeoutError)
        super().connection_lost(exc)
        # uvicorn leaves the timer of a reset connection running, which keeps the connection in memory.
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._framing_bytes += len(data)
        self._parse(data)
        if self._framing_bytes > MAX_FRAMING_BYTES:
            self._reject("The request head is too large.")
        if self.is_idle:
            self._expect_request()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_head_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_head_complete:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_head_complete = True
        self._framing_bytes = 0
        super().on_headers_complete()
        self.cycle.message_event = Flag()
        endings = Endings(self)
        self.scope["extensions"] = cast("Any", {ABORT_EXTENSION: endings.abort, CLOSE_EXTENSION: endings.close})
        if self.parser.get_http_version() == "1.0":
            # uvicorn would send chunks, which a client of HTTP/1.0 takes for content (RFC 9112 § 6.1). Without them
            # the end of the connection ends the body; a Content-Length of the app's is sent all the same.
            self.cycle.chunked_encoding = False
            self.cycle.expected_content_length = UNTIL_CLOSE

    def on_body(self, body: bytes) -> None:
        self._framing_bytes = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        body = render_plain(BadRequest(msg))
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (b"x-request-id", uuid4().hex.encode()),
        ]
        head = b"".join(b"%s: %s\r\n" % field for field in headers)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head + b"\r\n" + body)
        self.transport.close()

    def _forget_response(self) -> None:
        # Else uvicorn takes an app that returns in the middle of its response for a broken one.
        if not self.is_idle:
            self.cycle.disconnected = True

    def _expect_request(self) -> None:
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._reject("Invalid HTTP request received.")

    @property
    def _has_said_close(self) -> bool:
        """Whether the last request there can be has come whole: what follows is not read (RFC 9112 § 9.6)."""
        return self.cycle is not None and not self.cycle.keep_alive and not self.cycle.more_body  # type: ignore[redundant-expr]  # as above

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Go on behind a head that offered an upgrade; *rest* is what was read after it."""
        framing = [field for field in self.headers if field[0] in {b"content-length", b"transfer-encoding"}]
        if framing:
            # The parser has told that the request is over. Its task has not run yet, so nobody has seen that.
            self.cycle.more_body = True
            self.cycle.message_event.clear()
            self.parser = httptools.HttpRequestParser(_Continuation(self))
            self.parser.feed_data(
                b"POST / HTTP/1.1\r\n" + b"".join(b"%s: %s\r\n" % field for field in framing) + b"\r\n"
            )
        if rest:
            self._parse(rest)

    def _reject(self, message: str) -> None:
        """Answer 400 and close; only close where that would land in the middle of another answer."""
        if self.transport.is_closing() or self._has_said_close:
            return
        if self.pipeline or not (self.is_idle or not self.cycle.response_started):
            self.transport.close()
        else:
            self.send_400_response(message)


def _call(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Call *app* with a ``send`` that has a `Wire`."""
    return app(scope, receive, WiredSend(send))


class _Queue(list[Any]):
    """What uvicorn uses of a deque, for pipelined requests that nobody sends: one that is empty weighs 600 bytes."""

    def appendleft(self, item: Any) -> None:
        self.insert(0, item)


class _Continuation:
    """Callbacks for a parser that is first fed a head which *protocol* has seen already: that head is not told."""

    def __init__(self, protocol: ClientProtocol) -> None:
        self._protocol = protocol
        self._is_replay = True
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if not self._is_replay:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_replay:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_replay:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_replay:
            self._is_replay = False
        else:
            self._protocol.on_headers_complete()
