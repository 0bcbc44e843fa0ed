"""The tracing that the setting ``tracing`` asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..settings import SettingsError
from .base import NULL_TRACING, Tracing

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

__all__ = ["missing", "open_tracing"]


def open_tracing(*, enabled: bool, provider: TracerProvider | None = None) -> Tracing:
    """Tracing by *provider*; None: by the application's global one, where *enabled*, else none at all.

    Raises:
        SettingsError: OpenTelemetry is not installed.
    """
    if not enabled and provider is None:
        return NULL_TRACING
    try:
        from .spans import SpanTracing  # noqa: PLC0415 -- only who traces needs OpenTelemetry
    except ImportError as error:
        raise missing() from error
    return SpanTracing(provider)


def missing() -> SettingsError:
    """What to raise where OpenTelemetry cannot be imported."""
    return SettingsError("tracing: OpenTelemetry is not installed, expected: pip install 'sse-proxy[otel]'")
