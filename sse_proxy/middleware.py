"""`SSEMiddleware`: verified endings, heartbeats, timeouts and metrics for any ASGI app's event streams.

Pure ASGI and stateless: each request gets a `Response` object that holds the state. Only requests that ask for a stream
and responses that are one are touched; everything else passes as it is, websocket, lifespan and HEAD included.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from .core.admission import Admission, Place, Refusal
from .core.dialects import dialect_for
from .core.headers import content_length
from .core.ledger import Ledger
from .core.requests import RequestFacts, classify, wants_body
from .core.target import own_path
from .entrance import Entrance
from .errors import ClientDisconnected, ClientLeft, Outcome, SSEProxyError, UploadStalled
from .errors_http import error_response
from .lifecycle import Lifecycle
from .metrics.base import Metrics
from .metrics.prometheus import default_metrics
from .obeyed import load_obeyed
from .resume.recorder import Recorder
from .resume.resumption import Joined, Resumption
from .routing import Rule
from .settings import Settings, SettingsError
from .streaming import Policy, Response
from .streaming.receiver import NoRoom, Receiver
from .streaming.report import report
from .tracing.base import NULL_TRACE, NULL_TRACING, Trace
from .tracing.opening import open_tracing

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

__all__ = ["SSEMiddleware"]

#: Extensions of ASGI that an application is not offered where its response may be a stream.
_WITHHELD = frozenset({"http.response.pathsend", "http.response.trailers", "http.response.zerocopysend"})


class SSEMiddleware:
    """ASGI middleware; ``app.add_middleware(SSEMiddleware, heartbeat_seconds=15)``.

    Args:
        app: The application.
        settings: All settings at once; None reads the environment (``SSE_PROXY_<NAME>``).
        paths: Only these of the app's own paths, each exact or a prefix that ends in ``*``; None means all.
        terminal: The application's own end marker, an event's type or its whole data: a stream that ends without it
            counts as truncated.
        metrics: Where numbers go; None means the process's own Prometheus metrics (`metrics_app`).
        lifecycle: Where open responses are listed, for a drain; None lists them nowhere.
        resumption: Keeps streams for those who come back; None keeps none.
        tracer_provider: Of OpenTelemetry: where spans go; None: to the application's global one, if ``tracing`` is on.
        owns_app: The application is ours: it may be cancelled, and its ordinary responses are under the timeouts too.
        overrides: Single settings, over those of the environment; not beside *settings*.

    Raises:
        SettingsError: a setting that is not accepted, *paths* that are no list, or tracing without OpenTelemetry.
    """

    def __init__(
        self,
        app: ASGIApp,
        /,
        *,
        settings: Settings | None = None,
        paths: Sequence[str] | None = None,
        terminal: str | None = None,
        metrics: Metrics | None = None,
        lifecycle: Lifecycle | None = None,
        resumption: Resumption | None = None,
        tracer_provider: TracerProvider | None = None,
        owns_app: bool = False,
        **overrides: object,
    ) -> None:
        if isinstance(paths, str):
            raise SettingsError(f"paths: got {json.dumps(paths)}, expected a list of paths")
        if settings is None:
            settings = load_obeyed(overrides)
        elif overrides:
            raise SettingsError(f"{next(iter(overrides))}: given beside settings=, expected one or the other")
        self._app = app
        ledger = Ledger() if lifecycle is None else lifecycle.ledger
        ledger.limit_bytes = settings.max_buffer_bytes
        self._policy = Policy.of(settings, owns_app=owns_app, terminal=terminal, ledger=ledger)
        #: Of the routes that were asked for, made once each.
        self._policies: dict[Rule, Policy] = {}
        self._paths = paths
        self._metrics = default_metrics() if metrics is None else metrics
        self._lifecycle = lifecycle
        self._resumption = resumption
        # In the proxy the gate traces, as it counts: it sees every request.
        self._tracing = NULL_TRACING if owns_app else open_tracing(enabled=settings.tracing, provider=tracer_provider)
        if resumption is None:
            lag = None if lifecycle is None else lifecycle.lag
            self._entrance = Entrance(Admission.of(settings, ledger, lag), self._metrics)
        else:  # those who come back to kept streams have places among all others
            self._entrance = resumption.entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._concerns(scope):
            await self._app(scope, receive, send)
            return
        is_proxy = self._policy.owns_app
        trace: Trace = scope.get("sse_proxy.trace", NULL_TRACE) if is_proxy else self._tracing.begin(scope)
        with nullcontext() if is_proxy else trace.current():
            try:
                response = await self._admitted(scope, receive, send, trace)
                if response is not None:
                    await response.run(self._app)
            except SSEProxyError as error:
                # Only what was raised before there was a `Response` comes here; in the proxy, the gate answers it.
                if is_proxy or isinstance(error, ClientLeft):
                    raise
                dialect = dialect_for(scope["method"], scope["path"])
                self._metrics.request(scope.get("sse_proxy.route", "other"), error.http_status)
                trace.failed(error)
                for message in error_response(error, body=dialect.error_body(error)):
                    await send(message)
                trace.end(error.http_status)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send, trace: Trace) -> Response | None:
        """The response to come; None: another one has been joined, and that is over."""
        receiver = Receiver(scope, receive, self._policy.ledger)
        policy = self._policy_for(scope.get("sse_proxy.rule"))
        place: Place | None = None
        opened: Recorder | Joined | None = None
        try:
            facts = await self._facts(scope, receiver, policy)
            scope["sse_proxy.facts"] = facts
            scope["sse_proxy.route"] = facts.dialect.name if facts.dialect.paths else "other"
            if facts.candidate:
                place, opened = await self._enter(scope, send, facts=facts, policy=policy)
        except BaseException:
            receiver.close()
            raise
        if isinstance(opened, Joined):
            await opened.follow(scope, receiver, send, policy.settings)
            return None
        response = Response(
            scope,
            receiver,
            opened or send,
            facts=facts,
            policy=policy,
            metrics=self._metrics,
            on_end=partial(self._ended, scope, place, opened, trace),
            record=opened,
        )
        if opened is not None and place is not None:
            opened.bind(response.transfer, response.cut, detaches=response.detaches, place=place)
        if self._lifecycle is not None:
            self._lifecycle.add(response)
        return response

    def _concerns(self, scope: Scope) -> bool:
        if scope["method"] == "HEAD" and not self._policy.owns_app:
            return False
        _, path = own_path(scope)
        return self._paths is None or any(
            path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern for pattern in self._paths
        )

    def _policy_for(self, rule: Rule | None) -> Policy:
        if rule is None:
            return self._policy
        if rule not in self._policies:
            self._policies[rule] = self._policy.for_route(
                rule.settings, dialect=rule.dialect, output=rule.output, bridged=rule.bridge is not None
            )
        return self._policies[rule]

    async def _facts(self, scope: Scope, receiver: Receiver, policy: Policy) -> RequestFacts:
        """What the request asks for, its JSON body looked at where that can tell.

        Raises:
            UploadStalled: the body did not come within ``idle_timeout_seconds``.
            Refused: there is no room for it.
            ClientDisconnected: the client left before its request was complete.
        """
        settings, headers = policy.settings, scope["headers"]
        query = scope.get("query_string", b"")
        read = partial(classify, scope["method"], scope["path"], headers, query=query, terms=policy.terms)
        if not wants_body(scope["method"], scope["path"], headers):
            return read(b"")
        if (content_length(headers) or 0) > settings.inspect_request_bytes:
            return read(None)
        name = dialect_for(scope["method"], scope["path"]).name
        self._entrance.check_room(name)
        try:
            async with asyncio.timeout(settings.idle_timeout_seconds or None):
                body = await receiver.look_ahead(settings.inspect_request_bytes)
        except NoRoom:
            raise self._entrance.refused(Refusal.MAX_BUFFER_BYTES, name) from None
        except TimeoutError:
            raise UploadStalled from None
        if receiver.gone and self._policy.owns_app:
            raise ClientDisconnected
        return read(body)

    async def _enter(
        self, scope: Scope, send: Send, *, facts: RequestFacts, policy: Policy
    ) -> tuple[Place | None, Recorder | Joined | None]:
        """A place for a stream, and who records it; whoever joins another stream has no place of his own.

        Raises:
            Refused: there is none.
        """
        _withhold(scope)
        client = scope.get("sse_proxy.client") or (scope["client"][0] if scope.get("client") else "")
        place = self._entrance.admission.new(client)
        if self._resumption is not None:
            return await self._resumption.enter(place, scope, send, facts=facts, policy=policy)
        return self._entrance.let_in(place, facts.dialect.name), None

    def _ended(
        self, scope: Scope, place: Place | None, recorder: Recorder | None, trace: Trace, response: Response
    ) -> None:
        if self._lifecycle is not None:
            self._lifecycle.remove(response)
        if place is not None:
            self._entrance.leave(place)
        if recorder is not None:
            recorder.finish(response.outcome)
        report(response, scope, self._metrics, trace)
        if not self._policy.owns_app:  # in the proxy the gate counts and traces, who sees every request
            self._metrics.request(scope["sse_proxy.route"], _status(response))
            trace.end(_status(response))


def _status(response: Response) -> int:
    """What the client saw: 499 where it left before the start, 500 where the application failed before it."""
    return response.transfer.client.status or (499 if response.outcome is Outcome.CLIENT_DISCONNECTED else 500)


def _withhold(scope: Scope) -> None:
    """Do not offer the application what would lead a stream past us, or what cannot follow an error of ours."""
    offered = scope.get("extensions") or {}
    scope["extensions"] = {name: about for name, about in offered.items() if name not in _WITHHELD}
