"""The outermost layer of the proxy: who and what gets in, and what every answer carries.

In this order: request id, CORS preflight, the reserved prefix, draining, requests that HTTP forbids to forward, access
token, ``Max-Forwards``, body size; then the app below. Whatever the gate refuses has not reached the upstream. Every
answer, a refusal or the app's own, gets ``X-Request-Id`` and, where ``cors_origins`` is set, our CORS fields, and is
counted once in ``requests_total`` and, but for probes, traced; what the server answers without a request it counts
itself, with our route. An `SSEProxyError` that the app raises before its response has started becomes a JSON answer
here; so does any other exception, which is then re-raised for the server's log.

To the app below, the scope (a copy) additionally holds:

``sse_proxy.request_id``
    str: what ``X-Request-Id`` will be unless the response brings its own.
``sse_proxy.owner``
    str: who kept streams belong to (`core.owner`); only where some are.
``sse_proxy.client``
    str: key of per-client limits (`core.admission.Admission`); never a token itself.
``sse_proxy.trusted``
    bool: the peer is one of ``trusted_proxies``.
``sse_proxy.trace``
    `tracing.base.Trace`: the request's; begun and ended here.
``sse_proxy.route``
    str, for the app to set on this very scope: the ``route`` label of ``requests_total``; "other" until then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from uuid import uuid4

from starlette.types import ASGIApp, Receive, Scope, Send

from .auth import TokenFile, authenticate, client_key
from .core.forwarding import check_forwardable, count_hop
from .core.headers import HeaderList, RawHeaders, content_length, first, request_id, without
from .core.owner import owner_of
from .core.target import own_path, reserved_name
from .core.trusted import TrustedProxies
from .cors import CorsPolicy
from .errors import ClientLeft, NotFound, Refused, RequestTooLarge, SSEProxyError, Unauthorized
from .errors_http import error_response, render_plain
from .exchange import Exchange
from .handshake import deny_websocket
from .lifecycle import Lifecycle
from .metrics.base import Metrics
from .readiness import probe_response
from .resume.endpoints import STREAMS
from .settings import Settings
from .tracing.base import NULL_TRACING, Tracing

__all__ = ["Gate", "RenderError"]

#: The JSON body of an error, in the shape that the client of this scope understands.
RenderError = Callable[[Scope, SSEProxyError], bytes]


class Gate:
    """ASGI app around *app*; lifespan scopes pass, websockets are refused.

    *upstream_ready*: what ``/-/sse-proxy/readyz`` asks. *named*: who answers for reserved names, by their first part.
    One of these may have a set ``unlocked``: full names that it answers without an access token, as they are static.
    *render*: makes error bodies. *clock*: monotonic seconds. *tracing*: begins the traces.

    Raises:
        SettingsError: ``auth_tokens_file`` is not usable.
        ValueError: an entry of ``trusted_proxies`` is no address or network.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        *,
        lifecycle: Lifecycle,
        metrics: Metrics,
        upstream_ready: Callable[[], bool],
        named: Mapping[str, ASGIApp] = MappingProxyType({}),
        render: RenderError = lambda _scope, error: render_plain(error),
        clock: Callable[[], float] = time.monotonic,
        tracing: Tracing = NULL_TRACING,
    ) -> None:
        self._app = app
        self._named = named
        self._owner_headers = settings.resume_owner_headers
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._tracing = tracing
        self._upstream_ready = upstream_ready
        self._render = render
        self._clock = clock
        self._max_request_bytes = settings.max_request_bytes
        self._trusted = TrustedProxies(settings.trusted_proxies)
        self._cors = CorsPolicy(settings.cors_origins) if settings.cors_origins else None
        self._tokens = TokenFile(settings.auth_tokens_file) if settings.auth_tokens_file else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            self._metrics.request("gate", await deny_websocket(scope, receive, send))
        else:
            await self._app(scope, receive, send)

    async def _serve(self, outer: Scope, receive: Receive, send: Send) -> None:
        headers = outer["headers"]
        identity = request_id(upstream=None, client=first(headers, b"x-request-id"), new=lambda: uuid4().hex)
        scope = {**outer, "sse_proxy.request_id": identity.decode("ascii"), "sse_proxy.route": "gate"}
        trace = scope["sse_proxy.trace"] = self._tracing.begin(scope)
        complete = self._completion(outer["method"], headers)
        exchange = Exchange(
            outer, receive, send, request_id=identity, max_request_bytes=self._max_request_bytes, complete=complete
        )
        try:
            if (app := await self._admit(scope, exchange)) is not None:
                await app(scope, exchange.receive, exchange)
                exchange.check()
        except Exception as error:
            if not await self._told(error, scope, exchange):
                raise
        finally:
            self._metrics.request(scope["sse_proxy.route"], exchange.code)
            trace.end(exchange.code)

    def _completion(self, method: str, request: RawHeaders) -> Callable[[RawHeaders], HeaderList]:
        """What is done to the headers of every answer to this request."""
        if not self._cors:
            return list
        if self._cors.is_preflight(method, request):
            return partial(self._cors.preflight_headers, request)
        return partial(self._cors.response_headers, first(request, b"origin"))

    async def _admit(self, scope: Scope, exchange: Exchange) -> ASGIApp | None:
        """Answer the request, or raise, or make it ready for the app that is returned."""
        if self._cors and self._cors.is_preflight(scope["method"], scope["headers"]):
            await exchange.respond(204, [])
            return None
        app: ASGIApp | None = self._app
        if (name := reserved_name(*own_path(scope))) is not None:
            app = self._named.get(name.partition("/")[0])
            if app is None:
                await self._probe(name, scope["method"], exchange)
                return None
        if self._lifecycle.refusing:
            raise Refused("the proxy is shutting down")
        check_forwardable(scope["method"], scope["headers"])
        self._identify(scope, locked=name not in getattr(app, "unlocked", ()))
        if scope["method"] == "OPTIONS" and not count_hop(scope):
            await exchange.respond(200, [(b"content-length", b"0")])
            return None
        self._check_size(scope["headers"])
        self._set_origin(scope)
        scope["sse_proxy.route"] = "other"
        return app

    async def _probe(self, name: str, method: str, exchange: Exchange) -> None:
        """Answer a load balancer's probe, which needs no token and is answered during the drain too."""
        if name not in {"healthz", "readyz"}:
            raise NotFound
        if method not in {"GET", "HEAD"}:
            await exchange.refuse_method("probes take GET and HEAD", allow=b"GET, HEAD")
            return
        ready = probe_response(self._lifecycle, self._upstream_ready) if name == "readyz" else None
        status, document = ready or (200, {"status": "ok"})
        await exchange.respond_json(status, document)

    def _identify(self, scope: Scope, *, locked: bool) -> None:
        """Find out who is asking, by the token or the address; a token of ours goes no further.

        Raises:
            Unauthorized: tokens are asked for of what is *locked*, and there is no known one.
        """
        peer = scope["client"][0] if scope.get("client") else None
        token = None
        if STREAMS in self._named:
            scope["sse_proxy.owner"] = owner_of(scope["headers"], self._owner_headers)
        if self._tokens and locked:
            token, scope["headers"] = authenticate(scope["headers"], self._tokens, self._clock())
        scope["sse_proxy.trusted"] = self._trusted.trusts(peer)
        address = self._trusted.client_address(peer, scope["headers"])
        scope["sse_proxy.client"] = client_key(token=token, address=address)

    def _check_size(self, headers: RawHeaders) -> None:
        length = content_length(headers)
        if length is not None and 0 < self._max_request_bytes < length:
            raise RequestTooLarge

    def _set_origin(self, scope: Scope) -> None:
        if self._cors:
            origin = first(scope["headers"], b"origin")
            scope["sse_proxy.origin"] = origin
            scope["sse_proxy.welcome"] = self._cors.lets_in(origin)
            scope["headers"] = without(scope["headers"], frozenset({b"origin"}))

    async def _told(self, error: Exception, scope: Scope, exchange: Exchange) -> bool:
        """Answer with *error* where that is still possible; False: it must go on to the server."""
        scope["sse_proxy.trace"].failed(error)
        if isinstance(error, ClientLeft):
            exchange.client_left = True
            return True
        if exchange.status is not None:
            return False
        if exchange.too_large:
            error = RequestTooLarge()
        known = error if isinstance(error, SSEProxyError) else None
        if not exchange.client_left:
            await self._answer(known or SSEProxyError(), scope, exchange)
        return known is not None

    async def _answer(self, error: SSEProxyError, scope: Scope, exchange: Exchange) -> None:
        challenge = [(b"www-authenticate", b'Bearer realm="sse-proxy"')] if isinstance(error, Unauthorized) else []
        start, body = error_response(error, body=self._render(scope, error), headers=challenge)
        # A drained client must find another replica; the rest of a body that is too large is not worth reading.
        close = isinstance(error, RequestTooLarge) or (isinstance(error, Refused) and self._lifecycle.refusing)
        await exchange.respond(start["status"], start["headers"], body["body"], close=close)
