"""The streams that the page shows, asked for under the reserved prefix.

    GET, POST  /-/sse-proxy/playground/lane/LANE/HOP/PATH?QUERY

``upstream``  *PATH* at the configured upstream, byte for byte: status, headers, body, and a break where it breaks off.
              None of the proxy's repairs, heartbeats, timeouts and endings, nor its routes.
``proxy``     *PATH* of this proxy, as if it had been asked for there. Only of use with a hop: the page asks the proxy
              itself where nothing is to stand between.

*HOP* is one of `hop.HOPS`. Why a relay, and no direct way from the page to the upstream: to a page the upstream is
another origin. It would have to let the page's origin in (CORS), which a naive server does not, and the demo's mock is
to be one; the page would have to be let out to it (Content-Security-Policy); and a browser that reaches the proxy need
not reach the upstream at all: on another machine, in a container with one published port, or past an HTTPS front. What
the relay changes is the transfer coding and the connection, neither of which a page can see.

It is no way around anything: the gate has asked for the token, the upstream is the configured one and none of the
request's choosing, paths that are reserved stay so, pages of other sites are refused, and `Lanes` bounds the time.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..core.target import HOME, own_path, reserved_name
from ..errors import ClientDisconnected, NotFound, RequestTooLarge, SSEProxyError
from ..lifecycle import Lifecycle
from .hop import HOPS, Hop

__all__ = ["PREFIX", "Lanes"]

#: What a lane's reserved name begins with.
PREFIX = f"{HOME}/lane/"

#: Of a request's body.
_MAX_BODY_BYTES = 1_048_576
#: Of one upstream lane: over everything that a person watches, below what a forgotten page may cost.
_MAX_SECONDS = 600.0


class Lanes:
    """ASGI app; *upstream* hands a request on as it is, *proxy* is all that stands behind the gate."""

    def __init__(self, *, upstream: ASGIApp, proxy: ASGIApp, lifecycle: Lifecycle) -> None:
        self._upstream = upstream
        self._proxy = proxy
        self._lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.

        Raises:
            NotFound: no lane, no hop, or a reserved path.
            SSEProxyError: the upstream's failure before its answer began.
        """
        lane, kind, inner = _target(scope)
        hop = Hop(send, kind)
        if lane == "proxy":
            await self._proxy(inner, receive, send if kind == "none" else hop)
            # The gate looks for the label in the scope that it has made.
            scope["sse_proxy.route"] = inner["sse_proxy.route"]
        else:
            await self._relay(inner, await _read(receive), receive, hop)

    async def _relay(self, scope: Scope, body: bytes, receive: Receive, hop: Hop) -> None:
        """Hand the request on until the answer ends, the client leaves, the time is up or the process is going."""
        answer = _Answer(hop)
        # The relayed app does not listen for the client, whose leaving has to reach the upstream at once.
        watcher = asyncio.create_task(_left(receive))
        work = asyncio.ensure_future(self._upstream(scope, _once(body), answer))
        limit = asyncio.create_task(self._lifecycle.wait_refusing(_MAX_SECONDS))
        tasks = (watcher, work, limit)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            has_left = watcher.done() and not work.done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        error = None if work.cancelled() else work.exception()
        if error is not None and not (answer.begun and isinstance(error, SSEProxyError)):
            raise error
        if not (answer.whole or has_left):
            await hop.flush()
            scope.get("extensions", {}).get("sse_proxy.close", lambda: None)()


class _Answer:
    """ASGI's ``send`` that remembers how far the answer got."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False
        self.whole = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            # Whatever the upstream sends, a browser that is sent here by hand runs nothing of it.
            message = {**message, "headers": [*message["headers"], (b"content-security-policy", b"sandbox")]}
        await self._send(message)
        self.whole = message["type"] == "http.response.body" and not message.get("more_body", False)


def _target(scope: Scope) -> tuple[str, str, Scope]:
    """The lane, the hop, and the scope of the request that is meant.

    Raises:
        NotFound: see `Lanes.__call__`.
    """
    raw_path, path = own_path(scope)
    parts = path.split("/", 7)  # "", "-", "sse-proxy", "playground", "lane", LANE, HOP, PATH
    raw_parts = raw_path.split(b"/", 7)
    if len(parts) < 8 or len(raw_parts) < 8 or parts[5] not in {"upstream", "proxy"} or parts[6] not in HOPS:
        raise NotFound
    inner_path, inner_raw = "/" + parts[7], b"/" + raw_parts[7]
    # Neither of this proxy nor of one behind it, which would take it for its own.
    if reserved_name(inner_raw, inner_path) is not None:
        raise NotFound
    root = scope.get("root_path", "").rstrip("/")
    inner = {**scope, "path": root + inner_path, "raw_path": root.encode() + inner_raw}
    return parts[5], parts[6], inner


async def _read(receive: Receive) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MAX_BODY_BYTES:
            raise RequestTooLarge
    return bytes(body)


def _once(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _left(receive: Receive) -> None:
    await receive()  # the body has been read, so what comes is the disconnect
