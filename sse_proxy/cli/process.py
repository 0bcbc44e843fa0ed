"""The proxy as a process: its parts, in one event loop, until it is told to end."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from .. import logs
from ..admin import create_admin
from ..app import create_app
from ..lifecycle import Lifecycle
from ..metrics.prometheus import PrometheusMetrics
from ..readiness import UpstreamProbe
from ..server import Bound, background, serve
from ..settings import Loaded, Settings, SettingsError
from ..tracing.export import open_export
from ..upstream.tls import create_ssl_context
from . import garbage
from .loop import run_loop

__all__ = ["configure_logging", "run"]

logger = logging.getLogger("sse_proxy")


def configure_logging(loaded: Loaded) -> None:
    """Log as the settings say, and begin with the warnings about them."""
    logs.configure(loaded.settings.log_level, loaded.settings.log_format)
    for warning in loaded.warnings:
        logger.warning("%s", warning)


def run(
    settings: Settings,
    *,
    on_ready: Callable[[Bound], None],
    extra: Sequence[tuple[ASGIApp, socket.socket]] = (),
    watch: Callable[[Lifecycle], AbstractContextManager[object]] = nullcontext,
    menu: Mapping[str, object] | None = None,
) -> int:
    """Run the proxy, and *extra* apps beside it, until a signal ends it; return the exit code (`server.serve`).

    *menu*: what the playground's page offers.
    What *watch* makes of the proxy's lifecycle is entered and left inside the event loop, around all of it.
    Does not return after a second signal, which ends the process there and then.

    Raises:
        SettingsError: an address is taken, or a file that the settings name cannot be used.
    """
    return run_loop(_run(settings, on_ready, extra, watch, menu))


async def _run(
    settings: Settings,
    on_ready: Callable[[Bound], None],
    extra: Sequence[tuple[ASGIApp, socket.socket]],
    watch: Callable[[Lifecycle], AbstractContextManager[object]],
    menu: Mapping[str, object] | None,
) -> int:
    metrics, lifecycle = PrometheusMetrics(), Lifecycle()
    export = open_export(enabled=settings.tracing)
    try:
        probe = UpstreamProbe(settings, ssl_context=_upstream_tls(settings))
        traffic = create_app(
            settings,
            metrics=metrics,
            lifecycle=lifecycle,
            upstream_ready=probe.ready,
            tracer_provider=export.provider,
            menu=menu,
        )
        admin = create_admin(settings, metrics=metrics, lifecycle=lifecycle, upstream_ready=probe.ready)
    except ValueError as error:
        raise SettingsError(str(error)) from error

    def ready(bound: Bound) -> None:
        garbage.settle()
        on_ready(bound)

    with watch(lifecycle):
        async with background(probe.run()):
            code = await serve(
                traffic, admin, settings, lifecycle=lifecycle, metrics=metrics, on_ready=ready, extra=extra
            )
    if code == 0:  # else nothing was served, or somebody has waited long enough
        await export.close()
    return code


def _upstream_tls(settings: Settings) -> ssl.SSLContext | None:
    """What the readiness probe trusts: the same as the requests do."""
    if urlsplit(settings.upstream or "").scheme != "https":
        return None
    return create_ssl_context(
        ca_file=settings.upstream_ca_file,
        client_cert=settings.upstream_client_cert,
        client_key=settings.upstream_client_key,
    )
