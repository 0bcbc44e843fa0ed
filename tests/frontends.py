"""The scene of the browser tests: pages with the frontends on them, in front of a mock and behind the proxy.

A `Site` is the upstream: it serves the page of ``tests/js/page.tsx``, so that behind the proxy the page's origin is the
proxy's, and hands everything else to an app of its own: a mock, whose requests it can count, or another.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sse_proxy.client_protocol import CLOSE_EXTENSION
from sse_proxy.demo import create_mock

from .browser import Visit
from .conftest import LIMIT_SECONDS, require_component
from .sdk_stage import Proxy, Stage

__all__ = ["EXAMPLES", "PROMPT", "TARGETS", "Scene", "Site", "behind", "scene"]

_JS = Path(__file__).parent / "js"
_PACKAGES = _JS / "node_modules"
EXAMPLES = Path(__file__).parent.parent / "examples" / "frontend"
_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<title>Frontends</title>
<link rel="icon" href="data:,">
<body><script type="module" src="/page.js"></script></body>
"""

Knobs = Mapping[str, object]

#: What the guide's component asks.
PROMPT = "Hello AI!"

#: Dialect of the mock → where a bridge asks it.
TARGETS = {
    "openai_chat": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "ollama": "/api/chat",
    "gemini": "/v1beta/models/mock:streamGenerateContent?alt=sse",
    "gemini_array": "/v1beta/models/mock:streamGenerateContent",
}


@cache
def bundle() -> bytes:
    """The page's script, React in it."""
    require_component("js-sdks")
    done = subprocess.run(
        [
            *(str(_PACKAGES / ".bin" / "esbuild"), str(_JS / "page.tsx"), "--bundle", "--external:/frontend/*"),
            *("--format=esm", "--jsx=automatic", '--define:process.env.NODE_ENV="production"', "--log-level=error"),
        ],
        env={**os.environ, "NODE_PATH": str(_PACKAGES)},  # for the examples, which are beside no packages
        stdout=subprocess.PIPE,
        check=True,
    )
    return done.stdout


@dataclass
class Site:
    """The upstream, an ASGI app."""

    url: str = ""
    rest: ASGIApp = field(default_factory=create_mock)
    #: JSON bodies of the requests to it.
    asked: list[Any] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = self._page(scope["path"]) if scope["type"] == "http" else None
        if page is not None:
            await page(scope, receive, send)
        else:
            await self.rest(scope, self._listening(receive), send)

    def _page(self, path: str) -> Response | None:
        if path == "/":
            return HTMLResponse(_PAGE)
        if path == "/page.js":
            return Response(bundle(), media_type="text/javascript")
        if path.startswith("/frontend/"):
            return Response((EXAMPLES / path.rpartition("/")[2]).read_bytes(), media_type="text/javascript")
        return None

    def _listening(self, receive: Receive) -> Receive:
        async def listening() -> Message:
            message = await receive()
            if message.get("body"):
                self.asked.append(json.loads(message["body"]))
            return message

        return listening

    def generations(self) -> dict[str, int]:
        """What became of the requests to the mock, once none runs: how many started, completed, were disconnected."""
        give_up = time.monotonic() + LIMIT_SECONDS
        told: dict[str, Any] = {"active": 1}
        while told["active"] and time.monotonic() < give_up:
            told = httpx.get(f"{self.url}/mock/stats", trust_env=False).raise_for_status().json()
        return {state: count for state, count in told.items() if state != "paths" and count}


@dataclass
class CutAfter:
    """An ASGI app around *app* that drops the connection of its first event stream after *writes* writes."""

    app: ASGIApp
    writes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, self._counting(scope, send) if scope["type"] == "http" else send)

    def _counting(self, scope: Scope, send: Send) -> Send:
        is_stream = False

        async def counting(message: Message) -> None:
            nonlocal is_stream
            await send(message)
            if message["type"] == "http.response.start":
                is_stream = b"text/event-stream" in dict(message["headers"]).get(b"content-type", b"")
            elif is_stream:
                self.writes -= 1
                if self.writes == 0:
                    scope["extensions"][CLOSE_EXTENSION]()

        return counting


@dataclass
class Scene:
    """A site behind a proxy."""

    site: Site
    proxy: Proxy
    #: Where the page is.
    url: str

    @property
    def chat(self) -> str:
        """The absolute URL of the bridge, for pages of other origins."""
        return f"{self.url}/chat/stream"

    def visit(self, call: str, **argument: object) -> Visit:
        """A visit of the page at the proxy's own origin; *call* asks ``/chat/stream`` unless *argument* says other."""
        return Visit(f"{self.url}/", call, {"prompt": PROMPT, "url": "/chat/stream", **argument})


def scene(stage: Stage, target: str, *, knobs: Knobs, **settings: Any) -> Scene:
    """A new site behind a bridge from ``/chat/stream`` to *target*, path and query of the mock, with its *knobs*.

    *settings* as `behind` takes them.
    """
    asked = f"{target}{'&' if '?' in target else '?'}{urlencode(knobs)}"
    return behind(stage, Site(), bridge=(f"/chat/stream={asked}",), bridge_model="mock", **settings)


def behind(stage: Stage, site: Site, *, cut_after: int | None = None, **settings: Any) -> Scene:
    """*site* behind a proxy with *settings*, those of `Stage.proxy`.

    *cut_after*: the first event stream is cut between proxy and browser after so many writes.
    """
    site.url = stage.serve(site)
    proxy = stage.proxy(upstream=site.url, **settings)
    return Scene(site, proxy, proxy.url if cut_after is None else stage.serve(CutAfter(proxy, cut_after)))
