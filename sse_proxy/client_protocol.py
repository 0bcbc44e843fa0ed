"""uvicorn's HTTP/1.1 connection, with what a proxy of long streams needs besides.

- Two callables in ``scope["extensions"]`` end the connection without ending the response: ``sse_proxy.abort`` with a
  reset at once, for a client that does not read; ``sse_proxy.close`` once the client has what it was sent, for one that
  is to see a broken end. An ASGI app can only ask for a close that waits for the flush, for ever if need be.
- ASGI's ``send`` has a `Wire`, as its attribute ``wire``, which takes body bytes from any callback of the event loop.
- An offer to upgrade is ignored (RFC 9110 § 7.8) and the request is served. uvicorn's parser would take the body for
  the other protocol and lose it: every POST of Java's HttpClient, which offers ``h2c``, would arrive empty.
- Trailer fields are dropped (RFC 9110 § 6.5.1); uvicorn adds them to the headers while the app may be reading those.
- A body that stops is told to the application first (`Flow.fault`), whose answer has the shape of the client's API.
- Heads, trailers and chunk headers have a size limit, and a connection that sends no request is closed after the
  keep-alive time from its beginning on. A head that has begun, and the next piece of a body, have `HEAD_SECONDS` and
  `UPLOAD_SECONDS` (slowloris): uvicorn waits for them as long as something comes, or for ever.
- Heads that two readers may take in two ways are refused (`core.strict`).
- A connection over ``max_connections`` of the configuration is told so and closed.
- A client of HTTP/1.0 is sent no chunks. What is no HTTP at all gets its 400 in JSON, as every other error of ours.

Relies on these parts of uvicorn's `HttpToolsProtocol` besides its callbacks: ``connections``, ``cycle``, ``flow``,
``headers``, ``parser``, ``pipeline``, ``transport``, ``timeout_keep_alive*``, ``_unset_keepalive_if_required`` and
``send_400_response``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any, cast

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send

from .client_ending import EndableProtocol
from .core.strict import fault_of
from .errors import UploadStalled
from .flag import Flag
from .standins import UNTIL_CLOSE, Continuation, PipelineQueue
from .unasked import turn_away
from .wire import Endings, Flow, WiredSend

__all__ = [
    "ABORT_EXTENSION", "ANSWER_SECONDS", "CLOSE_EXTENSION", "HEAD_SECONDS", "MAX_FRAMING_BYTES",
    "UPLOAD_SECONDS", "ClientProtocol",
]  # fmt: skip

#: Keys of the extensions in the ASGI scope. The first two hold a callable without arguments.
ABORT_EXTENSION = "sse_proxy.abort"
CLOSE_EXTENSION = "sse_proxy.close"

#: Bytes read in a row that are no body: a head or trailers; the one read that ends trailers may exceed it.
MAX_FRAMING_BYTES = 65_536

#: From the first byte of a head to its last, and between two pieces of a body: what nginx allows
#: (``client_header_timeout``, ``client_body_timeout``). No client that works needs a tenth of it.
HEAD_SECONDS = 60.0
UPLOAD_SECONDS = 60.0

#: How long the application has to answer that a body is late, before it is answered from here.
ANSWER_SECONDS = 15.0

_NEVER = float("inf")


class ClientProtocol(EndableProtocol):
    """One connection of a client."""

    # Slots, since with more than 30 attributes an instance's dictionary is no longer shared with others: 1.5 KiB.
    __slots__ = ("_framing_bytes", "_head_until", "_is_head_complete")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self._framing_bytes = 0
        self._is_head_complete = False
        #: When the head that has begun has to be complete.
        self._head_until = _NEVER
        self.flow = Flow(transport, getattr(self.config, "ledger", None))
        self.app = partial(_call, self.app)
        self.pipeline = PipelineQueue()  # type: ignore[assignment]  # by behaviour a deque
        if 0 < getattr(self.config, "max_connections", 0) < len(self.connections):
            turn_away(transport, self.server_state.default_headers)
            self._count(503)
            self._count_turned_away()
            self._linger()
        else:
            self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        cast("Flow", self.flow).timed_out = isinstance(exc, TimeoutError)
        super().connection_lost(exc)
        # uvicorn leaves the timer of a reset connection running, which keeps the connection in memory.
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return  # under TLS it goes on coming; the timer of the end must stay
        self._unset_keepalive_if_required()
        self._framing_bytes += len(data)
        self._parse(data)
        if self._framing_bytes > MAX_FRAMING_BYTES:
            self._reject("The request head is too large.")
        if self.is_idle:
            self._expect_request()
        elif self.cycle.more_body:
            self._expect_body()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_head_complete = False
        self._head_until = self.loop.time() + min(HEAD_SECONDS, self.timeout_keep_alive)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_head_complete:
            super().on_header(name, value.rstrip(b" \t"))  # RFC 9110 § 5.5; llhttp leaves a tab at the end

    def on_headers_complete(self) -> None:
        if (fault := self._fault()) is not None:
            raise _Refused(fault)
        self._is_head_complete = True
        self._head_until = _NEVER
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

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if not self.is_idle and self.cycle.more_body:
            self._expect_body()  # of a pipelined request, whose turn has come
        elif self.is_idle and self._head_until != _NEVER:
            self._unset_keepalive_if_required()
            self._expect_request()  # a head has begun meanwhile: it has not the keep-alive time anew

    def _expect_request(self) -> None:
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            # Not pushed back by each byte of a head that trickles in.
            due = min(self.loop.time() + self.timeout_keep_alive, self._head_until)
            self.timeout_keep_alive_task = self.loop.call_at(due, self.timeout_keep_alive_handler)

    def _expect_body(self) -> None:
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            cast("Flow", self.flow).fault = None
            self.timeout_keep_alive_task = self.loop.call_later(UPLOAD_SECONDS, self._on_silent_upload)

    def _on_silent_upload(self) -> None:
        self.timeout_keep_alive_task = None
        # Who is answered already may take its time over the rest: that response has timeouts of its own.
        if self.is_idle or self.cycle.response_started or not self.cycle.more_body:
            return
        flow = cast("Flow", self.flow)
        if flow.read_paused or self.cycle.body or self.pipeline:  # we are late: the application takes no more of it
            self._expect_body()
        elif flow.fault is None:
            flow.fault = UploadStalled
            self.cycle.message_event.set()  # an empty piece, which `Exchange.receive` makes that error of
            self.timeout_keep_alive_task = self.loop.call_later(ANSWER_SECONDS, self._on_silent_upload)
        else:
            self._refuse(UploadStalled())

    def _fault(self) -> str | None:
        # One read may hold a head and much of its body: the sum tells, which most requests need not make.
        if self._framing_bytes > MAX_FRAMING_BYTES:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > MAX_FRAMING_BYTES:
                return "The request head is too large."
        return fault_of(self.headers, self.parser.get_http_version())

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            told = error.__context__
            self._reject(str(told) if isinstance(told, _Refused) else "Invalid HTTP request received.")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Go on behind a head that offered an upgrade; *rest* is what was read after it."""
        framing = [field for field in self.headers if field[0] in {b"content-length", b"transfer-encoding"}]
        if framing:
            # The parser has told that the request is over. Its task has not run yet, so nobody has seen that.
            self.cycle.more_body = True
            self.cycle.message_event.clear()
            self.parser = httptools.HttpRequestParser(Continuation(self))
            self.parser.feed_data(
                b"POST / HTTP/1.1\r\n" + b"".join(b"%s: %s\r\n" % field for field in framing) + b"\r\n"
            )
        if rest:
            self._parse(rest)


class _Refused(Exception):
    """Ends the parsing of a head; the message is for the client."""


def _call(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """Call *app* with a ``send`` that has a `Wire`."""
    return app(scope, receive, WiredSend(send))
