"""What a body is by its first bytes, for stream candidates whose Content-Type does not say (formats.md § C)."""

from __future__ import annotations

import re
from enum import Enum, auto

from .sse import BOM

__all__ = ["SNIFF_BYTES", "Kind", "sniff"]

#: More of a body is never held to find out what it is.
SNIFF_BYTES = 4096

_FIELDS = (b"data", b"event", b"id", b"retry")
_FIELD = re.compile(rb"(?:data|event|id|retry)?[ ]?:")


class Kind(Enum):
    """The formats that can be told apart."""

    SSE = auto()
    JSON = auto()
    HTML = auto()
    OTHER = auto()


def sniff(head: bytes) -> Kind | None:
    """The kind of a body that starts with *head*; None when more bytes are needed to tell."""
    if len(head) < len(BOM) and BOM.startswith(head):
        return None
    text = head.removeprefix(BOM).lstrip(b" \t\r\n")
    if not text:
        return None if len(head) < SNIFF_BYTES else Kind.OTHER
    if _FIELD.match(text):
        return Kind.SSE
    if any(field.startswith(text) for field in _FIELDS):
        return None
    if text.startswith(b"<"):
        return Kind.HTML
    return Kind.JSON if text[:1] in b"{[" else Kind.OTHER
