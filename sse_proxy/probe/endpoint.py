"""``/-/sse-proxy/probe``: the stream that the doctor reads to find what the hops in front of the proxy do to streams.

It goes out with the very headers of any stream of ours, so that hops treat it alike, and tells when each event was
written (`core.probing`). It never reaches the upstream and is no stream in the metrics: what it measures is the way to
the client, and its silences and cuts are made on purpose. In ``requests_total`` it has the route ``probe``.

    GET, POST  /-/sse-proxy/probe?events=20&interval=0.1&…    the stream; a body is read and thrown away
    GET        /-/sse-proxy/probe?count=NONCE                 how often a request with that nonce has come in, as JSON

Off unless the setting ``probe`` is on. Behind ``auth_tokens_file`` like the upstream's own paths: it costs a connection
and up to a MiB a second, and tells how the proxy is reached, which strangers need not know. A load balancer's probes
are other names and need no token.

Bounded: by `core.probing` in time, bytes and rate, here in number (`MAX_PROBES`, `MAX_PER_CLIENT`), and by the server's
own limits on clients that do not read. What is remembered of nonces is bounded too.
"""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict
from collections.abc import Iterator
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from ..core.crowd import Crowd
from ..core.probing import PROBE, plan_of
from ..core.target import own_path, reserved_name
from ..errors import ClientLeft, NotFound, Refused, RequestTooLarge
from ..errors_http import method_refused
from ..json_answer import json_answer
from ..lifecycle import Lifecycle
from ..settings import Settings
from .run import Moment, Run, abort

__all__ = ["MAX_PER_CLIENT", "MAX_PROBES", "Probe"]

#: Probes at a time, of all clients and of one; 503 above. A doctor needs three.
MAX_PROBES = 16
MAX_PER_CLIENT = 4
#: Nonces that are remembered; the oldest are forgotten.
_MAX_NONCES = 256
#: Of a POST's body; nothing is done with it.
_MAX_BODY_BYTES = 65_536


class Probe:
    """ASGI app for the reserved name `PROBE`, behind the gate."""

    def __init__(self, settings: Settings, *, lifecycle: Lifecycle) -> None:
        self._heartbeat_seconds = 0.0 if settings.heartbeat_mode == "off" else settings.heartbeat_seconds
        self._lifecycle = lifecycle
        self._running = Crowd(at_most=MAX_PROBES, per_client=MAX_PER_CLIENT)
        self._requests: OrderedDict[str, int] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.

        Raises:
            BadRequest: a parameter is malformed or out of bounds.
            ClientLeft: within its request; or the connection was broken for it, as it wished.
            NotFound: a path below the probe's.
            Refused: too many probes are running.
            RequestTooLarge: the body is.
        """
        arrived = Moment(time.monotonic(), time.time())
        scope["sse_proxy.route"] = PROBE
        if reserved_name(*own_path(scope)) != PROBE:
            raise NotFound
        if scope["method"] not in {"GET", "POST"}:
            for message in method_refused("the probe takes GET and POST", allow=b"GET, POST"):
                await send(message)
            return
        query = dict(parse_qsl(scope.get("query_string", b"").decode("ascii", "replace"), keep_blank_values=True))
        if "count" in query:
            await _respond(send, {"nonce": query["count"], "requests": self._requests.get(query["count"], 0)})
            return
        plan = plan_of(query)
        with self._admitted(scope.get("sse_proxy.client", "")):
            await _read(receive)
            requests = self._count(plan.nonce)
            if plan.drop:
                abort(scope)
                raise ClientLeft  # it asked for that: no failure of ours in the metrics
            about: dict[str, object] = {"heartbeat_seconds": self._heartbeat_seconds, "requests": requests}
            await Run(plan, scope, arrived, about, self._lifecycle)(receive, send)

    @contextlib.contextmanager
    def _admitted(self, client: str) -> Iterator[None]:
        if not self._running.has_room(client):
            raise Refused("too many probes are running")
        self._running.join(client)
        try:
            yield
        finally:
            self._running.leave(client)

    def _count(self, nonce: str) -> int:
        if not nonce:
            return 1
        self._requests[nonce] = self._requests.get(nonce, 0) + 1
        self._requests.move_to_end(nonce)
        while len(self._requests) > _MAX_NONCES:
            self._requests.popitem(last=False)
        return self._requests[nonce]


async def _read(receive: Receive) -> None:
    """Throw the body away.

    Raises:
        ClientLeft: before its end.
        RequestTooLarge: there is more of it than a probe needs.
    """
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        if size > _MAX_BODY_BYTES:
            raise RequestTooLarge


async def _respond(send: Send, document: dict[str, object]) -> None:
    headers, body = json_answer(document)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
