"""The page's own files, as they are in the package: no build step, nothing from elsewhere, so that it works offline.

They hold no secret and say nothing of this process, so they are given to whoever asks, token or not: the page is what
has the field for the token. A browser keeps them, and asks whether they have changed (RFC 9111 § 5.2.2.4, ``ETag``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from starlette.types import Scope, Send

from ..core.headers import HeaderList, first
from ..core.target import HOME

__all__ = ["Shell"]

_PAGE = "page.html"
_TYPES = {
    "css": b"text/css; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "tsx": b"text/plain; charset=utf-8",
}

#: Nothing but the page's own files may run or be asked, nothing may frame it, and no text becomes markup (W3C Trusted
#: Types): what a stream holds is somebody else's.
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    b"trusted-types 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-cache"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One file, read."""

    body: bytes
    media_type: bytes
    etag: bytes


class Shell:
    """The files by reserved name; they are read when it is made."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        for entry in files(__package__).joinpath("static").iterdir():
            media_type = _TYPES[entry.name.rpartition(".")[2]]
            body = entry.read_bytes()
            etag = b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode()
            name = HOME if entry.name == _PAGE else f"{HOME}/{entry.name}"
            self._files[name] = _File(body=body, media_type=media_type, etag=etag)

    @property
    def names(self) -> frozenset[str]:
        """The reserved names that are files."""
        return frozenset(self._files)

    async def answer(self, name: str, scope: Scope, send: Send) -> None:
        """Answer a GET or HEAD for *name*, one of `names`."""
        file = self._files[name]
        headers: HeaderList = [*_HEADERS, (b"etag", file.etag)]
        if _has(file.etag, first(scope["headers"], b"if-none-match")):
            status, body = 304, b""
        else:
            status, body = 200, file.body
            headers += [(b"content-type", file.media_type), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _has(etag: bytes, told: bytes | None) -> bool:
    """Whether ``If-None-Match`` names *etag*, by the weak comparison (RFC 9110 § 13.1.2)."""
    known = (tag.strip().removeprefix(b"W/") for tag in (told or b"").split(b","))
    return told is not None and any(tag in {etag, b"*"} for tag in known)
