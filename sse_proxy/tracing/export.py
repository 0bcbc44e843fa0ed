"""Where the spans of a proxy process go: to a collector, over OTLP/HTTP, from a thread.

Everything about that is OpenTelemetry's own: ``OTEL_EXPORTER_OTLP_ENDPOINT`` and its kin, ``OTEL_TRACES_SAMPLER``,
``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``, ``OTEL_BSP_…``, read by its SDK. A provider that is there already
(``opentelemetry-instrument sse-proxy serve``) is taken as it is, and left to whoever made it.

A collector that is slow or away costs spans, never streams: spans wait in a queue of bounded length, and the end of the
process waits for them no longer than `FLUSH_SECONDS`, which fits between the drain and Kubernetes' grace period.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..settings import SettingsError
from ..version import version
from .opening import missing

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

__all__ = ["FLUSH_SECONDS", "Export", "open_export"]

FLUSH_SECONDS = 2.0

_SERVICE = "sse-proxy"
#: What the SDK calls a service that has no name.
_NAMELESS = "unknown_service"

_log = logging.getLogger("sse_proxy")


class Export:
    """The provider of this process's spans; None: there are none. *shutdown* may block, and is called once."""

    def __init__(self, provider: TracerProvider | None = None, shutdown: Callable[[], object] | None = None) -> None:
        self.provider = provider
        self._shutdown = shutdown

    async def close(self) -> None:
        """Send what is still queued, for `FLUSH_SECONDS` at most."""
        if self._shutdown is None:
            return
        loop, sent = asyncio.get_running_loop(), asyncio.Event()
        shutdown, self._shutdown = self._shutdown, None

        def flush() -> None:
            shutdown()
            with contextlib.suppress(RuntimeError):  # too late, the loop is closed
                loop.call_soon_threadsafe(sent.set)

        # A thread of its own, since the loop waits for those of its executor when it is closed.
        threading.Thread(target=flush, name="sse-proxy-last-spans", daemon=True).start()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await sent.wait()
        except TimeoutError:
            _log.warning("tracing: the collector did not take the last spans within %g s", FLUSH_SECONDS)


def open_export(*, enabled: bool) -> Export:
    """The way out for the spans of this process, if they are *enabled*.

    Raises:
        SettingsError: the extra is not installed, or OpenTelemetry does not accept one of its variables.
    """
    if not enabled:
        return Export()
    try:
        from opentelemetry import trace  # noqa: PLC0415 -- only who traces needs OpenTelemetry
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise missing() from error
    if not isinstance(there := trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return Export(there)
    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, _NAMELESS)).startswith(_NAMELESS):
        resource = resource.merge(Resource({SERVICE_NAME: _SERVICE, SERVICE_VERSION: version()}))
    try:
        # Not at exit: there it would wait for half a minute.
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except ValueError as error:
        raise SettingsError(f"tracing: OpenTelemetry does not accept its settings: {error}") from error
    return Export(provider, provider.shutdown)
