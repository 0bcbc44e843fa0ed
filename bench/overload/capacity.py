"""Three times the capacity, with ``max_streams`` and without: goodput, the time to the first event, and refusals."""

from __future__ import annotations

from .asking import Told, offer, percentile
from .llm import Manner, serving
from .proxy import labelled, running

__all__ = ["capacity"]

#: An LLM server that ends 40 streams a second: each takes half a second, 20 at a time.
_SLOTS, _TOKENS, _PAUSE_SECONDS = 20, 10, 0.05
#: So that the next request is there when a slot is free: the slots, and half as many who wait.
_LIMIT = 30
_CAPACITY = _SLOTS / (_TOKENS * _PAUSE_SECONDS)
#: Longer than the queue in front of an LLM server is patient: what it brings is seen within seconds.
_SECONDS = 10.0


async def capacity() -> str:
    """A table."""
    rows = [
        (
            "| offered | `max_streams` | completed a second | first event p50, p99 | refused | "
            "within (p99) | of them with 503, `Retry-After` and reason | lines of log |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for factor, limit in ((0.9, _LIMIT), (3.0, _LIMIT), (3.0, 0)):
        manner = Manner(slots=_SLOTS, tokens=_TOKENS, pause_seconds=_PAUSE_SECONDS)
        async with serving(manner) as port, running(port, "--max-streams", str(limit)) as proxy:
            told = await offer(proxy.port, per_second=factor * _CAPACITY, seconds=_SECONDS)
            reasons = labelled(await proxy.metrics(), "refusals_total", "reason")
            lines = len(proxy.lines)
        rows.append(_row(factor, limit, told, reasons, lines))
    return "\n".join(rows)


def _row(factor: float, limit: int, told: list[Told], reasons: dict[str, int], lines: int) -> str:
    whole = [one for one in told if one.is_whole]
    refused = [one for one in told if one.status == 503]
    last = max(one.at for one in told) + _TOKENS * _PAUSE_SECONDS
    # What was only ended after the offer was over is no throughput under load.
    lasted = last - min(one.at for one in told)
    within = [one for one in whole if one.at + one.first_seconds + _TOKENS * _PAUSE_SECONDS <= last]
    proper = sum(one.is_proper for one in refused)
    first = [percentile(told, share, lambda one: one.is_whole) for share in (0.5, 0.99)]
    away = percentile(told, 0.99, lambda one: one.status == 503)
    return (
        f"| {factor:g} × {_CAPACITY:g} a second | {limit or 'none'} | {len(within) / lasted:.1f} | "
        f"{first[0]:.2f} s, {first[1]:.2f} s | {len(refused)} of {len(told)} | "
        f"{f'{away * 1000:.0f} ms' if refused else ''} | "
        f"{f'{proper}, {reasons}' if refused else ''} | {lines} |"
    )
