"""Which route a request is on: the first whose path and method fit; what it says is there for everyone behind.

Stateless ASGI. A route's settings are made once, and its `Rule` is put into the scope as ``sse_proxy.rule``: into this
very scope, since the gate, whose copy it is, looks for what the layers below put there. A request on a bridge is turned
into the upstream's own before it goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from .bridge import Bridge
from .core.shapes.base import Output
from .core.target import own_path
from .settings import Route, Settings

__all__ = ["Router", "Rule"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """One route, ready to be used."""

    path: str
    #: None: any.
    method: str | None
    #: Those of the proxy, with the route's own over them.
    settings: Settings
    dialect: str | None
    output: Output
    bridge: Bridge | None

    @classmethod
    def of(cls, route: Route, settings: Settings) -> Rule:
        """The rule of *route* in a proxy with *settings*."""
        own = settings.model_copy(update=route.overrides())
        return cls(
            path=route.path,
            method=route.method,
            settings=own,
            dialect=route.dialect,
            output=route.effective_output,
            bridge=Bridge(route, own) if route.is_bridge else None,
        )

    def fits(self, method: str, path: str) -> bool:
        """Whether a request of *method* for *path* is on this route."""
        if self.method is not None and method != self.method:
            return False
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


class Router:
    """ASGI app in front of *app*; see the module header."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._rules = tuple(Rule.of(route, settings) for route in settings.effective_routes)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # No coroutine of its own, which would stay for as long as the stream is open.
        if scope["type"] == "http" and (rule := self._rule(scope)) is not None:
            scope["sse_proxy.rule"] = rule
            if rule.bridge is not None:
                return rule.bridge.serve(self._app, scope, receive, send)
        return self._app(scope, receive, send)

    def _rule(self, scope: Scope) -> Rule | None:
        if not self._rules:
            return None
        _, path = own_path(scope)
        return next((rule for rule in self._rules if rule.fits(scope["method"], path)), None)
