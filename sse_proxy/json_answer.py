"""Our own small documents as a response: JSON that nobody may keep."""

from __future__ import annotations

import json
from collections.abc import Mapping

from .core.headers import HeaderList

__all__ = ["json_answer"]


def json_answer(document: Mapping[str, object], *more: tuple[bytes, bytes]) -> tuple[HeaderList, bytes]:
    """Headers, *more* among them, and body of a response with *document*."""
    body = json.dumps(document).encode("ascii")
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *more]
    return [*headers, (b"content-length", b"%d" % len(body))], body
