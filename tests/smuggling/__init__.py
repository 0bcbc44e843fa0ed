"""Requests and responses that two HTTP parsers may read in two ways, and what becomes of them behind a proxy.

    case        what a case is, and the few words that cases are written in
    lengths, codings, chunks, lines, targets, hops      requests, as data
    answers     responses, as data
    upstream    a recording server behind the proxy, read by h11
    nginx       nginx in front of the same upstream, for comparison
    drive       plays a case against a proxy
    __main__    writes the tables of docs/security.md (`make smuggling`)

`REQUESTS` and `RESPONSES` are the whole corpus; `tests/test_smuggling.py` plays it against ``sse-proxy serve``.
"""

from __future__ import annotations

from . import answers, chunks, codings, hops, lengths, lines, targets
from .case import RequestCase, ResponseCase

__all__ = ["REQUESTS", "RESPONSES"]

REQUESTS: tuple[RequestCase, ...] = (
    *lengths.CASES,
    *codings.CASES,
    *chunks.CASES,
    *lines.CASES,
    *targets.CASES,
    *hops.CASES,
)
RESPONSES: tuple[ResponseCase, ...] = answers.CASES
