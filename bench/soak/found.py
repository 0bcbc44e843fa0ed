"""A soak's plan, and what is found out about each of its proxies."""

from __future__ import annotations

from dataclasses import dataclass, field

from .books import Books
from .census import Census, grown, kib_an_hour, most_kib_an_hour
from .place import Place
from .processes import Proxy

__all__ = ["Found", "Plan", "Side"]

#: What a process keeps for the next stream: threads of a pool, objects of each class, connections to the store.
_KEPT_THREADS, _KEPT_OBJECTS, _KEPT_SOCKETS = 8, 16, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried.

    *load*: clients at work at any time, both proxies together. *mix*: a name of `errands.MIXES`.
    *warm_seconds*: of load before anything is counted as there. *every_seconds*: between disturbances.
    """

    seconds: float = 3600.0
    seed: int = 1
    load: int = 100
    mix: str = "soak"
    warm_seconds: float = 20.0
    every_seconds: float = 30.0
    with_redis: bool = True


@dataclass(slots=True, kw_only=True)
class Side:
    """One proxy and all that is found out about it."""

    proxy: Proxy
    books: Books
    place: Place
    memory: list[tuple[float, float]] = field(default_factory=list)
    before: Census | None = None
    after: Census | None = None
    cpu_seconds: float = 0.0

    def check_memory(self) -> None:
        """The slope of its memory is within what the allocator alone makes."""
        found, most = kib_an_hour(self.memory), most_kib_an_hour(self.memory)
        if found > most:
            self.books.fault(f"memory grows by {found:.0f} KiB an hour; at most {most:.0f} are noise")

    def left_behind(self) -> list[str]:
        """What is there that was not before the load."""
        if self.before is None or self.after is None:
            raise RuntimeError("the census was not taken")
        sockets = _KEPT_SOCKETS if self.proxy.name == "redis" else 0
        return grown(self.before, self.after, threads=_KEPT_THREADS, objects=_KEPT_OBJECTS, sockets=sockets)

    def check_census(self) -> None:
        """Nothing is left behind."""
        for told in self.left_behind():
            self.books.fault(f"left behind: {told}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a soak has found."""

    plan: Plan
    seconds: float
    sides: list[Side]
    disturbances: dict[str, int]

    @property
    def fault_count(self) -> int:
        """How much is wrong."""
        return sum(side.books.fault_count for side in self.sides)
