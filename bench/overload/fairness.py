"""A greedy client beside a modest one, with ``max_streams_per_client`` and without."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from tempfile import TemporaryDirectory

from .asking import Told, ask, percentile
from .llm import Manner, serving
from .proxy import running

__all__ = ["fairness"]

_PLACES, _SHARE = 20, 15
_GREEDY, _MODEST = 60, 4
_SECONDS = 8.0
#: Of a client that was refused; less than it was told to wait, by the greedy one.
_GREEDY_PAUSE_SECONDS, _MODEST_PAUSE_SECONDS = 0.05, 1.0


async def fairness() -> str:
    """A table."""
    with TemporaryDirectory() as directory:
        tokens = Path(directory) / "tokens"
        tokens.write_text("greedy-token\nmodest-token\n")
        return await _table(tokens)


async def _table(tokens: Path) -> str:
    rows = [
        (
            f"| `max_streams_per_client` | greedy ({_GREEDY} at a time): served, refused | "
            f"modest ({_MODEST} at a time): served, refused | modest: first event p99 |"
        ),
        "|---|---|---|---|",
    ]
    for share in (0, _SHARE):
        manner = Manner(slots=_PLACES, tokens=10, pause_seconds=0.05)
        flags = ("--max-streams", str(_PLACES), "--max-streams-per-client", str(share))
        async with serving(manner) as port, running(port, *flags, "--auth-tokens-file", str(tokens)) as proxy:
            greedy, modest = await asyncio.gather(
                _crowd(proxy.port, "greedy-token", _GREEDY, _GREEDY_PAUSE_SECONDS),
                _crowd(proxy.port, "modest-token", _MODEST, _MODEST_PAUSE_SECONDS),
            )
        first = percentile(modest, 0.99, lambda one: one.is_whole)
        waited = "never served" if math.isnan(first) else f"{first:.2f} s"
        rows.append(f"| {share or 'none'} | {_counts(greedy)} | {_counts(modest)} | {waited} |")
    return "\n".join(rows)


def _counts(told: list[Told]) -> str:
    return f"{sum(one.is_whole for one in told)}, {sum(one.status == 503 for one in told)}"


async def _crowd(port: int, token: str, size: int, pause_seconds: float) -> list[Told]:
    """What became of the requests of *size* clients, each of which asks again at once, or after a pause if refused."""
    end = asyncio.get_running_loop().time() + _SECONDS

    async def one() -> list[Told]:
        told = []
        while asyncio.get_running_loop().time() < end:
            told.append(await ask(port, token))
            if told[-1].status != 200:
                await asyncio.sleep(pause_seconds)
        return told

    return [answer for answers in await asyncio.gather(*(one() for _ in range(size))) for answer in answers]
