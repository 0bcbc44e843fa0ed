"""What a request's own ``traceparent`` says (W3C Trace Context, Level 1 § 3.2), without OpenTelemetry."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..core.headers import RawHeaders, first

__all__ = ["sampled_parent"]

# § 3.2.2: lower case only; version ff and ids of zeros are invalid. Later versions may have more fields (§ 4.3).
_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL
)
_SAMPLED = 1


def sampled_parent(headers: RawHeaders) -> Mapping[str, str] | None:
    """``trace_id`` and ``span_id`` of the caller's span; None unless it says that somebody records it."""
    found = _TRACEPARENT.fullmatch(first(headers, b"traceparent") or b"")
    if found is None or (found[1] == b"00" and found[5] is not None) or not int(found[4], 16) & _SAMPLED:
        return None
    return {"trace_id": found[2].decode("ascii"), "span_id": found[3].decode("ascii")}
