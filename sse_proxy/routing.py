"""Which route a request is on: the first whose path and method fit; what it says is there for everyone behind.

Stateless ASGI. A route's settings are made once, and its `Rule` is put into the scope as ``sse_proxy.rule``: into this
very scope, since the gate, whose copy it is, looks for what the layers below put there. A request on a bridge is turned
into the upstream's own before it goes on. One that bears an event id of ours goes no further where streams are kept.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from .bridge import Bridge
from .core.cursor import Cursor, parse_event_id
from .core.headers import first
from .core.shapes.base import Output
from .core.target import own_path
from .resume.attaching import Attaching
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
    def of(cls, route: Route, settings: Settings, attaching: Attaching | None = None) -> Rule:
        """The rule of *route* in a proxy with *settings*, where *attaching* knows kept streams."""
        own = settings.model_copy(update=route.overrides())
        return cls(
            path=route.path,
            method=route.method,
            settings=own,
            dialect=route.dialect,
            output=route.effective_output,
            bridge=Bridge(route, own, attaching) if route.is_bridge else None,
        )

    def fits(self, method: str, path: str) -> bool:
        """Whether a request of *method* for *path* is on this route."""
        if self.method is not None and method != self.method:
            return False
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


class Router:
    """ASGI app in front of *app*; *attaching* knows kept streams, None: none are. See the module header."""

    def __init__(self, app: ASGIApp, settings: Settings, attaching: Attaching | None = None) -> None:
        self._app = app
        self._settings = settings
        self._attaching = attaching
        self._rules = tuple(Rule.of(route, settings, attaching) for route in settings.effective_routes)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # No coroutine of its own, which would stay for as long as the stream is open.
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        if (rule := self._rule(scope)) is not None:
            scope["sse_proxy.rule"] = rule
            if rule.bridge is not None:
                return rule.bridge.serve(self._app, scope, receive, send)
        if self._attaching is not None and (cursor := _cursor(scope)) is not None:
            return self._go_on(self._attaching, cursor, scope, receive, send)
        return self._app(scope, receive, send)

    def _rule(self, scope: Scope) -> Rule | None:
        if not self._rules:
            return None
        _, path = own_path(scope)
        return next((rule for rule in self._rules if rule.fits(scope["method"], path)), None)

    async def _go_on(self, attaching: Attaching, cursor: Cursor, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that was sent before; never with a second generation.

        Raises:
            NotFound: the stream is not kept (any more, or by this replica), or is another caller's.
        """
        rule: Rule | None = scope.get("sse_proxy.rule")
        settings = self._settings if rule is None else rule.settings
        await attaching.attach(cursor, scope, receive, send, settings=settings)


def _cursor(scope: Scope) -> Cursor | None:
    """What a request that asks for the rest of a stream has of it; None: it does not, or of somebody else's."""
    told = first(scope["headers"], b"last-event-id")
    return parse_event_id(told) if told is not None and scope["method"] in {"GET", "POST"} else None
