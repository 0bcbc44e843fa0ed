"""sse_proxy: a streaming proxy and ASGI middleware for LLM servers.

Importing the package does nothing, and loads a part only when its name is asked for (PEP 562): `sse-proxy --help` and
`sse-proxy healthcheck` need little of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import create_app
    from .metrics import metrics_app
    from .middleware import SSEMiddleware
    from .settings import Settings

__all__ = ["SSEMiddleware", "Settings", "create_app", "metrics_app"]

_HOMES = {"SSEMiddleware": "middleware", "Settings": "settings", "create_app": "app", "metrics_app": "metrics"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
