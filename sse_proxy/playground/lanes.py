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

from ..core.target import HOME, RESERVED_PREFIX, own_path, reserved_name
from ..errors import BadRequest, ClientDisconnected, NotFound, RequestTooLarge, SSEProxyError
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
    """ASGI app; *upstream* hands a request on as it is, *proxy* is all that stands behind the gate.

    *max_seconds*: of one upstream lane, from the first byte of its request's body to the end of its answer.
    """

    def __init__(
        self, *, upstream: ASGIApp, proxy: ASGIApp, lifecycle: Lifecycle, max_seconds: float = _MAX_SECONDS
    ) -> None:
        self._upstream = upstream
        self._proxy = proxy
        self._lifecycle = lifecycle
        self._max_seconds = max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.

        Raises:
            NotFound: no lane, no hop, or a reserved path.
            BadRequest, RequestTooLarge: the body did not come in time, or is over `_MAX_BODY_BYTES`.
            ClientDisconnected: the client left within its request.
            SSEProxyError: the upstream's failure before its answer began.
        """
        lane, kind, inner = _target(scope)
        hop = Hop(send, kind)
        if lane == "proxy":
            await self._proxy(inner, receive, send if kind == "none" else hop)
            # The gate looks for the label in the scope that it has made.
            scope["sse_proxy.route"] = inner["sse_proxy.route"]
        else:
            until = asyncio.get_running_loop().time() + self._max_seconds
            await self._relay(inner, await _read(receive, until), receive, hop, until)

    async def _relay(self, scope: Scope, body: bytes, receive: Receive, hop: Hop, until: float) -> None:
        """Hand the request on until the answer ends, the client leaves, the time is up or the process is going."""
        answer = _Answer(hop)
        # The relayed app does not listen for the client, whose leaving has to reach the upstream at once.
        watcher = asyncio.create_task(_left(receive))
        work = asyncio.ensure_future(self._upstream(scope, _once(body), answer))
        limit = asyncio.create_task(self._lifecycle.wait_refusing(until - asyncio.get_running_loop().time()))
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
    lane, _, rest = path.removeprefix(RESERVED_PREFIX + PREFIX).partition("/")
    kind = rest.partition("/")[0]
    head = f"{RESERVED_PREFIX}{PREFIX}{lane}/{kind}"
    # As sent and as decoded, or the two would part there: with a %2F in the head the routes would see one path, and the
    # upstream get another.
    begins = path.startswith(f"{head}/") and raw_path.startswith(f"{head}/".encode("utf-8", "replace"))
    if lane not in {"upstream", "proxy"} or kind not in HOPS or not begins:
        raise NotFound
    inner_path, inner_raw = path[len(head) :], raw_path[len(head) :]
    # Neither of this proxy nor of one behind it, which would take it for its own.
    if reserved_name(inner_raw, inner_path) is not None:
        raise NotFound
    root = scope.get("root_path", "").rstrip("/")
    inner = {**scope, "path": root + inner_path, "raw_path": root.encode() + inner_raw}
    return lane, kind, inner


async def _read(receive: Receive, until: float) -> bytes:
    """The body, which has to be here by *until*, of the loop's clock; else a drip would hold its place for good."""
    body, more = bytearray(), True
    try:
        async with asyncio.timeout_at(until):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnected
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > _MAX_BODY_BYTES:
                    raise RequestTooLarge
    except TimeoutError as error:
        raise BadRequest("the request's body did not come in time") from error
    return bytes(body)


def _once(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _left(receive: Receive) -> None:
    await receive()  # the body has been read, so what comes is the disconnect
