"""The table of dialects: one row per API, looked up by request path.

Adding an API means adding its row to `DIALECTS`, and its tests.
"""

from __future__ import annotations

from .anthropic import ANTHROPIC
from .base import Dialect, StreamState, compact
from .generic import GENERIC, generic_with_terminal
from .openai_chat import CHAT, COMPLETIONS
from .openai_responses import RESPONSES

__all__ = ["DIALECTS", "GENERIC", "Dialect", "StreamState", "compact", "dialect_for", "generic_with_terminal"]

#: In order of lookup; the first row with a matching path ending wins.
DIALECTS: tuple[Dialect, ...] = (CHAT, COMPLETIONS, RESPONSES, ANTHROPIC)


def dialect_for(method: str, path: str) -> Dialect:
    """The dialect of a request by its *path* (decoded, without query); `GENERIC` when no row knows it."""
    if method == "POST":
        bare = path.rstrip("/")
        for dialect in DIALECTS:
            if bare.endswith(dialect.paths):
                return dialect
    return GENERIC
