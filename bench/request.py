"""As much of HTTP requests as the fake upstream has to understand."""

from __future__ import annotations

import re
import sys

from .events import LAST_CHUNK

__all__ = ["max_tokens", "path_of", "request_length"]

# Some servers write the newer name in place of the older one.
_MAX_TOKENS = re.compile(rb'"max_(?:completion_)?tokens": ?(\d+)')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


def request_length(data: bytes) -> int | None:
    """How many of *data* are the first request, head and body; None while it is incomplete."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return None
    if _CHUNKED.search(data, 0, head):
        end = data.find(LAST_CHUNK, head)
        return end + len(LAST_CHUNK) if end >= 0 else None
    told = _LENGTH.search(data, 0, head)
    length = head + 4 + (int(told[1]) if told else 0)
    return length if len(data) >= length else None


def path_of(request: bytes) -> str:
    """The target of its request line."""
    return request.split(b" ", 2)[1].decode()


def max_tokens(request: bytes) -> int:
    """How many tokens it asks for; no end where it does not say."""
    limit = _MAX_TOKENS.search(request)
    return int(limit[1]) if limit else sys.maxsize
