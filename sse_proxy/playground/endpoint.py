"""Who answers for ``/-/sse-proxy/`` and ``/-/sse-proxy/playground/…``, behind the gate.

    GET        /-/sse-proxy/                      the page; its files below playground/
    GET        /-/sse-proxy/playground/about      what this proxy is, and what there is to try, as JSON
    GET        /-/sse-proxy/playground/figures    its totals, ``?id=`` what became of one request, as JSON
    GET, POST  /-/sse-proxy/playground/lane/…     the streams that it shows (`lanes`)

Off unless the setting ``playground`` is on. The page's files are for everyone (`shell`); all the rest is behind
``auth_tokens_file`` like the upstream's own paths, and refused to pages of other sites. What a page starts is bounded
in number here, and in time by `lanes`. In ``requests_total`` all this has the route ``playground``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from ..core.crowd import Crowd
from ..core.foreign import is_foreign
from ..core.target import HOME, own_path, reserved_name
from ..errors import Forbidden, NotFound, Refused
from ..errors_http import method_refused
from ..json_answer import json_answer
from ..lifecycle import Lifecycle
from ..metrics.base import Metrics
from ..settings import Settings
from ..version import version
from .ended import Ended
from .figures import Figures
from .lanes import PREFIX, Lanes
from .shell import Shell

__all__ = ["MAX_LANES", "MAX_LANES_PER_CLIENT", "Playground"]

#: Lanes at a time, of all clients and of one; 503 above. A page needs two.
MAX_LANES = 32
MAX_LANES_PER_CLIENT = 8


class Playground:
    """ASGI app for the reserved name `HOME`.

    *upstream* hands a request on as it is. *proxy* is what stands behind the gate; `app` takes its place there, and
    lets the page find its streams again. *menu*: what there is to try, for the page; None: it lets a person type.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        upstream: ASGIApp,
        proxy: ASGIApp,
        metrics: Metrics,
        lifecycle: Lifecycle,
        menu: Mapping[str, object] | None = None,
    ) -> None:
        self.app = Ended(proxy)
        self._shell = Shell()
        self._lanes = Lanes(upstream=upstream, proxy=self.app, lifecycle=lifecycle)
        self._figures = Figures(metrics, lifecycle, self.app)
        self._about = _about(settings, menu)
        self._running = Crowd(at_most=MAX_LANES, per_client=MAX_LANES_PER_CLIENT)

    @property
    def unlocked(self) -> frozenset[str]:
        """The reserved names that need no access token."""
        return self._shell.names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.

        Raises:
            Forbidden: a page of another site asks for more than the files.
            NotFound: nothing of ours has this name.
            Refused: too many lanes are open.
            SSEProxyError: see `Lanes`.
        """
        scope["sse_proxy.route"] = HOME
        name = reserved_name(*own_path(scope)) or ""
        is_lane = name.startswith(PREFIX)
        allowed = ("GET", "POST") if is_lane else ("GET", "HEAD")
        if scope["method"] not in allowed:
            for message in method_refused(f"expected {' or '.join(allowed)}", allow=", ".join(allowed).encode()):
                await send(message)
        elif name in self._shell.names:
            await self._shell.answer(name, scope, send)
        elif is_foreign(scope):
            raise Forbidden
        elif is_lane:
            with self._admitted(scope.get("sse_proxy.client", "")):
                await self._lanes(scope, receive, send)
        else:
            await _respond(scope, send, await self._told(name, scope.get("query_string", b"")))

    async def _told(self, name: str, query: bytes) -> Mapping[str, object]:
        if name == f"{HOME}/about":
            return self._about
        if name == f"{HOME}/figures":
            asked = parse_qs(query.decode(errors="replace")).get("id", [""])
            return await self._figures.now(asked[0])
        raise NotFound

    @contextlib.contextmanager
    def _admitted(self, client: str) -> Iterator[None]:
        if not self._running.has_room(client):
            raise Refused("too many lanes of the playground are open")
        self._running.join(client)
        try:
            yield
        finally:
            self._running.leave(client)


def _about(settings: Settings, menu: Mapping[str, object] | None) -> dict[str, object]:
    """What the page has to know; never the upstream's address."""
    return {
        "version": version(),
        "menu": menu,
        "resume": settings.resume != "off",
        "tokens": settings.auth_tokens_file is not None,
        "heartbeat_seconds": 0.0 if settings.heartbeat_mode == "off" else settings.heartbeat_seconds,
        "commit_after_seconds": settings.commit_after_seconds,
        "bridges": [route.path for route in settings.effective_routes if route.is_bridge],
    }


async def _respond(scope: Scope, send: Send, document: Mapping[str, object]) -> None:
    headers, body = json_answer(document, (b"x-content-type-options", b"nosniff"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
