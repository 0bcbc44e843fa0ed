"""CORS that is ours alone (``cors_origins``): Fetch § 3.3, as values; nothing here sends.

Made only where ``cors_origins`` is set; without it the upstream's own CORS passes untouched and nobody asks here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .core.headers import HeaderList, RawHeaders, first, tokens, values

__all__ = ["CorsPolicy"]

_EXPOSED = b"X-Stream-Id, Location, X-Request-Id, Retry-After"
_MAX_AGE_SECONDS = b"7200"  # the most that Chromium keeps a preflight for
# What is echoed must be what the grammar allows (RFC 9110 § 5.6.2), not whatever a client cares to send.
_TOKEN_LIST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+([ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")


class CorsPolicy:
    """Answers for a list of origins (``https://app.example``), or ``*`` for every origin.

    A listed origin may send credentials; one that is let in by ``*`` may not (Fetch § 3.3.5).
    """

    def __init__(self, origins: Iterable[str]) -> None:
        # Browsers serialise an origin in lower case and without a final slash; people type what they like.
        listed = frozenset(origin.strip().rstrip("/").lower().encode() for origin in origins)
        self._everyone = b"*" in listed
        self._listed = listed - {b"*"}

    def is_preflight(self, method: str, headers: RawHeaders) -> bool:
        """Whether this is a CORS-preflight request (Fetch § 3.3.2), be its origin welcome or not."""
        asks = first(headers, b"access-control-request-method") is not None
        return method == "OPTIONS" and asks and first(headers, b"origin") is not None

    def preflight_headers(self, request: RawHeaders, headers: RawHeaders) -> HeaderList:
        """*headers* of the answer to the preflight *request* with our CORS fields.

        The requested method and headers are echoed: ``*`` would not cover ``Authorization``. To an unwelcome origin
        nothing is promised, so its browser refuses by itself.
        """
        origin = first(request, b"origin")
        answer = self.response_headers(origin, headers)
        if not self._allowed(origin):
            return answer
        echoed = (
            (b"access-control-allow-methods", first(request, b"access-control-request-method")),
            (b"access-control-allow-headers", b", ".join(values(request, b"access-control-request-headers"))),
        )
        answered = [(name, value) for name, value in echoed if value and _TOKEN_LIST.fullmatch(value)]
        vary = (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers")
        return [*answer, *answered, (b"access-control-max-age", _MAX_AGE_SECONDS), vary]

    def response_headers(self, origin: bytes | None, headers: RawHeaders) -> HeaderList:
        """*headers* of a response to a request from *origin*, with our CORS fields in place of the upstream's."""
        kept = [field for field in headers if not field[0].lower().startswith(b"access-control-")]
        if allowed := self._allowed(origin):
            kept += [(b"access-control-allow-origin", allowed), (b"access-control-expose-headers", _EXPOSED)]
            if allowed != b"*":
                kept.append((b"access-control-allow-credentials", b"true"))
        # Only where the answer depends on it, or every cached page is kept once for each origin.
        if self._listed and not {b"origin", b"*"} & set(tokens(headers, b"vary")):
            kept.append((b"vary", b"Origin"))
        return kept

    def lets_in(self, origin: bytes | None) -> bool:
        """Whether a page of *origin* may call, and read the answer; without an Origin there is none to let in."""
        return origin is not None and bool(self._allowed(origin))

    def _allowed(self, origin: bytes | None) -> bytes:
        """The value of Access-Control-Allow-Origin; empty: not allowed.

        ``*`` is the same for requests without an Origin, so that a cache may keep one answer for all.
        """
        if origin is not None and origin.lower() in self._listed:
            return origin
        return b"*" if self._everyone else b""
