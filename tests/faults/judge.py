"""Compares what was expected of a cell with the facts. Pure."""

from __future__ import annotations

from .driver import Facts
from .expect import Expected

__all__ = ["differences"]


def differences(expected: Expected, facts: Facts) -> dict[str, tuple[object, object]]:
    """Fact → what was expected and what was found, for those that differ."""
    got, seen = facts.got, facts.seen
    pairs: dict[str, tuple[object, object]] = {
        "statuses": (expected.statuses, got.statuses),
        "ending": (expected.ending, got.ending),
        "code": (expected.code, got.code),
        "tokens": (expected.tokens, got.tokens),
        "is_complete": (expected.is_complete, got.is_complete),
        "outcomes": (tuple(map(str, expected.outcomes)), facts.outcomes),
    }
    if not expected.retry_is_open:
        pairs["may_retry"] = (expected.may_retry, got.may_retry)
    if expected.requests is not None:
        pairs["requests"] = (expected.requests, seen.requests)
    if expected.has:
        lines = [f"{name}: {value}" for name, value in got.fields]
        pairs["has"] = (expected.has, tuple(one for one in expected.has if any(line.startswith(one) for line in lines)))
    if expected.cancels is not None:
        pairs["cancels"] = (expected.cancels, seen.was_left)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
