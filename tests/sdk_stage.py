"""The scene of the SDK tests: one mock and any number of proxies in front of it, in an event loop of a thread.

A thread, because synchronous SDKs block the test's own: the test stays an ordinary function whatever it drives.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from sse_proxy import Settings, create_app
from sse_proxy.demo import create_mock
from sse_proxy.metrics.prometheus import PrometheusMetrics

from .conftest import LIMIT_SECONDS, free_port
from .streaming import served

__all__ = ["Proxy", "Stage", "standing"]

T = TypeVar("T")


@dataclass
class Proxy:
    """A proxy in front of the mock; it is also the app that counts what it is asked."""

    app: ASGIApp
    metrics: PrometheusMetrics
    port: int = 0
    #: HTTP requests that arrived, retries of an SDK included.
    requests: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += scope["type"] == "http"
        await self.app(scope, receive, send)

    def totals(self, name: str, label: str) -> dict[str, float]:
        """The metric *name* summed by *label*, zeros left out."""
        found: dict[str, float] = {}
        for line in self.metrics.render()[0].decode().splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.startswith(f"sse_proxy_{name}{{") and float(value):
                key = sample.partition(f'{label}="')[2].partition('"')[0]
                found[key] = found.get(key, 0) + float(value)
        return found


class Stage:
    """See the module header; `standing` makes one.

    Attributes:
        mock: URL of the mock, for requests without a proxy in between.
        refusing: URL at which nobody listens.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, exits: AsyncExitStack) -> None:
        self._loop = loop
        self._exits = exits
        self.mock = self.serve(create_mock())
        self.refusing = f"http://127.0.0.1:{free_port()}"

    def run(self, work: Coroutine[Any, Any, T], *, limit_seconds: float = LIMIT_SECONDS) -> T:
        """What *work* returns or raises, run in the stage's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(limit_seconds)

    def proxy(self, *, unchecked: Mapping[str, object] | None = None, **settings: object) -> Proxy:
        """A new proxy with *settings*; *unchecked* ones may lie outside the bounds that users are held to."""
        chosen = Settings(**{"upstream": self.mock, **settings})  # type: ignore[arg-type]
        chosen = chosen.model_copy(update=unchecked)
        metrics = PrometheusMetrics()
        proxy = Proxy(create_app(chosen, metrics=metrics), metrics)
        proxy.port = self.enter(served(proxy, send_buffer_bytes=chosen.client_send_buffer_bytes))
        return proxy

    def serve(self, app: ASGIApp) -> str:
        """The URL at which *app* is from now on."""
        return f"http://127.0.0.1:{self.enter(served(app))}"

    def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """What *manager* gives, entered in the stage's loop and left at the end of the stage."""
        return self.run(self._exits.enter_async_context(manager))

    def requests_at_the_mock(self) -> int:
        """How many requests the mock has got so far, from whomever."""
        answer = httpx.get(f"{self.mock}/mock/stats", trust_env=False)
        return int(answer.raise_for_status().json()["started"])


@contextmanager
def standing() -> Iterator[Stage]:
    """A stage; everything on it is torn down at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stage")
    thread.start()
    exits = AsyncExitStack()
    try:
        yield Stage(loop, exits)
    finally:
        try:
            asyncio.run_coroutine_threadsafe(exits.aclose(), loop).result(LIMIT_SECONDS)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
