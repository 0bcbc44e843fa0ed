"""Where the upstream is, in the three forms that a request needs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["UpstreamAddress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamAddress:
    """The setting ``upstream``, taken apart."""

    #: Scheme, host and port; a placeholder for a unix socket.
    url: str
    #: The value of ``Host`` (RFC 9110 § 7.2).
    host: bytes
    #: What goes in front of every request target; without a final slash.
    prefix: bytes

    @classmethod
    def of(cls, upstream: str) -> UpstreamAddress:
        """The parts of *upstream*, which the settings have validated."""
        if upstream.startswith("unix:"):
            return cls(url="http://localhost", host=b"localhost", prefix=b"")
        parts = urlsplit(upstream)
        return cls(
            url=f"{parts.scheme}://{parts.netloc}",
            host=parts.netloc.encode("idna" if not parts.netloc.isascii() else "ascii"),
            prefix=parts.path.rstrip("/").encode(),
        )
