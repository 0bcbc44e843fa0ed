"""The settings of `SSEMiddleware`: those of the environment and of its arguments, as far as it obeys them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from .settings import Settings, load_settings

__all__ = ["OBEYED", "load_obeyed"]

_log = logging.getLogger("sse_proxy")

#: The settings that the middleware obeys; the others are the proxy's, around it.
OBEYED = frozenset({
    "client_stall_timeout_seconds", "client_variants", "commit_after_seconds", "completion_grace_seconds",
    "first_event_timeout_seconds", "heartbeat_mode", "heartbeat_seconds", "idle_timeout_seconds",
    "inspect_request_bytes", "max_buffer_bytes", "max_event_bytes", "max_streams", "max_streams_per_client", "reframe",
    "total_timeout_seconds", "tracing",
})  # fmt: skip


def load_obeyed(overrides: Mapping[str, object]) -> Settings:
    """The settings of the environment and *overrides*; the log is warned of what has no effect, tokens above all.

    Raises:
        SettingsError: one that is not accepted.
    """
    loaded = load_settings(overrides, require_upstream=False)
    idle = [name for name, source in loaded.sources.items() if source != "default" and name not in OBEYED]
    for warning in (*loaded.warnings, *(f"{name}: has no effect in SSEMiddleware, only in the proxy" for name in idle)):
        _log.warning("%s", warning)
    return loaded.settings
