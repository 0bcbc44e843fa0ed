"""The names of keys and channels, made of nothing from outside: stream ids that were checked, and hashes.

A stream's keys share a hash tag, so that a cluster keeps them together and a script may touch both.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from ...core.cursor import is_stream_id

__all__ = ["named_key", "replica_channel", "replica_key", "stream_channel", "stream_keys"]

_PREFIX = "sse-proxy:"


def stream_keys(stream: str) -> tuple[str, str]:
    """The keys of *stream*: meta, events.

    Raises:
        ValueError: *stream* is no stream id.
    """
    return f"{_tagged(stream)}:meta", f"{_tagged(stream)}:events"


def stream_channel(stream: str) -> str:
    """Where the news of *stream* is rung.

    Raises:
        ValueError: *stream* is no stream id.
    """
    return f"{_tagged(stream)}:bell"


def named_key(kind: Literal["once", "chat"], owner: str, name: str) -> str:
    """The key of what *owner* calls *name*."""
    text = f"{len(owner)}:{owner}{name}".encode("utf-8", "surrogatepass")
    return f"{_PREFIX}{kind}:{hashlib.sha256(text).hexdigest()}"


def replica_key(replica: str) -> str:
    """The key that is there while the process *replica* lives."""
    return f"{_PREFIX}replica:{replica}"


def replica_channel(replica: str) -> str:
    """Where the process *replica* is told what concerns its streams; without a name, what stands before it."""
    return f"{_PREFIX}bell:{replica}"


def _tagged(stream: str) -> str:
    if not is_stream_id(stream):
        raise ValueError("no stream id")
    return f"{_PREFIX}{{{stream}}}"
