"""A timer wheel: everything on it gets its turn once a period, each at a moment of its own, for one timer in all."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["TICK_SECONDS", "Wheel"]

#: How long one slot lasts.
TICK_SECONDS = 0.001

_T = TypeVar("_T")
#: Slots are dealt out in golden steps, so that any number of members is spread evenly.
_GOLDEN = 0.6180339887498949


class Wheel(Generic[_T]):
    """Members that come round *rate* times a second, at least once a tick apart."""

    def __init__(self, rate: float) -> None:
        self._slots: list[dict[_T, None]] = [{} for _ in range(max(1, round(1 / (rate * TICK_SECONDS))))]
        self._at: dict[_T, int] = {}
        self._added = 0
        self._now = 0

    def __len__(self) -> int:
        return len(self._at)

    def add(self, member: _T) -> None:
        """Give *member* a slot."""
        slot = int(self._added * _GOLDEN % 1 * len(self._slots))
        self._added += 1
        self._at[member] = slot
        self._slots[slot][member] = None

    def discard(self, member: _T) -> None:
        """Take *member* off, if it is on."""
        slot = self._at.pop(member, None)
        if slot is not None:
            del self._slots[slot][member]

    def turn(self) -> tuple[_T, ...]:
        """Those whose turn this tick is; the next call is the next tick."""
        due = tuple(self._slots[self._now])
        self._now = (self._now + 1) % len(self._slots)
        return due
