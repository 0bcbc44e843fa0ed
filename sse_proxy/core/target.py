"""Which request paths are ours: everything that is, or could be read as, something under ``/-/sse-proxy/``.

The upstream owns every other path. A path that some server between here and there might normalise into the reserved
prefix (percent-encoding, doubled slashes, dot segments, backslashes, case) must not reach it either: behind us may
stand another proxy of this kind, whose reserved paths are not for our clients.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

__all__ = ["HOME", "RESERVED_PREFIX", "own_path", "reserved_name"]

RESERVED_PREFIX = "/-/sse-proxy/"
#: The reserved name of the prefix itself, which is where a person looks first: the playground's page.
HOME = "playground"

# One decoding is what HTTP asks for; the others are those of sloppy hops. Bounded, since each costs a scan.
_DECODINGS = 3
_ABSOLUTE_FORM = re.compile(rb"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def own_path(scope: Mapping[str, Any]) -> tuple[bytes, str]:
    """The raw and the decoded path of an ASGI scope, below the mount point when the app is mounted in another.

    Of a target in absolute form, which every server must take (RFC 9112 § 3.2.2) and some pass on as it is, the path.
    """
    root: str = scope.get("root_path", "").rstrip("/")
    path: str = scope["path"]
    raw_path: bytes = scope.get("raw_path") or path.encode()
    if _ABSOLUTE_FORM.match(raw_path):  # scheme, nothing, authority, path
        raw_path, path = b"/" + b"".join(raw_path.split(b"/", 3)[3:]), "/" + "".join(path.split("/", 3)[3:])
    if not path.startswith(root + "/"):
        return raw_path, path
    return raw_path.removeprefix(root.encode()), path.removeprefix(root)


def reserved_name(raw_path: bytes, path: str) -> str | None:
    """What follows the reserved prefix in *path*; empty for a disguised reserved path; None: it is the upstream's.

    *raw_path* is the path as sent, *path* the same percent-decoded; neither holds the query. No endpoint has the empty
    name, so whoever looks the name up answers 404 to a disguise; the bare prefix is `HOME`.
    """
    if path.startswith(RESERVED_PREFIX):
        return path.removeprefix(RESERVED_PREFIX) or HOME
    if any(_normalised(spelling).startswith(RESERVED_PREFIX) for spelling in _spellings(raw_path, path)):
        return ""
    return None


def _spellings(raw_path: bytes, path: str) -> Iterator[str]:
    for sent in {raw_path.decode("latin-1"), path}:
        text = sent
        yield text
        for _ in range(_DECODINGS):
            if "%" not in text:
                break
            text = unquote(text)
            yield text


def _normalised(path: str) -> str:
    """RFC 3986 § 6.2.2 and more: one slash between segments and at the end, no dot segments, lower case."""
    segments: list[str] = []
    for segment in path.replace("\\", "/").lower().split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in {"", "."}:
            segments.append(segment)
    return "/".join(["", *segments, ""])
