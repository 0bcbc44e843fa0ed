"""The admin port: metrics, probes, drain and the list of streams (INTERFACE § Probes and admin port).

It only turns the knobs of `Lifecycle`: it never ends the process, and cuts streams only where it is told to.
``/metrics`` and the probes are open to whoever reaches the port; ``/-/drain`` and ``/-/streams`` ask for a token where
``admin_token_file`` is set.

``/-/drain?wait=`` is what an LLM server in the same pod waits for before it ends (docs/drain.md), so it returns only
once nothing can need that server any more: new requests are refused, and no stream is open. ``cut=true`` is for such
callers, after whom the LLM server ends in any case: streams that are left when the time is up get their API's own
error and a clean end first, instead of being found truncated. ``/-/undrain`` is ``DELETE /-/drain`` for callers that
can only GET, as the ``postStart`` hook of an LLM server that was restarted in place.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive

from .auth import TokenFile
from .drain import CUT_GRACE_SECONDS
from .errors import BadRequest, NotFound, RequestError, Unauthorized
from .errors_http import render_plain
from .lifecycle import Lifecycle
from .metrics.endpoint import scrape
from .metrics.prometheus import PrometheusMetrics
from .readiness import probe_response
from .settings import Settings

__all__ = ["MAX_DRAIN_WAIT_SECONDS", "create_admin"]

#: A longer ``/-/drain?wait=`` is cut to this, so that a forgotten caller does not hold its connection for ever.
MAX_DRAIN_WAIT_SECONDS = 3600.0


def create_admin(
    settings: Settings,
    *,
    metrics: PrometheusMetrics,
    lifecycle: Lifecycle,
    upstream_ready: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """The app of the admin listener; *metrics* show the drain state of *lifecycle* from now on.

    *clock*: monotonic seconds.

    Raises:
        SettingsError: ``admin_token_file`` cannot be read or holds no usable token.
    """
    metrics.bind(lifecycle)
    tokens = (
        None if settings.admin_token_file is None else TokenFile(settings.admin_token_file, setting="admin_token_file")
    )
    drain = _Drain(lifecycle, settings.drain_delay_seconds)
    admin = _Admin(metrics, lifecycle, upstream_ready, drain, _Guard(tokens, clock))
    app = Starlette(
        routes=[
            Route("/metrics", admin.metrics),
            Route("/healthz", admin.healthz),
            Route("/readyz", admin.readyz),
            Route("/-/drain", admin.drain, methods=["GET", "DELETE"]),
            Route("/-/undrain", admin.undrain),
            Route("/-/streams", admin.streams),
        ],
        exception_handlers={RequestError: _refuse, HTTPException: _refuse_by_status},
    )
    # A probe of "/readyz/" is a mistake to be told, not to be sent elsewhere by the Host that it claims.
    app.router.redirect_slashes = False
    return app


class _Guard:
    """Lets requests through that carry a token of *tokens*; all of them where there is no such file."""

    def __init__(self, tokens: TokenFile | None, clock: Callable[[], float]) -> None:
        self._tokens = tokens
        self._clock = clock

    def check(self, request: Request) -> None:
        if self._tokens is None:
            return
        # The scheme's name is case-insensitive (RFC 9110 § 11.1).
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._tokens.knows(token.strip().encode("latin-1"), self._clock()):
            raise Unauthorized


class _Drain:
    """``/-/drain`` as calls on *lifecycle*: not ready at once, refusing after *delay_seconds*."""

    def __init__(self, lifecycle: Lifecycle, delay_seconds: float) -> None:
        self._lifecycle = lifecycle
        self._delay_seconds = delay_seconds
        #: From the start of a drain on, to be cancelled by `end`.
        self._refusal: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._lifecycle.drain()
        # A second call must not put the refusal off.
        if self._refusal is None:
            self._refusal = asyncio.get_running_loop().call_later(self._delay_seconds, self._lifecycle.refuse)

    def end(self) -> None:
        if self._refusal is not None:
            self._refusal.cancel()
            self._refusal = None
        self._lifecycle.undrain()


class _Admin:
    """The endpoints."""

    def __init__(
        self,
        metrics: PrometheusMetrics,
        lifecycle: Lifecycle,
        upstream_ready: Callable[[], bool],
        drain: _Drain,
        guard: _Guard,
    ) -> None:
        self._metrics = metrics
        self._lifecycle = lifecycle
        self._upstream_ready = upstream_ready
        self._drain = drain
        self._guard = guard

    async def metrics(self, request: Request) -> Response:
        """Numbers for Prometheus, in OpenMetrics where the scraper asks for it; open to whoever reaches the port."""
        return await scrape(request, self._metrics)

    async def healthz(self, _request: Request) -> Response:
        """200 ``ok`` while the process answers, also during a drain."""
        return PlainTextResponse("ok")

    async def readyz(self, _request: Request) -> Response:
        """200 while the proxy takes requests and its upstream is reachable, else 503; JSON tells which it is."""
        status, document = probe_response(self._lifecycle, self._upstream_ready)
        return JSONResponse(document, status)

    async def streams(self, request: Request) -> Response:
        """The open streams as a JSON array, each as it describes itself."""
        self._guard.check(request)
        return JSONResponse([stream.describe() for stream in self._lifecycle.streams])

    async def drain(self, request: Request) -> Response:
        """GET: not ready at once, refusing after ``drain_delay_seconds``; DELETE ends that.

        ``wait``: seconds to hold the answer back until no stream is left; ``cut=true``: end those that are left then.
        """
        self._guard.check(request)
        if request.method == "DELETE":
            return await self.undrain(request)
        seconds = _wait_seconds(request.query_params.get("wait", "0"))
        cut = _switch(request.query_params.get("cut", "false"))
        self._drain.begin()
        here = await _wait(self._lifecycle.wait_drained(seconds), request.receive) if seconds else True
        if cut and here and self._lifecycle.draining:
            self._lifecycle.cut_all()
            await self._lifecycle.wait_empty(CUT_GRACE_SECONDS)
        return self._told()

    async def undrain(self, request: Request) -> Response:
        """Back into service: `DELETE /-/drain` for callers that can only GET."""
        self._guard.check(request)
        self._drain.end()
        return self._told()

    def _told(self) -> Response:
        return JSONResponse({"draining": self._lifecycle.draining, "streams": len(self._lifecycle)})


def _wait_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise BadRequest("wait must be a number of seconds, 0 or more")
    return min(seconds, MAX_DRAIN_WAIT_SECONDS)


def _switch(text: str) -> bool:
    if text not in {"true", "false"}:
        raise BadRequest("cut must be true or false")
    return text == "true"


async def _wait(drained: Coroutine[None, None, bool], receive: Receive) -> bool:
    """Return when *drained* is over, or the caller has left; whether the caller is still there."""
    # Two tasks, since whichever comes first must end the other's wait.
    leaves = asyncio.ensure_future(_disconnected(receive))
    waits = {asyncio.ensure_future(drained), leaves}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return not leaves.done()
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(_request: Request, error: Exception) -> Response:
    told = error if isinstance(error, RequestError) else RequestError()
    headers = {"WWW-Authenticate": 'Bearer realm="sse-proxy admin"'} if isinstance(error, Unauthorized) else None
    return _json(render_plain(told), told.http_status, headers)


async def _refuse_by_status(_request: Request, error: Exception) -> Response:
    """The routing's own refusals: no such path, and no such method, with ``Allow``."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (400, None)
    told = NotFound() if status == 404 else RequestError(HTTPStatus(status).phrase.lower())
    return _json(render_plain(told), status, headers)


def _json(body: bytes, status: int, headers: Mapping[str, str] | None) -> Response:
    return Response(body, status, headers, media_type="application/json")
