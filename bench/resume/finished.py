"""What ten thousand finished streams leave behind: memory after their time, and keys in Redis.

With each store, and without one as the measure of what streams cost that nobody keeps. Every stream has an idempotency
key and belongs to a chat, so that there is all that can be left. There are two lots of them: what a process does not
give back after the first is seen beside one that keeps nothing, and only what grows with the second is a leak.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import uvloop

from ..client import StreamClient
from ..control import Control, upstream
from ..cores import on
from ..descriptors import raise_open_files_limit
from ..load import check, ended, open_all, request_for
from ..manner import Manner
from ..meter import Meter
from ..peers import CHAT, PEERS
from ..servers import Running, running
from .metrics import gauge
from .places import places
from .store import Store, store
from .tables import goal, table
from .variants import ASKING, with_flags

__all__ = ["Plan", "Remains", "finished", "report"]

_MIB = 2**20
#: What may be more, in both senses.
_BOUND_MIB = 16.0
_LOTS = 2
#: The sign of a process that lives, no stream's. It has three seconds, which it takes where the process was killed.
_REPLICA = "sse-proxy:replica:"
_REPLICA_SECONDS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried."""

    #: Of each lot.
    streams: int = 10_000
    tokens: int = 5
    at_once: int = 100
    ttl_seconds: float = 30.0
    #: Behind that: for what is looked after once a second, and for the allocator.
    settle_seconds: float = 5.0


@dataclass(slots=True)
class Remains:
    """What there was: at first, then for both lots of streams when they had ended, and after their time."""

    name: str
    memory_mib: list[float] = field(default_factory=list)
    #: Streams and bytes that the process keeps, by its own metrics.
    kept_streams: list[float] = field(default_factory=list)
    kept_bytes: list[float] = field(default_factory=list)
    #: In Redis, at the same moments; the signs of processes are not among the keys.
    redis_mib: list[float] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    immortal_keys: list[int] = field(default_factory=list)
    #: All that is in Redis when the process has ended.
    keys_at_end: int = 0
    #: For the second lot.
    seconds: float = 0.0


def finished(plan: Plan) -> str:
    """Try it with each store, and return the section of the page."""
    raise_open_files_limit()
    server, load, other = places()
    found = []
    for name in ("off", "memory", "redis"):
        with upstream(other) as control, store(other) as redis, on(load):
            control.set(Manner(rate=100.0))
            remains = Remains(name)
            kind = redis.url if name == "redis" else name
            peer = with_flags(PEERS["sse-proxy"], "--resume", kind, "--resume-ttl-seconds", str(plan.ttl_seconds))
            with running(peer, control.port, server) as process:
                _fill_and_wait(plan, remains, process, redis)
            remains.keys_at_end = _left_at_end(redis)
            _all_were_generated(plan, control)
        found.append(remains)
        print(f"{name}: {remains}", flush=True)
    return report(plan, found)


def _fill_and_wait(plan: Plan, remains: Remains, process: Running, redis: Store) -> None:
    names = itertools.count()
    _note(remains, process, redis)
    for _ in range(_LOTS):
        began = time.monotonic()
        for _ in range(0, plan.streams, plan.at_once):
            uvloop.run(_some(plan, process.port, names))
        remains.seconds = time.monotonic() - began
        _note(remains, process, redis)
        if remains.name != "off":
            time.sleep(plan.ttl_seconds)
        time.sleep(plan.settle_seconds)
        _note(remains, process, redis)


async def _some(plan: Plan, port: int, names: itertools.count[int]) -> None:
    """As many streams as are open at once, from their begin to their end."""

    def make(_request: bytes, meter: Meter) -> StreamClient:
        number = next(names)
        own = (f"{ASKING[0]}; key=chat-{number}", f"Idempotency-Key: once-{number}")
        return StreamClient(request_for(CHAT, max_tokens=plan.tokens, headers=own), meter)

    meter = Meter()
    await ended(await open_all(make, b"", meter, port, plan.at_once))
    check(meter)


def _note(remains: Remains, process: Running, redis: Store) -> None:
    remains.memory_mib.append(process.resident_bytes / _MIB)
    remains.kept_streams.append(gauge(process.admin_port, "sse_proxy_replay_streams"))
    remains.kept_bytes.append(gauge(process.admin_port, "sse_proxy_replay_bytes"))
    remains.redis_mib.append(redis.used_bytes / _MIB)
    lives = [left for key, left in redis.lifetimes().items() if not key.startswith(_REPLICA)]
    remains.keys.append(len(lives))
    remains.immortal_keys.append(lives.count(-1))


def _left_at_end(redis: Store) -> int:
    """Keys of any kind, once a process that had not said goodbye would be missed."""
    time.sleep(_REPLICA_SECONDS)
    return len(redis.lifetimes())


def _all_were_generated(plan: Plan, control: Control) -> None:
    generations, running_still = control.generations()
    if (generations, running_still) != (_LOTS * plan.streams, 0):
        raise RuntimeError(f"{generations} generations, of which {running_still} still run")


def report(plan: Plan, found: Sequence[Remains]) -> str:
    """The section."""
    text = (
        f"{plan.streams:,} streams of {plan.tokens} tokens, their time of {plan.ttl_seconds:g} s, then as many again; "
        f"{plan.at_once} at once, each with an idempotency key and a chat's key. Looked at: at first → the first lot "
        f"ended → {plan.settle_seconds:g} s behind its time → the second ended → {plan.settle_seconds:g} s behind "
        "its.\n\n"
    )
    rows = [
        (
            remains.name,
            _way(remains.memory_mib, 1),
            _way(remains.kept_streams, 0),
            *((_way(remains.redis_mib, 1), _way(remains.keys, 0)) if remains.name == "redis" else ("–", "–")),
            f"{remains.seconds:.0f}",
        )
        for remains in found
    ]
    text += table(
        ["store", "proxy's RSS, MiB", "streams it counts", "Redis' memory, MiB", "its keys", "s for a lot"], rows
    )
    return text + "\n" + "".join(_goals(remains, found[0]) for remains in found[1:])


def _goals(remains: Remains, off: Remains) -> str:
    more, grown = remains.memory_mib[2] - off.memory_mib[2], remains.memory_mib[-1] - remains.memory_mib[2]
    text = goal(
        f"{remains.name}: RSS after the first lot's time at most {_BOUND_MIB:g} MiB over that of a process that keeps "
        f"nothing: {more:+.1f} MiB",
        is_met=more <= _BOUND_MIB,
    )
    text += goal(
        f"{remains.name}: the second lot adds at most {_BOUND_MIB:g} MiB to that: {grown:+.1f} MiB",
        is_met=grown <= _BOUND_MIB,
    )
    left = (remains.kept_streams[-1], remains.kept_bytes[-1])
    text += goal(
        f"{remains.name}: nothing kept after the time: {left[0]:g} streams, {left[1]:g} B", is_met=left == (0, 0)
    )
    if remains.name != "redis":
        return text
    immortal = max(remains.immortal_keys)
    text += goal(f"redis: no key without a time to live: {immortal}", is_met=not immortal)
    ends = (remains.keys[-1], remains.keys_at_end)
    told = f"redis: no key of a stream after the time: {ends[0]}; none of any kind after the process: {ends[1]}"
    return text + goal(told, is_met=ends == (0, 0))


def _way(values: Sequence[float], digits: int) -> str:
    return " → ".join(f"{value:,.{digits}f}" for value in values)
