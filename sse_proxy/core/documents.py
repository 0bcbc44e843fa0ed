"""JSON documents of strangers: read without surprises."""

from __future__ import annotations

import json

__all__ = ["json_object"]


def json_object(data: bytes) -> dict[str, object] | None:
    """The JSON object that *data* is; None for any other value, and for what is no JSON or nested too deeply."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
