"""The version of this package, as its metadata tell it."""

from __future__ import annotations

import importlib.metadata

__all__ = ["version"]


def version() -> str:
    """The installed version; ``unknown`` in a source tree that nobody installed."""
    try:
        return importlib.metadata.version("sse-proxy")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
