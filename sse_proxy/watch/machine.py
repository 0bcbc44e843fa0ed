"""A stream for programs: one JSON object a line, in ASCII, for the head, each mark and the end.

Times and gaps are seconds; a field that has nothing to say is left out, but for those that every event has.
"""

from __future__ import annotations

import json
from typing import Any

from ..core.headers import without
from .marks import Head, Mark
from .tally import Summary
from .view import Line, Piece

__all__ = ["JSONLines"]

#: Fields that are not for whoever reads what was written down.
_SECRET = frozenset({b"set-cookie"})


class JSONLines:
    """One JSON object a line."""

    def head(self, head: Head, request: str) -> list[Line]:
        told = without(head.headers, _SECRET)
        headers = [[name.decode("latin-1").lower(), value.decode("latin-1")] for name, value in told]
        return _json(
            t=_rounded(head.t),
            kind="head",
            request=request,
            status=head.status,
            http_version=head.http_version,
            headers=headers,
        )

    def chunk(self, chunk: bytes, t: float, gap: float) -> list[Line]:  # noqa: ARG002  the protocol's
        return []

    def mark(self, mark: Mark) -> list[Line]:
        told = {
            "t": _rounded(mark.t),
            "gap": _rounded(mark.gap),
            "kind": mark.kind.value,
            "id": mark.id,
            "event": mark.event,
            "data": mark.data,
            "bytes": mark.size_bytes,
        }
        optional = {
            "retry": mark.retry,
            "text": mark.text or None,
            "reasoning": mark.reasoning or None,
            "tools": mark.tools or None,
            "finish": mark.finish,
            "repairs": mark.repairs or None,
        }
        return _json(**told, **{name: value for name, value in optional.items() if value is not None})

    def end(self, summary: Summary, body: bytes) -> list[Line]:
        told: dict[str, Any] = {
            "t": _rounded(summary.duration_seconds),
            "kind": "end",
            "outcome": summary.ending.verdict.value,
            "verified": summary.ending.verified,
            "detail": summary.ending.detail,
            "dialect": summary.dialect,
            "ttft_seconds": _rounded(summary.ttft_seconds),
            "events": summary.events,
            "heartbeats": summary.heartbeats,
            "bytes_in": summary.bytes_in,
            "longest_gap_seconds": _rounded(summary.longest_gap_seconds),
            "longest_event_gap_seconds": _rounded(summary.longest_event_gap_seconds),
            "text": summary.text,
            "repairs": summary.repairs,
            "tokens": summary.usage,
        }
        return _json(**told, **({"body": body.decode(errors="replace")} if body else {}))


def _json(**fields: Any) -> list[Line]:
    return [[Piece(json.dumps(fields))]]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
